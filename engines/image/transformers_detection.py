"""Object detection with models in the transformers format: RT-DETR, D-FINE, DETR, YOLOS; OWLv2, Grounding DINO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from engines.errors import InputError
from engines.image.coco import coco_name
from engines.image.scores import check_threshold
from engines.loading import LoadContext
from engines.pretrained import inputs_to, load_model, load_processor
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Box

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BOXES = 300


class DetectionOptions(BaseModel):
    """What a catalog entry may say."""

    model_config = ConfigDict(extra="forbid")

    dtype: str = "auto"


class TransformersDetection:
    """`engines.protocols.ObjectDetection` with ``AutoModelForObjectDetection``."""

    capability: ClassVar[str] = "object-detection"

    def __init__(self, context: LoadContext) -> None:
        from transformers import AutoImageProcessor, AutoModelForObjectDetection

        options = DetectionOptions.model_validate(dict(context.entry.options))
        self._processor = load_processor(context, AutoImageProcessor)
        self._model = load_model(context, AutoModelForObjectDetection, dtype=options.dtype)
        names: dict[int, str] = self._model.config.id2label
        self._names = {number: coco_name(name) for number, name in names.items()}
        self.labels = tuple(dict.fromkeys(name for name in self._names.values() if name != "N/A"))

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
        import torch

        check_threshold(threshold)
        cancel.check()
        rgb = image.convert("RGB")
        inputs = self._processor(images=rgb, return_tensors="pt")
        cancel.check()
        with torch.inference_mode():
            outputs = self._model(**inputs_to(self._model, inputs))
        cancel.check()
        (found,) = self._processor.post_process_object_detection(
            outputs, threshold=threshold, target_sizes=[(rgb.height, rgb.width)]
        )
        boxes = _boxes(found, [self._names.get(int(number), "N/A") for number in found["labels"]], rgb.size)
        on_progress(1.0, f"{len(boxes)} objects")
        return boxes


class OpenVocabularyDetection:
    """`engines.protocols.OpenDetection` with ``AutoModelForZeroShotObjectDetection``: finds what words describe."""

    capability: ClassVar[str] = "open-detection"

    def __init__(self, context: LoadContext) -> None:
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        options = DetectionOptions.model_validate(dict(context.entry.options))
        self._processor = load_processor(context, AutoProcessor)
        self._model = load_model(context, AutoModelForZeroShotObjectDetection, dtype=options.dtype)

    def close(self) -> None:
        del self._model

    def detect(
        self,
        image: Image,
        targets: Sequence[str],
        *,
        threshold: float = 0.2,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Box, ...]:
        """At most 300 boxes, best first. Raises InputError without targets, or when ``threshold`` is not in 0..1."""
        import torch

        check_threshold(threshold)
        names = [target.strip() for target in targets if target.strip()]
        if not names:
            raise InputError("Nothing was named that should be found.", fix="Name it, as in: red car.")
        cancel.check()
        rgb = image.convert("RGB")
        inputs = self._processor(images=rgb, text=[names], return_tensors="pt", truncation=True)
        cancel.check()
        with torch.inference_mode():
            outputs = self._model(**inputs_to(self._model, inputs))
        cancel.check()
        found = self._found(outputs, names, threshold, (rgb.height, rgb.width), inputs)
        boxes = _boxes(found, [str(label) for label in found["text_labels"]], rgb.size)
        on_progress(1.0, f"{len(boxes)} objects")
        return boxes

    def _found(
        self, outputs: Any, names: list[str], threshold: float, size: tuple[int, int], inputs: Any
    ) -> dict[str, Any]:
        post_process = self._processor.post_process_grounded_object_detection
        if "input_ids" in inputs and "grounding" in self._model.config.model_type:
            (found,) = post_process(
                outputs, inputs["input_ids"], threshold=threshold, text_threshold=threshold, target_sizes=[size]
            )
            # It gives back the words it matched, of which a phrase may be only a part.
            found["text_labels"] = [_closest(words, names) for words in found["text_labels"]]
        else:
            (found,) = post_process(outputs, threshold=threshold, target_sizes=[size], text_labels=[names])
        return dict(found)


def _closest(words: str, names: Sequence[str]) -> str:
    """The name that shares most words with what was matched; the first where none does."""
    matched = set(words.lower().split())
    return max(names, key=lambda name: len(matched & set(name.lower().split())))


def _boxes(found: dict[str, Any], labels: list[str], size: tuple[int, int]) -> tuple[Box, ...]:
    """Inside the picture, best first; boxes of no area and of classes without a name are left out."""
    rows = zip(labels, found["scores"].tolist(), found["boxes"].tolist(), strict=True)
    boxes = []
    for label, score, (left, top, right, bottom) in rows:
        edges = (max(0.0, left), max(0.0, top), min(float(size[0]), right), min(float(size[1]), bottom))
        if edges[0] < edges[2] and edges[1] < edges[3] and label != "N/A":
            boxes.append(Box(label, min(1.0, score), *edges))
    return tuple(sorted(boxes, key=lambda box: -box.score)[:MOST_BOXES])
