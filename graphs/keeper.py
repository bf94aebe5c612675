"""Reads ended turns for what is worth keeping, in the background.

It gives way: a turn that begins stops the reading, which goes on when nothing else is to do. A turn stays noted until
it has been read, so what a shutdown interrupts is read after the next start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel

from engines.errors import NotFoundError
from graphs.extraction import facts_of, relation_of
from graphs.pictures import Looker, picture_memory
from graphs.remember import is_personal
from memory.artifacts import ArtifactStore
from memory.chat_types import OPEN, RunInfo
from memory.chats import Chats
from memory.event_log import EventLog
from memory.events import Event, ToolFinished, ToolStarted
from memory.longterm.memories import Memories
from memory.longterm.types import MemoryInfo, NewMemory
from memory.longterm.unread import UnreadTurns
from tools.registry import Registry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeeperParts:
    """What a keeper works with, for one owner."""

    memories: Memories
    unread: UnreadTurns
    chats: Chats
    log: EventLog
    artifacts: ArtifactStore
    tools: Registry
    looker: Looker
    chat_model: Callable[[str], BaseChatModel]


class Keeper:
    """One owner's. At most one turn is read at a time. Use on one event loop."""

    def __init__(self, parts: KeeperParts) -> None:
        self._parts = parts
        self._task: asyncio.Task[None] | None = None

    def resume(self) -> None:
        """Read what is noted, from now on in the background. Does nothing while it reads."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_all(), name="memory")

    def pause(self) -> None:
        """Somebody waits for an answer: stop until `resume`. The turn under way is read again from its beginning."""
        if self._task is not None:
            self._task.cancel()

    async def drain(self) -> None:
        """Until nothing more can be read. Cancel it, and the rest stays noted."""
        self.resume()
        if self._task is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._task)

    async def close(self) -> None:
        """Stop, and wait until nothing of it works any more."""
        self.pause()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def waits(self) -> bool:
        """Whether a turn is noted that has not been read."""
        return bool(await self._parts.unread.waiting())

    async def _read_all(self) -> None:
        for run_id in await self._parts.unread.waiting():
            try:
                run = await self._parts.chats.run(run_id)
            except NotFoundError:  # its conversation has been deleted
                continue
            if run.status not in OPEN:
                await self._try(run)
        await self._parts.memories.catch_up()

    async def _try(self, run: RunInfo) -> None:
        """What fails is tried again another time, but not for ever, and keeps no other turn from being read."""
        try:
            if run.status == "finished":
                await self._read(run)
        except Exception as error:  # whatever a model writes, and whatever comes of it
            is_given_up = await self._parts.unread.failed(run.id)
            then = "it is given up" if is_given_up else "it is read again later"
            log.warning("Reading run %s for memory failed, %s: %s: %s", run.id, then, type(error).__name__, error)
            return
        await self._parts.unread.done(run.id)

    async def _read(self, run: RunInfo) -> None:
        events = [event async for event in _events(self._parts.log, run.id)]
        used = {event.body.tool for event in events if isinstance(event.body, ToolFinished)}
        news = [await self._picture(run, *each) for each in self._pictures(run, events)]
        chat = self._parts.chat_model(run.model)
        if is_personal(run.message) and not used & {"remember", "forget"}:  # those have done what was asked
            news += [_as_memory(fact, run) for fact in await facts_of(run.message, chat)]
        kept = [await self._parts.memories.add_from_unread(new) for new in news if new]
        asked = await self._asked_for(events)
        await self._parts.memories.catch_up()
        for memory in filter(None, (*asked, *kept)):
            await self._settle(memory, chat)

    async def _settle(self, new: MemoryInfo, chat: BaseChatModel) -> None:
        """Let it take the place of what it replaces."""
        for old in await self._parts.memories.rivals(new):
            relation = await relation_of(old.text, new.text, chat)
            if relation == "both" or (relation == "replaces" and old.said_at > new.said_at):
                continue
            await self._parts.memories.supersede(old.id, new.id)

    async def _asked_for(self, events: Sequence[Event]) -> list[MemoryInfo]:
        ids = [_result(event, "remember").get("memory", "") for event in events]
        found = []
        for memory_id in filter(None, ids):
            with suppress(NotFoundError):  # forgotten meanwhile
                found.append(await self._parts.memories.get(memory_id))
        return found

    def _pictures(self, run: RunInfo, events: Sequence[Event]) -> list[tuple[str, list[str]]]:
        """The turn's pictures, attached and made, and what tools found in each. A picture that only shows what was
        found in another is none of them.
        """
        found: dict[str, list[str]] = {artifact_id: [] for artifact_id in run.attachments}
        args: dict[str, dict[str, Any]] = {}
        for event in events:
            if isinstance(event.body, ToolStarted):
                args[event.body.call_id] = event.body.args
            elif isinstance(event.body, ToolFinished):
                body = event.body
                if (looked_at := args.get(body.call_id, {}).get("image")) in found:
                    found[looked_at].append(body.summary)
                field = self._parts.tools.get(body.tool).produces.get("image")
                if field and (made := body.result.get(field)):
                    found.setdefault(made, []).append(str(body.result.get("prompt") or body.summary))
        return list(found.items())

    async def _picture(self, run: RunInfo, artifact_id: str, found: list[str]) -> NewMemory | None:
        try:
            ref = await self._parts.artifacts.get(artifact_id)
            path = await self._parts.artifacts.path(artifact_id)
        except NotFoundError:  # deleted meanwhile
            return None
        if ref.kind != "image":
            return None
        new = await picture_memory(
            ref,
            path,
            found,
            run.message,
            self._parts.looker,
            at=run.created_at,
            is_made=artifact_id not in run.attachments,
        )
        return new.model_copy(update={"run_id": run.id, "thread_id": run.thread_id})


def _as_memory(fact: Mapping[str, Any], run: RunInfo) -> NewMemory:
    return NewMemory(
        text=fact["fact"],
        kind=fact["kind"],
        about=fact["about"],
        context=run.message[:1_000],
        origin="turn",
        said_at=run.created_at,
        run_id=run.id,
        thread_id=run.thread_id,
    )


def _result(event: Event, tool: str) -> dict[str, Any]:
    body = event.body
    return body.result if isinstance(body, ToolFinished) and body.tool == tool else {}


async def _events(log_: EventLog, run_id: str) -> AsyncIterator[Event]:
    after = -1
    while batch := await log_.read(run_id, after):
        for event in batch:
            yield event
        after = batch[-1].seq
