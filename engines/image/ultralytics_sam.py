"""MobileSAM (Zhang et al. 2023), FastSAM (Zhao et al. 2023) and SAM's own ``.pt`` files with ultralytics.

ultralytics is under AGPL-3.0. It is imported here only, when one of these models is used, and kept from the network.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from engines.errors import EngineError, InputError
from engines.image.matte import enlarge
from engines.image.pointing import fit_prompts
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Box, Mask, Point

if TYPE_CHECKING:
    from PIL.Image import Image


class UltralyticsSam:
    """`engines.protocols.ObjectSegmentation`. One call at a time: the library keeps a predictor's state in the model.

    Which network a file holds is known by its name, as ultralytics itself does it: `mobile_sam.pt`, `FastSAM-s.pt`,
    `sam_b.pt`, `sam2.1_s.pt` ...
    """

    capability: ClassVar[str] = "segmentation"

    def __init__(self, context: LoadContext) -> None:
        files = sorted(context.folder.glob("*.pt"))
        if len(files) != 1:
            raise EngineError(
                f"{context.entry.id}: its folder must hold one .pt file; it holds {len(files)}.",
                fix=f"Fetch it again: sensorium models pull {context.entry.id}",
            )
        self._device = context.device
        self._fast = "fastsam" in files[0].name.lower()
        ultralytics = _imported(context)
        try:
            self._model = (ultralytics.FastSAM if self._fast else ultralytics.SAM)(str(files[0]))
        except ImportError:
            raise
        except Exception as error:  # whatever unpickling raises
            cause = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise EngineError(
                f"{context.entry.id}: {files[0].name} can't be loaded: {cause[:300]}.",
                fix="Is it a model of MobileSAM, FastSAM or SAM, under its own name?",
            ) from error

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
        """As `ObjectSegmentation.segment`; FastSAM takes points or a box, not both."""
        import numpy as np

        points, boxes = fit_prompts(image.size, points, boxes)
        if self._fast and points and boxes:
            raise InputError("FastSAM takes points or a box, not both.", fix="Leave one away, or take another model.")
        picture = image.convert("RGB")
        if len(boxes) > 1 and not self._fast:  # SAM looks at the picture once for all of them
            masks = self._ask(picture, (), boxes)
            if len(masks) == len(boxes):  # it leaves out those it has no mask for, and doesn't say which
                return tuple(masks)
        masks = []
        for number, box in enumerate(boxes or (None,)):
            cancel.check()
            on_progress(number / max(1, len(boxes)), "outlining")
            found = self._ask(picture, points, (box,) if box else ())
            empty = Mask(np.zeros((image.height, image.width), bool), 0.0, box.label if box else "")
            masks.append(max(found, key=lambda mask: mask.score, default=empty))
        cancel.check()
        on_progress(1.0, "outlined")
        return tuple(masks)

    def _ask(self, image: Image, points: Sequence[Point], boxes: Sequence[Box]) -> list[Mask]:
        """Every mask it has for the prompts, in their order."""
        import numpy as np

        asked: dict[str, Any] = {}
        if boxes:
            asked["bboxes"] = [[box.left, box.top, box.right, box.bottom] for box in boxes]
        if points:
            dots, sides = [[point.x, point.y] for point in points], [int(point.inside) for point in points]
            # SAM takes a list of points for each thing; FastSAM knows one thing only.
            asked |= {"points": dots, "labels": sides} if self._fast else {"points": [dots], "labels": [sides]}
        (found,) = self._model.predict(
            image, **asked, conf=1e-6, device=self._device, verbose=False, save=False, retina_masks=True
        )
        if found.masks is None:
            return []
        scores = found.boxes.conf.clamp(0, 1).tolist()
        labels = (
            [box.label for box in boxes]
            if len(boxes) == len(scores)
            else [boxes[0].label if boxes else ""] * len(scores)
        )
        grids = (np.asarray(grid.cpu().numpy() > 0.5) for grid in found.masks.data)
        return [
            Mask(enlarge(grid, image.size), score, label)
            for grid, score, label in zip(grids, scores, labels, strict=True)
        ]


def _imported(context: LoadContext) -> Any:
    """The library, told before its first import to keep to this machine."""
    os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    if context.cache and "YOLO_CONFIG_DIR" not in os.environ:
        folder: Path = context.cache / "ultralytics"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["YOLO_CONFIG_DIR"] = str(folder)
    ultralytics: Any = importlib.import_module("ultralytics")
    if ultralytics.settings.get("sync", False):
        ultralytics.settings.update({"sync": False})
    return ultralytics
