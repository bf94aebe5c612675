"""What engines that tell emotions from words or from a voice promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.engine import Engine
from engines.protocols.sound import Audio


@dataclass(frozen=True, slots=True)
class Emotion:
    """``probability`` in 0..1. ``present``: it is over the model's own threshold for this label; several may be."""

    label: str
    probability: float
    present: bool


@dataclass(frozen=True, slots=True)
class Emotions:
    """``labels`` are the model's own, ``groups`` Ekman's six with neutral (see `engines.text.emotions`); best first."""

    labels: tuple[Emotion, ...]
    groups: tuple[Emotion, ...]


class TextEmotion(Engine, Protocol):
    capability: ClassVar[str] = "text-emotion"

    @property
    def labels(self) -> tuple[str, ...]:
        """Every emotion the model tells apart."""
        ...

    def recognize(self, text: str, *, cancel: CancelToken = NEVER) -> Emotions:
        """The emotions that the words show. Raises InputError for a text without words."""
        ...


class VoiceEmotion(Engine, Protocol):
    capability: ClassVar[str] = "voice-emotion"

    @property
    def labels(self) -> tuple[str, ...]:
        """Every emotion the model tells apart."""
        ...

    def recognize(
        self, audio: Audio, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> Emotions:
        """The emotions that the voice shows, whatever is said. Raises InputError for a recording too short to tell."""
        ...
