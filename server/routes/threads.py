"""Conversations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from agent.app import App
from engines.errors import ConflictError, NotFoundError
from memory.artifact_types import ArtifactRef
from memory.chat_types import OPEN, MessageInfo, RunInfo, ThreadInfo
from server.opened import Opened

router = APIRouter(prefix="/threads", tags=["conversations"])


class NewThread(BaseModel):
    """``id`` may be chosen, so that a program finds its conversation again."""

    id: str | None = Field(default=None, description="1 to 64 letters, digits, hyphens and underscores.")


class ThreadList(BaseModel):
    threads: list[ThreadInfo]


class ThreadDetail(ThreadInfo):
    """A conversation with everything in it. ``artifacts`` are those that the messages name."""

    messages: list[MessageInfo]
    runs: list[RunInfo]
    artifacts: list[ArtifactRef]


@router.post("", status_code=201, summary="Begin a conversation")
async def create(app: Opened, body: NewThread | None = None) -> ThreadInfo:
    return await app.chats.create_thread(body.id if body else None)


@router.get("", summary="List the conversations, the one used last first")
async def index(
    app: Opened,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(description="Go on after the conversation of this id.")] = None,
) -> ThreadList:
    return ThreadList(threads=await app.chats.threads(limit, before))


@router.get("/{thread_id}", summary="Show a conversation with its messages, runs and artifacts")
async def show(app: Opened, thread_id: str) -> ThreadDetail:
    thread = await app.chats.thread(thread_id)
    messages = await app.chats.messages(thread_id)
    runs = await app.chats.runs(thread_id)
    named = dict.fromkeys(id_ for message in messages for id_ in message.artifacts)
    return ThreadDetail(
        **thread.model_dump(),
        messages=messages,
        runs=runs,
        artifacts=[ref for id_ in named if (ref := await _artifact(app, id_))],
    )


@router.delete("/{thread_id}", status_code=204, summary="Delete a conversation and what only it uses")
async def delete(app: Opened, thread_id: str) -> Response:
    """What still works in it is cancelled first. Media that other conversations use stay."""
    for run in await app.chats.runs(thread_id):
        if run.status in OPEN and not await app.agent.cancel(run.id):
            await _check_ended(app, run.id)
    await app.eraser.thread(thread_id)
    return Response(status_code=204)


async def _check_ended(app: App, run_id: str) -> None:
    if (await app.chats.run(run_id)).status in OPEN:
        raise ConflictError(
            "Another program is answering in this conversation.", fix="Stop it there, or wait until it is done."
        )


async def _artifact(app: App, artifact_id: str) -> ArtifactRef | None:
    """None when it was deleted on its own."""
    try:
        return await app.artifacts.get(artifact_id)
    except NotFoundError:
        return None
