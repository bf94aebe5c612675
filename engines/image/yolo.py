"""Object detection with Ultralytics YOLO (8, 11, 26 ...), from ``.pt`` or exported ``.onnx`` weights.

ultralytics is under AGPL-3.0. It is imported here only, when one of its models is used, and kept from the network: it
may neither fetch weights, nor install packages, nor report usage.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from engines.errors import EngineError
from engines.image.coco import coco_name
from engines.image.scores import check_threshold
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Box

if TYPE_CHECKING:
    from PIL.Image import Image


class YoloOptions(BaseModel):
    """What a catalog entry may say."""

    model_config = ConfigDict(extra="forbid")

    file: str = ""
    """The weights in the folder; empty: the only ``.pt`` or ``.onnx`` file there."""
    image_size: int = Field(default=640, ge=32, le=4096)
    """The longer side in px that the network sees."""
    overlap: float = Field(default=0.7, gt=0, le=1)
    """Boxes of one class that share more than this (intersection over union) show one object."""


class UltralyticsYolo:
    """`engines.protocols.ObjectDetection`. One call at a time: the library keeps a predictor's state in the model."""

    capability: ClassVar[str] = "object-detection"

    def __init__(self, context: LoadContext) -> None:
        self._options = YoloOptions.model_validate(dict(context.entry.options))
        self._device = context.device
        weights = _weights(context, self._options.file)
        ultralytics = _imported(context)
        try:
            self._model = ultralytics.YOLO(str(weights), task="detect")
            names: dict[int, str] = self._model.names
        except ImportError:
            raise
        except Exception as error:  # whatever unpickling and onnxruntime raise
            cause = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise EngineError(
                f"{context.entry.id}: {weights.name} can't be loaded: {cause[:300]}.", fix="Is it a YOLO model's file?"
            ) from error
        if self._model.task != "detect":
            raise EngineError(
                f"{context.entry.id}: {weights.name} is made for the task {self._model.task!r}.",
                fix="Take weights that detect objects.",
            )
        self._names = {number: coco_name(name) for number, name in names.items()}
        self.labels = tuple(dict.fromkeys(self._names.values()))

    def close(self) -> None:
        del self._model

    def detect(
        self,
        image: Image,
        *,
        threshold: float = 0.4,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Box, ...]:
        """At most 300 boxes, best first. Raises InputError when ``threshold`` is not in 0..1."""
        check_threshold(threshold)
        cancel.check()
        (found,) = self._model.predict(
            image.convert("RGB"),
            conf=max(threshold, 1e-6),  # it takes 0 for "not given"
            iou=self._options.overlap,
            imgsz=self._options.image_size,
            device=self._device,
            verbose=False,
            save=False,
        )
        cancel.check()
        rows = zip(found.boxes.cls.tolist(), found.boxes.conf.tolist(), found.boxes.xyxy.tolist(), strict=True)
        boxes = [Box(self._names[int(number)], score, *edges) for number, score, edges in rows]
        on_progress(1.0, f"{len(boxes)} objects")
        return tuple(sorted(boxes, key=lambda box: -box.score))


def _weights(context: LoadContext, name: str) -> Path:
    files = sorted(path for path in context.folder.iterdir() if path.suffix in (".pt", ".onnx"))
    wanted = [path for path in files if path.name == name] if name else files
    if len(wanted) == 1:
        return wanted[0]
    there = ", ".join(path.name for path in files) or "none"
    raise EngineError(
        f"{context.entry.id}: its folder must hold {name or 'one .pt or .onnx file'}; there is: {there}.",
        fix='Name the file in the entry\'s options, as in: options = { file = "best.pt" }',
    )


def _imported(context: LoadContext) -> Any:
    """The library, told before its first import to keep to this machine."""
    os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    if context.cache and "YOLO_CONFIG_DIR" not in os.environ:
        folder = context.cache / "ultralytics"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["YOLO_CONFIG_DIR"] = str(folder)
    ultralytics: Any = importlib.import_module("ultralytics")
    if ultralytics.settings.get("sync", False):
        ultralytics.settings.update({"sync": False})
    return ultralytics
