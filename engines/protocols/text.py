"""What engines that work on text promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.engine import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TextEmbedding(Engine, Protocol):
    capability: ClassVar[str] = "text-embedding"

    def embed(self, texts: Sequence[str], *, cancel: CancelToken = NEVER) -> NDArray[np.float32]:
        """Shape (len(texts), dimensions), each row of length 1."""
        ...


@dataclass(frozen=True, slots=True)
class Sentiment:
    """``score`` runs from -1 (bad) to 1 (good)."""

    label: Literal["positive", "neutral", "negative"]
    score: float


class SentimentAnalysis(Engine, Protocol):
    capability: ClassVar[str] = "sentiment"

    def analyze(self, text: str, *, cancel: CancelToken = NEVER) -> Sentiment:
        """Raises InputError for a text without words."""
        ...


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """``code`` is ISO 639-1; ``probability`` in 0..1."""

    code: str
    probability: float


class LanguageIdentification(Engine, Protocol):
    capability: ClassVar[str] = "language-identification"

    def identify(self, text: str) -> LanguageGuess:
        """The likeliest language. Raises InputError for a text without a letter."""
        ...

    def rank(self, text: str, count: int = 3) -> tuple[LanguageGuess, ...]:
        """The ``count`` likeliest, best first. Raises as `identify` does."""
        ...


@dataclass(frozen=True, slots=True)
class Translated:
    """Languages are ISO 639-1 codes."""

    text: str
    source: str
    target: str


class Translation(Engine, Protocol):
    capability: ClassVar[str] = "translation"

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes it can translate into."""
        ...

    def offers(self, source: str | None, target: str) -> bool:
        """Whether it can translate this pair of ISO 639-1 codes. ``source`` None: not known.

        May ask a server or a program. Raises EngineError when it doesn't answer.
        """
        ...

    def translate(
        self,
        text: str,
        *,
        target: str,
        source: str | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Translated:
        """Sentence by sentence, in order; what is no language (line breaks, list marks, code, addresses) is kept.

        Raises InputError for a pair that it doesn't offer, EngineError when the model or the server fails.
        """
        ...
