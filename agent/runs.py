"""A run under way: it lives apart from whoever started it, and anyone may follow it from any point."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

from engines.errors import SensoriumError
from memory.event_log import EventLog
from memory.events import Event, EventBody, MessageDelta, RunResumed

logger = logging.getLogger(__name__)


class LiveRun:
    """Numbers a run's events, writes them to the log, and hands them to followers once they are written.

    Because followers see only what the log holds, a cursor stays good when this process dies. Writing takes about a
    millisecond; what comes meanwhile is written together. Use on the event loop only.
    """

    def __init__(self, run_id: str, thread_id: str, log: EventLog, logged: Sequence[Event] = ()) -> None:
        """``logged``: what the log has of the run already, where it is taken up again."""
        self.run_id = run_id
        self.thread_id = thread_id
        self.task: asyncio.Task[None] | None = None
        self.is_interrupted = False
        """The program closes: being cancelled is no end of the run."""
        self._log = log
        self._events: list[Event] = list(logged)
        self._logged = self._tried = self._published = len(self._events)
        self._is_held = False
        self._changed = asyncio.Condition()
        self._writing = asyncio.Lock()
        self._dirty = asyncio.Event()
        self._writer = asyncio.create_task(self._write())

    def emit(self, body: EventBody) -> None:
        """Add an event. What comes after the run's last event (a late progress report, say) is dropped."""
        if self._is_held or (self._events and self._events[-1].is_terminal):
            return
        self._events.append(Event(run_id=self.run_id, seq=len(self._events), at=datetime.now(UTC), body=body))
        self._dirty.set()

    @property
    def first(self) -> EventBody | None:
        """What the run began with."""
        return self._events[0].body if self._events else None

    @property
    def logged(self) -> Sequence[Event]:
        """What the log has."""
        return self._events[: self._logged]

    @property
    def text(self) -> str:
        """The answer so far. What was written before the run was resumed is written again."""
        pieces: list[str] = []
        for event in self._events:
            if isinstance(event.body, RunResumed):
                pieces.clear()
            elif isinstance(event.body, MessageDelta):
                pieces.append(event.body.text)
        return "".join(pieces)

    async def follow(self, after: int = -1) -> AsyncIterator[Event]:
        """Events with a ``seq`` above ``after``, as they come, up to the last one of this process."""
        position = after + 1
        while True:
            async with self._changed:
                while self._published <= position and not self.is_over:
                    await self._changed.wait()
                ready = self._events[position : self._published]
            for event in ready:
                yield event
            position += len(ready)
            if self.is_over and position >= self._published:
                return

    async def flush(self) -> None:
        """Return when what was emitted is in the log."""
        async with self._writing:
            await self._log_pending()
            await self._publish()

    async def hold(self, body: EventBody, store: Callable[[], Awaitable[object]]) -> None:
        """Log an event after which this process works on the run no more, and ``store`` that. Another process may then
        take the run up: followers go on with the log. Raises what ``store`` raises, SensoriumError for a full disk.
        """
        async with self._writing:
            self.emit(body)
            await self._log_pending()
            if self._logged < len(self._events):
                raise SensoriumError("The event log can't be written.", fix="Look at the disk's free space.")
            await store()
            self._is_held = True
            await self._publish()
        await self._writer

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
    def is_over(self) -> bool:
        """Whether this process does no more on the run."""
        return self._is_held or self.has_ended

    @property
    def has_ended(self) -> bool:
        """Whether followers have been told of the end."""
        return self._published > 0 and self._events[self._published - 1].is_terminal

    async def _write(self) -> None:
        while not self.is_over:
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
