"""What engines that hear and speak promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.engine import Engine

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from engines.catalog import ModelEntry


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
class Word:
    """A word of a transcript, in seconds from the start; ``probability`` in 0..1."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a transcript, in seconds from the start. ``words`` only where they were asked for."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """``language`` is an ISO 639-1 code, ``probability`` how sure the model is of it (0..1)."""

    text: str
    language: str
    probability: float
    segments: tuple[Segment, ...]


#: Called with each stretch of a transcript as soon as it is written down.
OnSegment = Callable[[Segment], None]

#: ``translate`` writes English, whatever is spoken.
SpeechTask = Literal["transcribe", "translate"]


def ignore_segment(segment: Segment) -> None:
    """The `OnSegment` of callers that wait for the whole."""


class SpeechToText(Engine, Protocol):
    capability: ClassVar[str] = "speech-to-text"

    def transcribe(
        self,
        audio: Audio,
        *,
        language: str | None = None,
        task: SpeechTask = "transcribe",
        words: bool = False,
        prompt: str = "",
        on_segment: OnSegment = ignore_segment,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Transcript:
        """Write down what is said. ``language`` None: detect it. Silence gives an empty text.

        ``words``: say when each word is spoken. ``prompt``: names and terms that are likely to be said.
        """
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
    """``language`` is an ISO 639-1 code, ``accent`` an English adjective (British, Brazilian ...).

    What is not known is empty. ``note`` says what a user should know, such as how well the voice is understood.
    """

    id: str
    name: str
    language: str
    gender: Literal["female", "male", ""] = ""
    accent: str = ""
    note: str = ""


#: Called with the sound of each sentence as soon as it is made; joined, they are the whole.
OnAudio = Callable[[Audio], None]


def ignore_audio(audio: Audio) -> None:
    """The `OnAudio` of callers that wait for the whole."""


class TextToSpeech(Engine, Protocol):
    capability: ClassVar[str] = "text-to-speech"

    @classmethod
    def voices_of(cls, entry: ModelEntry, folder: Path) -> tuple[Voice, ...]:
        """The voices of a model that is not loaded, by what its entry says and what lies in its folder, if anything
        does. Quick: nothing heavy is imported. Empty where only the loaded model knows.
        """
        ...

    @property
    def voices(self) -> tuple[Voice, ...]: ...

    def speak(
        self,
        text: str,
        *,
        voice: str | None = None,
        language: str | None = None,
        speed: float = 1.0,
        seed: int | None = None,
        on_audio: OnAudio = ignore_audio,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Audio:
        """Read ``text`` aloud, sentence by sentence. ``speed`` 2.0 is twice as fast.

        ``language`` is the text's. ``voice`` is the id of one of `voices`; without one, the first of that language
        reads it, or else the first. The same ``seed`` makes a model that draws lots say it the same way again.
        """
        ...
