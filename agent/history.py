"""What has become of a conversation, run by run, as a person understands it; node by node where that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from pydantic import BaseModel, ConfigDict, Field

from memory.chat_types import MessageInfo, RunInfo, RunStatus, ThreadInfo
from memory.events import Event, PlanMade

_BRANCH = "branch:to:"
_TASKS = "__pregel_tasks"
_INPUT = "input"

#: The event types that `history_of` looks at.
TOLD_BY = ("plan.made",)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Checkpoint(_Part):
    """The state between two nodes of the graph. ``run_id`` is the run that wrote it."""

    id: str
    parent: str | None
    run_id: str | None
    at: datetime
    source: str = Field(description="`input`: a turn begins; `loop`: a node has ended; `update`: written by a fork.")
    next: tuple[str, ...] = Field(description="The nodes that come next; none: the turn is over.")


class Moment(_Part):
    """A run with what it was asked and planned."""

    run_id: str
    message_id: int | None = Field(description="Of the user's message.")
    message: str
    status: RunStatus
    tools: tuple[str, ...] = Field(description="What was planned, in order.")
    checkpoint: str | None = Field(
        description="The newest of this run; of the copies that a fork holds, only the last has one."
    )
    at: datetime
    finished_at: datetime | None
    parent_run: str | None = Field(description="The run that this one repeats, changes or is a copy of.")
    forks: tuple[ThreadInfo, ...] = Field(description="The conversations that were forked before this message.")
    checkpoints: tuple[Checkpoint, ...] = Field(default=(), description="Oldest first; only where all are asked for.")


class History(_Part):
    """A conversation's runs, oldest first."""

    thread: ThreadInfo
    runs: tuple[Moment, ...]


def history_of(
    thread: ThreadInfo,
    runs: Sequence[RunInfo],
    messages: Sequence[MessageInfo],
    plans: Sequence[Event],
    checkpoints: Sequence[Checkpoint],
    forks: dict[str, tuple[ThreadInfo, ...]],
    *,
    with_all: bool,
) -> History:
    """``checkpoints`` as `checkpoints_of` gives them; ``plans`` are the events of the types `TOLD_BY`."""
    asked = {message.run_id: message.id for message in messages if message.role == "user"}
    tools: dict[str, tuple[str, ...]] = {}
    for event in plans:
        if isinstance(event.body, PlanMade):
            tools[event.run_id] = (*tools.get(event.run_id, ()), *(step.tool for step in event.body.steps))
    moments = []
    for run in runs:
        own = [each for each in checkpoints if each.run_id == run.id]
        moments.append(
            Moment(
                run_id=run.id,
                message_id=asked.get(run.id),
                message=run.message,
                status=run.status,
                tools=tools.get(run.id, ()),
                checkpoint=own[0].id if own else None,
                at=run.created_at,
                finished_at=run.finished_at,
                parent_run=run.parent_run,
                forks=forks.get(run.id, ()),
                checkpoints=tuple(own[::-1]) if with_all else (),
            )
        )
    return History(thread=thread, runs=tuple(moments))


async def checkpoints_of(saver: BaseCheckpointSaver[str], thread: str) -> list[Checkpoint]:
    """The checkpoints of a thread of the saver's, newest first, without those that only carry what later ones need."""
    found: list[Checkpoint] = []
    writer: str | None = None  # a turn's first checkpoint holds the state of the turn before: the next one tells whose
    async for each in saver.alist({"configurable": {"thread_id": thread, "checkpoint_ns": ""}}):
        if "carrier" in each.metadata:
            continue
        is_input = each.metadata.get("source") == _INPUT
        values = each.checkpoint["channel_values"]
        run_id = writer if is_input else values.get("run_id")
        writer = None if is_input else run_id
        found.append(_checkpoint(each, run_id, values))
    return found


def _checkpoint(found: CheckpointTuple, run_id: str | None, values: dict[str, Any]) -> Checkpoint:
    parent = found.parent_config["configurable"]["checkpoint_id"] if found.parent_config else None
    nodes = [name.removeprefix(_BRANCH) for name in values if name.startswith(_BRANCH)]
    sent = [str(task.node) for task in values.get(_TASKS, ())]
    return Checkpoint(
        id=found.config["configurable"]["checkpoint_id"],
        parent=parent,
        run_id=run_id,
        at=datetime.fromisoformat(found.checkpoint["ts"]),
        source=str(found.metadata.get("source", "")),
        next=("ingest",) if "__start__" in values else tuple(dict.fromkeys([*nodes, *sent])),
    )
