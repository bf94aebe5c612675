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

    def analyze(self, text: str) -> Sentiment: ...


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """``code`` is ISO 639-1; ``probability`` in 0..1."""

    code: str
    probability: float


class LanguageIdentification(Engine, Protocol):
    capability: ClassVar[str] = "language-identification"

    def identify(self, text: str) -> LanguageGuess: ...


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

    def translate(
        self,
        text: str,
        *,
        target: str,
        source: str | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Translated: ...
