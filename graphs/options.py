"""What a user may ask for with a turn, beside the message."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from memory.events import EventBody, RunStarted


class TurnOptions(BaseModel):
    """Kept in the run's first event, so that a retry is asked for the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    voice: str | None = None
    """Id of the attached recording whose words are the message, or the end of it."""
    speak: bool = False
    """Read the answer aloud while it is written."""
    reply_language: str | None = None
    """ISO 639-1: the answer is translated into it, clause by clause."""
    tone: bool = False
    """Let the answer's tone heed the user's mood."""
    model: str | None = None
    """The chat model that the message named; ``auto``: it wanted the switcher to choose."""
    pinned: bool = False
    """The message, the user's preferences or the settings name the chat model: no other is taken, whatever happens."""
    take_from: str | None = None
    """A run whose finished calls are taken in place of making the same calls again."""
    replay_of: str | None = None
    """A run whose plan, models and seeds are those of this one."""


def options_of(first: EventBody | None) -> TurnOptions:
    """What was asked for with a run's message: its log's first event says it. None was: the run had not begun."""
    return TurnOptions(**first.options) if isinstance(first, RunStarted) else TurnOptions()
