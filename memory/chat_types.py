"""What is told about conversations: threads, messages and runs as they stood when they were read."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

RunStatus = Literal["queued", "running", "waiting", "finished", "failed", "cancelled", "interrupted"]
EndStatus = Literal["finished", "failed", "cancelled", "interrupted"]

#: Statuses of a run that a process works on.
WORKING: tuple[RunStatus, ...] = ("queued", "running")

#: Statuses of a run that has not ended. One that waits for an approval is no process's: any may go on with it.
OPEN: tuple[RunStatus, ...] = (*WORKING, "waiting")


class _Info(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ThreadInfo(_Info):
    """``title`` is the first message, shortened; empty before it. ``forked_at``: of a fork, the run of another
    conversation before which it was made; it may have been deleted since.
    """

    id: str
    title: str
    forked_at: str | None = None
    created_at: datetime
    updated_at: datetime


class MessageInfo(_Info):
    """``artifacts`` are ids. A later message of a thread has a higher ``id``."""

    id: int
    thread_id: str
    run_id: str
    role: Literal["user", "assistant"]
    text: str
    artifacts: tuple[str, ...]
    created_at: datetime


class RunInfo(_Info):
    """``attachments`` are artifact ids; ``error`` is ``{"code", "message", "fix"}``; ``parent_run`` is the
    id of the run that this one repeats or goes on from, which may have been deleted since.
    """

    id: str
    thread_id: str
    status: RunStatus
    model: str
    message: str
    attachments: tuple[str, ...]
    error: dict[str, Any] | None
    parent_run: str | None
    created_at: datetime
    finished_at: datetime | None
