"""Image classification with models in the transformers format: ViT, ConvNeXt, Swin, DINOv2 ... and timm's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from engines.loading import LoadContext
from engines.pretrained import inputs_to, load_model, load_processor
from engines.progress import NEVER, CancelToken
from engines.protocols import ImageClass

if TYPE_CHECKING:
    from PIL.Image import Image


class ClassificationOptions(BaseModel):
    """What a catalog entry may say."""

    model_config = ConfigDict(extra="forbid")

    dtype: str = "auto"
    many: bool = False
    """Classes don't exclude each other, as with tags: each has a probability of its own."""


class TransformersClassification:
    """`engines.protocols.ImageClassification` with ``AutoModelForImageClassification``."""

    capability: ClassVar[str] = "image-classification"

    def __init__(self, context: LoadContext) -> None:
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        self._options = ClassificationOptions.model_validate(dict(context.entry.options))
        self._processor = load_processor(context, AutoImageProcessor)
        self._model = load_model(context, AutoModelForImageClassification, dtype=self._options.dtype)
        names: dict[int, str] = self._model.config.id2label
        self.labels = tuple(_readable(names[number]) for number in sorted(names))

    def close(self) -> None:
        del self._model

    def classify(self, image: Image, *, top: int = 5, cancel: CancelToken = NEVER) -> tuple[ImageClass, ...]:
        """See `engines.protocols.ImageClassification`."""
        import torch

        cancel.check()
        inputs = self._processor(images=image.convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**inputs_to(self._model, inputs)).logits[0].float()
        cancel.check()
        scores = logits.sigmoid() if self._options.many else logits.softmax(0)
        best = scores.topk(min(top, len(self.labels)))
        rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return tuple(ImageClass(self.labels[number], score) for number, score in rows)


def _readable(label: str) -> str:
    """``golden_retriever`` and ``tabby, tabby cat`` as a person would say them."""
    return label.replace("_", " ").split(",")[0].strip()
