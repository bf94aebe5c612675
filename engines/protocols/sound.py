"""What engines that hear and speak promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.engine import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
