"""What is remembered, as callers see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["fact", "preference", "episode", "picture"]
#: What can be told in words.
TextKind = Literal["fact", "preference", "episode"]

Origin = Literal["turn", "asked", "user"]
"""Who put it there: found in a turn; the user asked for it in chat; the user wrote it down on their own."""

#: The one who talks, in `NewMemory.about`.
USER = "user"

MAX_CHARS = 2_000
MAX_ABOUT = 255


class MemoryInfo(BaseModel):
    """``said_at`` is when it was said or happened. One that is ``superseded_by`` another is kept to be read, but not
    recalled. ``context`` helps to find it: what was said around it.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    kind: Kind
    text: str
    about: str
    context: str
    origin: Origin
    pinned: bool
    said_at: datetime
    created_at: datetime
    updated_at: datetime
    superseded_by: str | None
    superseded_at: datetime | None
    run_id: str | None
    thread_id: str | None
    artifact_id: str | None


class NewMemory(BaseModel):
    """``said_at`` None: now. ``features`` are a picture's: a unit vector in 16-bit floats. Kept are up to
    `MAX_CHARS` of ``text`` and `MAX_ABOUT` of ``about``; who adds more is told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    kind: Kind = "fact"
    about: str = USER
    context: str = Field(default="", max_length=20_000)
    origin: Origin = "user"
    pinned: bool = False
    said_at: datetime | None = None
    run_id: str | None = None
    thread_id: str | None = None
    artifact_id: str | None = None
    features: bytes | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A memory that was found. ``score`` orders hits of one search. ``likeness`` is the cosine of the meanings, None
    where vectors were not at hand; ``words`` is BM25, 0 when it shares no word with the question.
    """

    memory: MemoryInfo
    score: float
    likeness: float | None
    words: float
