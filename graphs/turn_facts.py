"""What is known of a turn before any model has been asked: small facts, told by cheap rules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """What a chat model is chosen by."""

    message: str
    kinds: tuple[str, ...] = ()
    """Of the files that this turn brings: image, audio, video, text."""
    language: str | None = None
    """Of the message, ISO 639-1; None: nobody could tell."""
    text_chars: int = 0
    """Length of the text files that this turn brings."""
    history_chars: int = 0
    """Length of the conversation so far."""
