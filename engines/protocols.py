"""What each capability promises, whichever library is behind it.

Engines are plain and blocking: Python types and numpy arrays in, small frozen dataclasses out, units in the names.
The `ModelController` runs them in threads. An engine is built as ``EngineClass(context: LoadContext)``, which loads it,
and gives its memory back in ``close()``. Importing an engine's module imports no heavy library.

A capability is known by the ``capability`` of its Protocol; the catalog uses the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


class Engine(Protocol):
    """What every engine has, whatever it can do."""

    capability: ClassVar[str]

    def close(self) -> None:
        """Free the memory. Called once, when nobody uses the engine."""


# ---------------------------------------------------------------------------------------------------- sound


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono sound: ``samples`` is float32 of shape (n,) in -1..1, ``rate`` in Hz."""

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds from the start."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a transcript, in seconds from the start."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """``language`` is an ISO 639-1 code, ``probability`` how sure the model is of it (0..1)."""

    text: str
    language: str
    probability: float
    segments: tuple[Segment, ...]


class SpeechToText(Engine, Protocol):
    capability: ClassVar[str] = "speech-to-text"

    def transcribe(
        self,
        audio: Audio,
        *,
        language: str | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Transcript:
        """Write down what is said. ``language`` None: detect it. Silence gives an empty text."""
        ...


class VoiceActivity(Engine, Protocol):
    capability: ClassVar[str] = "voice-activity"

    def detect(
        self, audio: Audio, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> tuple[Span, ...]:
        """The spans in which somebody speaks."""
        ...


@dataclass(frozen=True, slots=True)
class Voice:
    """``language`` is an ISO 639-1 code."""

    id: str
    name: str
    language: str


class TextToSpeech(Engine, Protocol):
    capability: ClassVar[str] = "text-to-speech"

    @property
    def voices(self) -> tuple[Voice, ...]: ...

    def speak(
        self,
        text: str,
        *,
        voice: str | None = None,
        language: str | None = None,
        speed: float = 1.0,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Audio:
        """Read ``text`` aloud, sentence by sentence. ``speed`` 2.0 is twice as fast.

        ``language`` is the text's. Without a ``voice``, the first of that language reads it, or else the first.
        """
        ...


# -------------------------------------------------------------------------------------------------- pictures


@dataclass(frozen=True, slots=True)
class Box:
    """An object in a picture: edges in px from the top left, ``score`` in 0..1."""

    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float


class ObjectDetection(Engine, Protocol):
    capability: ClassVar[str] = "object-detection"

    @property
    def labels(self) -> tuple[str, ...]:
        """Every class the model knows."""
        ...

    def detect(
        self,
        image: Image,
        *,
        threshold: float = 0.4,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Box, ...]:
        """Objects with a score of at least ``threshold``, best first. ``image`` is RGB of any size."""
        ...


# ------------------------------------------------------------------------------------------------------ text


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


Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ChatTurn:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One completion. ``json_schema`` constrains decoding. ``lane`` keeps one prompt prefix warm per kind of work
    ("plan", "respond"), so that the two don't push each other out of the prompt cache. ``shared`` is how many of the
    first messages are the same in every request of the lane: an engine may keep what it made of them on disk.
    """

    messages: Sequence[ChatTurn]
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    stop: Sequence[str] = ()
    json_schema: Mapping[str, Any] | None = None
    lane: str = "respond"
    shared: int = 0


@dataclass(frozen=True, slots=True)
class ChatReply:
    """``finish_reason`` is ``stop`` or ``length``; token counts are the model's own."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


class Chat(Engine, Protocol):
    capability: ClassVar[str] = "chat"

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together may be this long."""
        ...

    def count_tokens(self, text: str) -> int: ...

    def complete(
        self,
        request: ChatRequest,
        *,
        on_token: Callable[[str], None] | None = None,
        cancel: CancelToken = NEVER,
    ) -> ChatReply:
        """Blocking; ``on_token`` gets each piece of text as it is made. Stops within a token or two of a cancel.

        Raises ContextOverflowError when the prompt does not fit.
        """
        ...
