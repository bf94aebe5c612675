"""Answers about pictures by a model on an Ollama server: LLaVA, Qwen-VL, Gemma 3 ... The picture is sent there."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from engines.errors import EngineError, UnavailableError
from engines.image.transformers_describing import check_question
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Described

if TYPE_CHECKING:
    from PIL.Image import Image

_LONGEST_SIDE: Final = 1536
"""Models see less than this many px; a larger picture would only be sent for longer."""


class OllamaVisionOptions(BaseModel):
    """What a catalog entry may say."""

    model_config = ConfigDict(extra="forbid")

    provider: Literal["ollama"] = "ollama"
    """Written in the entry, it lets the shelf ask the server whether it has the model."""
    model: str = "qwen2.5vl"
    """Its name on the server."""
    max_tokens: int = Field(default=300, ge=1, le=4096)
    timeout_seconds: float = Field(default=300, gt=0)
    """How long the server may be silent; it may have to load the model first."""


class OllamaVision:
    """`engines.protocols.VisualQuestionAnswering` on the server whose address is the entry's setting."""

    capability: ClassVar[str] = "visual-question-answering"

    def __init__(self, context: LoadContext) -> None:
        import ollama

        self._id = context.entry.id
        self._options = OllamaVisionOptions.model_validate(dict(context.entry.options))
        self._address = context.setting
        self._client = ollama.Client(host=context.setting, timeout=self._options.timeout_seconds)

    def close(self) -> None:
        del self._client

    def answer(
        self,
        image: Image,
        question: str,
        *,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Described:
        """See `engines.protocols.VisualQuestionAnswering`. Stops at the next token after a cancel.

        Raises InputError for an empty question, UnavailableError when the server does not answer or lacks the model,
        EngineError when it fails.
        """
        import httpx
        import ollama

        check_question(question)
        cancel.check()
        on_progress(None, f"asking {self._options.model} on the Ollama server")
        try:
            text = self._asked(_jpeg(image), question, on_progress, cancel)
        except ollama.ResponseError as error:
            raise self._refused(error) from error
        except (httpx.HTTPError, ConnectionError) as error:
            raise UnavailableError(
                f"No Ollama server answers at {self._address}.", fix="Start it with: ollama serve"
            ) from error
        if not text:
            raise EngineError(f"{self._options.model} wrote nothing about the picture.", fix="Use another model.")
        return Described(text)

    def _asked(self, jpeg: bytes, question: str, on_progress: OnProgress, cancel: CancelToken) -> str:
        message: dict[str, Any] = {"role": "user", "content": question, "images": [jpeg]}
        pieces: list[str] = []
        stream = self._client.chat(
            model=self._options.model,
            messages=[message],
            stream=True,
            options={"temperature": 0, "seed": 0, "num_predict": self._options.max_tokens},
        )
        for part in stream:
            cancel.check()
            pieces.append(part.message.content or "")
            on_progress(None, f"{len(pieces)} pieces of the answer")
        return "".join(pieces).strip()

    def _refused(self, error: Any) -> UnavailableError | EngineError:
        if error.status_code == 404:
            return UnavailableError(
                f"The Ollama server has no model {self._options.model!r}.",
                fix=f"Run: ollama pull {self._options.model}",
            )
        return EngineError(f"{self._id}: the Ollama server says: {str(error.error).splitlines()[0][:300]}")


def _jpeg(image: Image) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
