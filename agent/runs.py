"""A run under way: it lives apart from whoever started it, and anyone may follow it from any point."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

from memory.event_log import EventLog
from memory.events import Event, EventBody, MessageDelta

logger = logging.getLogger(__name__)


class LiveRun:
    """Numbers a run's events, writes them to the log, and hands them to followers once they are written.

    Because followers see only what the log holds, a cursor stays good when this process dies. Writing takes about a
    millisecond; what comes meanwhile is written together. Use on the event loop only.
    """

    def __init__(self, run_id: str, thread_id: str, log: EventLog) -> None:
        self.run_id = run_id
        self.thread_id = thread_id
        self.task: asyncio.Task[None] | None = None
        self._log = log
        self._events: list[Event] = []
        self._logged = 0
        self._tried = 0
        self._published = 0
        self._changed = asyncio.Condition()
        self._writing = asyncio.Lock()
        self._dirty = asyncio.Event()
        self._writer = asyncio.create_task(self._write())

    def emit(self, body: EventBody) -> None:
        """Add an event. What comes after the run's last event (a late progress report, say) is dropped."""
        if self._events and self._events[-1].is_terminal:
            return
        self._events.append(Event(run_id=self.run_id, seq=len(self._events), at=datetime.now(UTC), body=body))
        self._dirty.set()

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(event.body.text for event in self._events if isinstance(event.body, MessageDelta))

    async def follow(self, after: int = -1) -> AsyncIterator[Event]:
        """Events with a ``seq`` above ``after``, as they come, up to the last one."""
        position = after + 1
        while True:
            async with self._changed:
                while self._published <= position and not self.has_ended:
                    await self._changed.wait()
                ready = self._events[position : self._published]
            for event in ready:
                yield event
            position += len(ready)
            if self.has_ended and position >= self._published:
                return

    async def end(self, body: EventBody, store: Callable[[], Awaitable[object]]) -> None:
        """Log the last event, then ``store`` the run's end, then tell followers: who hears of it finds it stored, and
        a crash in between leaves the log to complete the store from.
        """
        async with self._writing:
            self.emit(body)
            await self._log_pending()
            try:
                await store()
            except Exception as problem:  # a full disk, a conversation deleted meanwhile: the end is told all the same
                logger.warning("run %s: its end was not stored: %s", self.run_id, problem)
            await self._publish()
        await self._writer

    @property
    def has_ended(self) -> bool:
        """Whether followers have been told of the end."""
        return self._published > 0 and self._events[self._published - 1].is_terminal

    async def _write(self) -> None:
        while not self.has_ended:
            await self._dirty.wait()
            self._dirty.clear()
            async with self._writing:
                await self._log_pending()
                await self._publish()

    async def _log_pending(self) -> None:
        batch = self._events[self._logged :]
        self._tried = len(self._events)
        try:
            await self._log.append(batch)
        except Exception as error:  # a full disk must not take the answer from the user who is looking at it
            logger.warning("run %s: %d events are not logged yet: %s", self.run_id, len(batch), error)
        else:
            self._logged += len(batch)

    async def _publish(self) -> None:
        async with self._changed:
            self._published = self._tried
            self._changed.notify_all()
