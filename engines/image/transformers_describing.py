"""Captions and answers by models in the transformers format: BLIP, Florence-2, ViLT, and chat models that see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.pretrained import inputs_to, load_model, load_processor, stop_on
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Described, VisualQuestionAnswering

if TYPE_CHECKING:
    from PIL.Image import Image

#: What a model that answers questions is asked for a caption.
DESCRIBE = "Describe this picture in one or two plain sentences."
_MAX_QUESTION = 2000


class DescribingOptions(BaseModel):
    """What a catalog entry may say."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = ""
    """What a captioner is prompted with, such as Florence-2's ``<DETAILED_CAPTION>``."""
    max_tokens: int = Field(default=120, ge=1, le=4096)
    dtype: str = "auto"


class _Generating:
    """A model that writes text about a picture."""

    def __init__(self, context: LoadContext, auto_class: Any) -> None:
        from transformers import AutoProcessor

        self._id = context.entry.id
        self._options = DescribingOptions.model_validate(dict(context.entry.options))
        self._processor = load_processor(context, AutoProcessor)
        self._model = load_model(context, auto_class, dtype=self._options.dtype)

    def close(self) -> None:
        del self._model

    def _generate(self, inputs: Any, on_progress: OnProgress, cancel: CancelToken) -> Any:
        """Token ids, of one row. Greedy: the same picture gives the same text."""
        import torch
        from transformers import StoppingCriteriaList

        cancel.check()
        on_progress(None, "looking at the picture")
        with torch.inference_mode():
            ids = self._model.generate(
                **inputs_to(self._model, inputs),
                max_new_tokens=self._options.max_tokens,
                do_sample=False,
                stopping_criteria=StoppingCriteriaList([stop_on(cancel)]),
            )
        cancel.check()
        return ids[0]

    def _written(self, ids: Any) -> str:
        text = str(self._processor.decode(ids, skip_special_tokens=True)).strip()
        if not text:
            raise EngineError(f"{self._id} wrote nothing about the picture.", fix="Use another model.")
        return text


class TransformersCaptioning(_Generating):
    """`engines.protocols.ImageCaptioning` with ``AutoModelForImageTextToText``: BLIP, GIT, Florence-2."""

    capability: ClassVar[str] = "image-captioning"

    def __init__(self, context: LoadContext) -> None:
        from transformers import AutoModelForImageTextToText

        super().__init__(context, AutoModelForImageTextToText)

    def caption(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> Described:
        """See `engines.protocols.ImageCaptioning`."""
        given = {"text": self._options.prompt} if self._options.prompt else {}
        inputs = self._processor(images=image.convert("RGB"), return_tensors="pt", **given)
        return Described(self._written(self._generate(inputs, on_progress, cancel)))


class TransformersAnswering(_Generating):
    """`engines.protocols.VisualQuestionAnswering` with ``AutoModelForVisualQuestionAnswering``: BLIP-VQA, ViLT.

    Such models answer in a word or two.
    """

    capability: ClassVar[str] = "visual-question-answering"

    def __init__(self, context: LoadContext) -> None:
        from transformers import AutoModelForVisualQuestionAnswering

        super().__init__(context, AutoModelForVisualQuestionAnswering)

    def answer(
        self,
        image: Image,
        question: str,
        *,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Described:
        """See `engines.protocols.VisualQuestionAnswering`. Raises InputError for an empty question."""
        check_question(question)
        inputs = self._processor(images=image.convert("RGB"), text=question, return_tensors="pt", truncation=True)
        if self._model.can_generate():
            return Described(self._written(self._generate(inputs, on_progress, cancel)))
        return Described(self._chosen(inputs, cancel))

    def _chosen(self, inputs: Any, cancel: CancelToken) -> str:
        """ViLT's answers are classes."""
        import torch

        cancel.check()
        with torch.inference_mode():
            logits = self._model(**inputs_to(self._model, inputs)).logits
        cancel.check()
        return str(self._model.config.id2label[int(logits.argmax())])


class VisionChat(_Generating):
    """`engines.protocols.VisualQuestionAnswering` with chat models that see: Qwen-VL, SmolVLM, LLaVA, Gemma 3."""

    capability: ClassVar[str] = "visual-question-answering"

    def __init__(self, context: LoadContext) -> None:
        from transformers import AutoModelForImageTextToText

        super().__init__(context, AutoModelForImageTextToText)
        if not getattr(self._processor, "chat_template", None):
            raise EngineError(
                f"{self._id} has no chat template: it can't be asked.", fix="Take a chat model, or one for captions."
            )

    def answer(
        self,
        image: Image,
        question: str,
        *,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Described:
        """See `engines.protocols.VisualQuestionAnswering`. Raises InputError for an empty question."""
        check_question(question)
        content = [{"type": "image", "image": image.convert("RGB")}, {"type": "text", "text": question}]
        inputs = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        ids = self._generate(inputs, on_progress, cancel)
        return Described(self._written(ids[inputs["input_ids"].shape[1] :]))


class CaptionByAsking:
    """`engines.protocols.ImageCaptioning` through a part that answers questions: it is asked to describe."""

    capability: ClassVar[str] = "image-captioning"

    def __init__(self, context: LoadContext) -> None:
        self._part: VisualQuestionAnswering = context.parts["visual-question-answering"]

    def close(self) -> None:
        """Its part is closed by those who made it."""

    def caption(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> Described:
        """See `engines.protocols.ImageCaptioning`."""
        return self._part.answer(image, DESCRIBE, on_progress=on_progress, cancel=cancel)


def check_question(question: str) -> None:
    """Raises InputError when it is empty or longer than a question is."""
    if not question.strip():
        raise InputError("The question is empty.", fix="Ask something about the picture.")
    if len(question) > _MAX_QUESTION:
        raise InputError(f"The question is {len(question)} characters long.", fix=f"Use at most {_MAX_QUESTION}.")
