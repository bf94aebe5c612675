"""Going back in a conversation: history, forks, replays and comparisons."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from agent.comparing import RunComparison
from agent.history import History
from server.opened import Opened
from server.routes.runs import StartedRun

router = APIRouter(tags=["time travel"])


class NewFork(BaseModel):
    """Either ``run_id`` or ``message_id`` says before which message it forks."""

    model_config = ConfigDict(extra="forbid")

    run_id: str | None = Field(default=None, description="The run that answers the message, or the id's beginning.")
    message_id: int | None = Field(default=None, description="The number of the user's message.")
    text: str | None = Field(default=None, description="Sent in the message's place, with its attachments.")


class Fork(BaseModel):
    """The new conversation. Where a text was given, ``run_id`` answers it, and ``events`` is where its events are."""

    thread_id: str
    run_id: str | None = None
    events: str | None = None


class StartedReplay(StartedRun):
    compare: str = Field(description="Where the comparison with the original is, also while the run works.")


@router.get("/threads/{thread_id}/history", summary="Show what has become of a conversation, run by run")
async def history(
    app: Opened,
    thread_id: str,
    all: Annotated[bool, Query(description="With the checkpoints of each run.")] = False,  # noqa: A002 - in the address
) -> History:
    return await app.timetravel.history(thread_id, with_all=all)


@router.post("/threads/{thread_id}/fork", status_code=201, summary="Go on from an earlier point in a new conversation")
async def fork(app: Opened, request: Request, thread_id: str, body: NewFork) -> Fork:
    """It holds all that was said before the message; the original stays as it is. With a text, a run is started at
    once, which takes from the old one what it would do just the same.
    """
    made = await app.timetravel.fork(thread_id, run_id=body.run_id, message_id=body.message_id, text=body.text)
    if made.run is None:
        return Fork(thread_id=made.thread.id)
    events = str(request.url_for("events", run_id=made.run.id))
    return Fork(thread_id=made.thread.id, run_id=made.run.id, events=events)


@router.post("/runs/{run_id}/replay", status_code=202, summary="Run a message again with its plan, models and seeds")
async def replay(app: Opened, request: Request, run_id: str) -> StartedReplay:
    """In a fork: the conversation stays as it is."""
    run = await app.timetravel.replay(run_id)
    return StartedReplay(
        run_id=run.id,
        thread_id=run.thread_id,
        events=str(request.url_for("events", run_id=run.id)),
        compare=str(request.url_for("compare", run_a=run_id, run_b=run.id)),
    )


@router.get("/runs/{run_a}/compare/{run_b}", name="compare", summary="Compare two runs step by step")
async def compare(app: Opened, run_a: str, run_b: str) -> RunComparison:
    """As far as both have come."""
    return await app.timetravel.compare(run_a, run_b)
