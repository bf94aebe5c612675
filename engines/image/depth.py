"""Depth from one picture with models in the transformers format: Depth Anything, MiDaS (DPT), ZoeDepth, GLPN."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from engines.image.matte import shrink
from engines.loading import LoadContext
from engines.pretrained import inputs_to, load_model, load_processor, model_type
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import DepthMap
from engines.stopping import stoppable

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_METRIC: Final = frozenset({"zoedepth", "glpn"})
"""Architectures that give metres; Depth Anything does in some checkpoints, which say so."""
_LONGEST: Final = 1536
"""The networks see far less."""
_LEAST: Final = 32
"""Processors mirror a rim around the picture, and fail where it is wider than the picture."""


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dtype: str = "auto"
    """``float32``, ``float16``, ``bfloat16``; auto: half precision on accelerators."""


class MonocularDepth:
    """`engines.protocols.DepthEstimation`."""

    capability: ClassVar[str] = "depth-estimation"

    def __init__(self, context: LoadContext) -> None:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        options = Options.model_validate(dict(context.entry.options))
        self._kind = model_type(context)
        self._model = load_model(context, AutoModelForDepthEstimation, dtype=options.dtype)
        self._processor = load_processor(context, AutoImageProcessor)
        stated = getattr(self._model.config, "depth_estimation_type", "relative")
        self._metric = self._kind in _METRIC or stated == "metric"

    def close(self) -> None:
        del self._model

    def estimate_depth(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> DepthMap:
        """As `DepthEstimation.estimate_depth`."""
        import numpy as np
        import torch

        cancel.check()
        small = _at_least(shrink(image, _LONGEST), _LEAST)
        inputs = inputs_to(self._model, self._processor(images=small, return_tensors="pt"))
        with torch.inference_mode(), stoppable(self._model, cancel, on_progress, "estimating depth"):
            found = self._model(**inputs).predicted_depth.float()
        values = self._at_full_size(found, small.size, image.size).cpu().numpy()
        cancel.check()
        on_progress(1.0, "depth")
        if not self._metric:
            return DepthMap(np.asarray(values, np.float32))
        metres = np.asarray(values.clip(1e-3), np.float32)
        return DepthMap(np.float32(1) / metres, metres)

    def _at_full_size(self, found: torch.Tensor, small: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
        """Shape (height, width) of ``size`` (width, height)."""
        from torch.nn.functional import interpolate

        grid = found.reshape(1, 1, *found.shape[-2:])
        if self._kind == "zoedepth" and self._processor.do_pad:
            # ZoeDepth sees the picture with a mirrored rim, this wide for each side of it.
            rim = [int((side / 2) ** 0.5 * 3) for side in small]
            padded = (small[1] + 2 * rim[1], small[0] + 2 * rim[0])
            grid = interpolate(grid, padded, mode="bicubic", align_corners=False)
            grid = grid[..., rim[1] : padded[0] - rim[1], rim[0] : padded[1] - rim[0]]
        whole: torch.Tensor = interpolate(grid, (size[1], size[0]), mode="bilinear", align_corners=False)
        return whole[0, 0]


def _at_least(image: Image, side: int) -> Image:
    """Stretched where a side is shorter."""
    size = (max(image.width, side), max(image.height, side))
    return image if size == image.size else image.resize(size)
