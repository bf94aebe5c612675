"""Runs and their events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field

from agent.app import Answer, App
from engines.errors import NotFoundError
from memory.chat_types import OPEN, RunInfo
from memory.events import Event
from server import sse
from server.opened import Opened
from server.routes.artifacts import HEADERS

router = APIRouter(tags=["runs"])

PAGE = 1_000
"""Most events in one page."""


class NewRun(BaseModel):
    message: str = Field(examples=["How many people are in this picture?"])
    attachments: list[str] = Field(default=[], max_length=32, description="Ids of uploaded artifacts.")
    model: str | None = Field(
        default=None,
        description="A chat model of the catalog, or `ollama/NAME`; `auto`: chosen for the message; nothing: as your "
        "preferences (`/api/me`) or the settings say, else chosen for the message.",
        examples=["ollama/qwen3:8b"],
    )
    voice: str | None = Field(
        default=None,
        description="Id of an uploaded recording whose words are the message. A recording that comes alone and without "
        "a message is one as it is.",
    )
    speak: bool = Field(default=False, description="Read the answer aloud, clause by clause: `speech` events.")
    reply_language: str | None = Field(
        default=None, description="Translate the answer into it while it is written.", examples=["de"]
    )
    tone: bool | None = Field(
        default=None, description="Let the answer's tone heed the user's mood; nothing: as the settings say."
    )


class StartedRun(BaseModel):
    run_id: str
    thread_id: str
    events: str = Field(description="Where its events are.")


class Approval(BaseModel):
    """Every step that is asked about has an answer, or all have the one of ``*``."""

    answers: dict[str, Answer] = Field(examples=[{"*": {"action": "approve"}}], min_length=1)


class CancelledRun(BaseModel):
    run_id: str
    cancelled: bool = Field(description="False: it had ended already.")


class EventPage(BaseModel):
    """``events`` as they are sent over every transport; ``next`` is the cursor for the next page."""

    events: list[dict[str, Any]]
    next: int
    done: bool = Field(description="Nothing more will come after these.")


@router.post("/threads/{thread_id}/runs", status_code=202, summary="Send a message")
async def start(app: Opened, request: Request, response: Response, thread_id: str, body: NewRun) -> StartedRun:
    """The answer is made by a run, which goes on whether or not its events are followed."""
    await app.chats.thread(thread_id)
    run = await app.agent.start(
        body.message,
        thread_id=thread_id,
        attachments=body.attachments,
        model=body.model,
        options=app.options(voice=body.voice, speak=body.speak, reply_language=body.reply_language, tone=body.tone),
    )
    events = str(request.url_for("events", run_id=run.id))
    response.headers["Location"] = str(request.url_for("show_run", run_id=run.id))
    return StartedRun(run_id=run.id, thread_id=run.thread_id, events=events)


@router.get("/runs/{run_id}", name="show_run", summary="Show how a run stands")
async def show(app: Opened, run_id: str) -> RunInfo:
    return await app.chats.run(run_id)


@router.post("/runs/{run_id}/cancel", summary="Stop a run")
async def cancel(app: Opened, run_id: str) -> CancelledRun:
    await app.chats.run(run_id)
    return CancelledRun(run_id=run_id, cancelled=await app.agent.cancel(run_id))


@router.post("/runs/{run_id}/approval", status_code=202, summary="Answer what a waiting run asks")
async def approve(app: Opened, request: Request, run_id: str, body: Approval) -> StartedRun:
    """The questions are in its last `approval.required` event. An answer that does not fit is refused (422), and the
    run goes on waiting.
    """
    run = await app.agent.approve(run_id, body.answers)
    return StartedRun(run_id=run.id, thread_id=run.thread_id, events=str(request.url_for("events", run_id=run.id)))


@router.post("/runs/{run_id}/resume", status_code=202, summary="Go on with an interrupted run")
async def resume(app: Opened, request: Request, run_id: str) -> StartedRun:
    """From its last checkpoint: no step that had ended is run again. Its id stays, and its events are numbered on."""
    run = await app.agent.resume(run_id)
    return StartedRun(run_id=run.id, thread_id=run.thread_id, events=str(request.url_for("events", run_id=run.id)))


@router.get(
    "/runs/{run_id}/events",
    name="events",
    summary="Follow a run's events, or read a page of them",
    response_model=EventPage,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        204: {"description": "The run is over and all of it was seen: a browser then stops reconnecting."},
    },
)
async def events(
    app: Opened,
    run_id: str,
    after: Annotated[int | None, Query(ge=-1, description="The `seq` seen last; -1 or nothing: all.")] = None,
    last_event_id: Annotated[str | None, Header(description="The same, as browsers send it on reconnect.")] = None,
    poll: Annotated[bool, Query(description="A JSON page instead of a stream.")] = False,
    wait: Annotated[float, Query(ge=0, le=30, description="With `poll`: seconds to wait for an event.")] = 0,
) -> Any:
    """Server-sent events: `id` is the event's `seq`, `event` its type, `data` its JSON. First what was logged, then
    live. Whoever comes back with the last id misses nothing and gets nothing twice.
    """
    run = await app.chats.run(run_id)
    cursor = sse.cursor(after, last_event_id)
    if poll:
        return await _page(app, run, cursor, wait)
    source = app.agent.events(run_id, after=cursor)
    if run.status not in OPEN:
        first = await anext(aiter(source), None)
        if first is None:
            return Response(status_code=204)
        source = _put_back(first, source)
    return sse.stream(source)


@router.get(
    "/runs/{run_id}/previews/{call_id}",
    summary="See how a picture is coming along",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 404: {"description": "There is none, or none any more."}},
)
async def preview(app: Opened, run_id: str, call_id: str) -> Response:
    """A small JPEG of what a call is making, for as long as it works. Its `tool.progress` events count the pictures."""
    await app.chats.run(run_id)
    found = await asyncio.to_thread(app.previews.get, call_id) if call_id.startswith(f"{run_id}:") else None
    if found is None:
        raise NotFoundError("There is no preview, or none any more.", fix="Fetch the artifact when the call is done.")
    return Response(found, media_type="image/jpeg", headers=HEADERS | {"Cache-Control": "no-store"})


async def _put_back(first: Event, rest: AsyncIterator[Event]) -> AsyncIterator[Event]:
    yield first
    async with aclosing(rest) as events:  # type: ignore[type-var]  # AsyncIterator has no aclose in typeshed
        async for event in events:
            yield event


async def _page(app: App, run: RunInfo, cursor: int, wait: float) -> EventPage:
    """What is there. Of a run that works on, what comes within ``wait`` seconds."""
    found: list[Event] = []
    try:
        # A run that has ended has all its events in the log: no clock may cut them short.
        async with asyncio.timeout(max(wait, 0.1) if run.status in OPEN else None) as limit:
            async with aclosing(app.agent.events(run.id, after=cursor)) as source:  # type: ignore[type-var]  # as above
                async for event in source:
                    found.append(event)
                    if len(found) == PAGE:
                        break
                    if run.status in OPEN and limit.when() is not None:
                        limit.reschedule(asyncio.get_running_loop().time() + 0.02)  # the rest is there already
    except TimeoutError:  # nothing more came in that time
        pass
    ended = found[-1].is_terminal if found else run.status not in OPEN
    return EventPage(events=[e.to_wire() for e in found], next=found[-1].seq if found else cursor, done=ended)
