"""Segment Anything (Kirillov et al. 2023) and SAM 2 (Ravi et al. 2024) through transformers.

The pictures are prepared here as their processors do it, because SAM 2's own needs torchvision: SAM sees the picture
with its longer side at 1024 px and the rest empty, SAM 2 sees it stretched to a square.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from engines.errors import EngineError
from engines.image.pointing import fit_prompts, scale_prompts
from engines.loading import LoadContext
from engines.pretrained import load_model, model_type
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Box, Mask, Point
from engines.stopping import stoppable

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_STRETCHES: Final = {"sam": False, "sam_hq": False, "sam2": True, "sam2_video": True}
"""Architecture -> whether it sees pictures stretched to a square."""
_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dtype: str = "auto"
    """``float32``, ``float16``, ``bfloat16``; auto: half precision on accelerators."""


class SegmentAnything:
    """`engines.protocols.ObjectSegmentation`."""

    capability: ClassVar[str] = "segmentation"

    def __init__(self, context: LoadContext) -> None:
        from transformers import AutoModelForMaskGeneration

        options = Options.model_validate(dict(context.entry.options))
        kind = model_type(context)
        if kind not in _STRETCHES:
            raise EngineError(
                f"{context.entry.id}: its folder holds a model of the kind {kind}, which this engine does not know.",
                fix=f"It knows: {', '.join(_STRETCHES)}.",
            )
        self._stretches = _STRETCHES[kind]
        self._model = load_model(context, AutoModelForMaskGeneration, dtype=options.dtype)
        self._size = int(self._model.config.prompt_encoder_config.image_size)

    def close(self) -> None:
        del self._model

    def segment(
        self,
        image: Image,
        *,
        points: Sequence[Point] = (),
        boxes: Sequence[Box] = (),
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Mask, ...]:
        """As `ObjectSegmentation.segment`. ``score`` is the overlap with the truth that the model expects."""
        import torch

        points, boxes = fit_prompts(image.size, points, boxes)
        cancel.check()
        seen = (self._size, self._size) if self._stretches else _longest(image.size, self._size)
        near, frames = scale_prompts(points, boxes, seen[0] / image.width, seen[1] / image.height)
        with torch.inference_mode():
            with stoppable(self._model.vision_encoder, cancel, on_progress, "looking at the picture"):
                sight = self._model.get_image_embeddings(self._pixels(image, seen))
            masks = []
            for number, frame in enumerate(frames or (None,)):
                cancel.check()
                on_progress(number / max(1, len(frames)), "outlining")
                logits, score = self._decode(sight, near, frame)
                pixels = self._at_full_size(logits, seen, image.size)
                masks.append(Mask(pixels.cpu().numpy(), score, boxes[number].label if boxes else ""))
        on_progress(1.0, "outlined")
        return tuple(masks)

    def _pixels(self, image: Image, seen: tuple[int, int]) -> torch.Tensor:
        """Shape (1, 3, size, size); 0, the average colour, where there is no picture."""
        import numpy as np
        import torch
        from PIL import Image as Pictures

        small = image.convert("RGB").resize(seen, Pictures.Resampling.BILINEAR, reducing_gap=3)
        canvas = np.zeros((self._size, self._size, 3), np.float32)
        canvas[: seen[1], : seen[0]] = (np.asarray(small, np.float32) / 255 - _MEAN) / _STD
        batch = torch.from_numpy(canvas.transpose(2, 0, 1)[None].copy())
        return batch.to(self._model.device, self._model.dtype)

    def _decode(self, sight: Any, points: Sequence[Point], box: Box | None) -> tuple[torch.Tensor, float]:
        """The best mask, in logits at the size at which the model makes masks, and the score it gives itself."""
        import torch

        place = {"device": self._model.device, "dtype": self._model.dtype}
        prompts: dict[str, Any] = {}
        if points:
            prompts["input_points"] = torch.tensor([[[[point.x, point.y] for point in points]]], **place)
            labels = [[[int(point.inside) for point in points]]]
            prompts["input_labels"] = torch.tensor(labels, device=self._model.device)
        if box is not None:
            prompts["input_boxes"] = torch.tensor([[[box.left, box.top, box.right, box.bottom]]], **place)
        # One click may mean a thing or a part of it: then the model offers three masks.
        open_to_doubt = box is None and len(points) == 1
        found = self._model(image_embeddings=sight, multimask_output=open_to_doubt, **prompts)
        scores = found.iou_scores[0, 0].float()
        best = int(scores.argmax())
        return found.pred_masks[0, 0, best].float(), float(scores[best].clamp(0, 1))

    def _at_full_size(self, logits: torch.Tensor, seen: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
        from torch.nn.functional import interpolate

        square = interpolate(logits[None, None], (self._size, self._size), mode="bilinear", align_corners=False)
        there = square[..., : seen[1], : seen[0]]
        return interpolate(there, (size[1], size[0]), mode="bilinear", align_corners=False)[0, 0] > 0


def _longest(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Width and height, in proportion, with the longer one at ``longest``."""
    scale = longest / max(size)
    return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))
