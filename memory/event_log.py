"""The event log: what happened in each run, numbered 0, 1, 2 ... without gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from engines.errors import NotFoundError, SensoriumError
from memory.database import Database
from memory.events import Event
from memory.tables import EventRow, RunRow


class EventLog:
    """Appends and reads events.

    With an ``owner``, only that owner's runs are there. Without one, whoever calls has made the run itself or has
    looked it up with `memory.chats.Chats.run`.
    """

    def __init__(self, db: Database, owner: str | None = None) -> None:
        self._db = db
        self._owner = owner
        self._newest: dict[str, int] = {}  # of the runs this log writes: saves looking it up for every batch

    async def append(self, events: Sequence[Event]) -> None:
        """Store all of them or none. They may belong to several runs; a run's events are in order.

        Raises SensoriumError when an event is not the one that comes next in its run, NotFoundError when there is no
        such run (its conversation may have been deleted while it worked).
        """
        if not events:
            return
        try:
            await self._append(events)
        except IntegrityError:
            # The run was deleted, or somebody else logs it too: look again, and say which.
            self._forget(events)
            await self._append(events)

    async def _append(self, events: Sequence[Event]) -> None:
        try:
            async with self._db.transaction() as session:
                newest = await append_in(session, events, owner=self._owner, known=self._newest)
        except SensoriumError:
            self._forget(events)
            raise
        self._newest |= newest
        self._forget([event for event in events if event.is_terminal])

    def _forget(self, events: Sequence[Event]) -> None:
        for event in events:
            self._newest.pop(event.run_id, None)

    async def read(self, run_id: str, after: int = -1, limit: int = 1000) -> list[Event]:
        """Up to ``limit`` events with a ``seq`` above ``after``, in order. Empty: nothing more yet."""
        query = select(EventRow).where(EventRow.run_id == run_id, EventRow.seq > after)
        if self._owner is not None:
            query = query.join(RunRow).where(RunRow.owner == self._owner)
        async with self._db.session() as session:
            rows = await session.scalars(query.order_by(EventRow.seq).limit(limit))
            return [to_event(row) for row in rows]

    async def read_all(self, run_id: str) -> list[Event]:
        """All there is."""
        found: list[Event] = []
        while batch := await self.read(run_id, len(found) - 1):
            found += batch
        return found

    async def of_thread(self, thread_id: str, *types: str) -> list[Event]:
        """The events of some types of all runs of a conversation, the oldest run first."""
        query = select(EventRow).join(RunRow).where(RunRow.thread_id == thread_id, EventRow.type.in_(types))
        if self._owner is not None:
            query = query.where(RunRow.owner == self._owner)
        async with self._db.session() as session:
            rows = await session.scalars(query.order_by(RunRow.created_at, RunRow.id, EventRow.seq))
            return [to_event(row) for row in rows]

    async def last_seq(self, run_id: str) -> int:
        """The number of the newest event; -1 when there is none."""
        query = select(func.max(EventRow.seq)).where(EventRow.run_id == run_id)
        if self._owner is not None:
            query = query.join(RunRow).where(RunRow.owner == self._owner)
        async with self._db.session() as session:
            last = await session.scalar(query)
        return -1 if last is None else last


async def append_in(
    session: AsyncSession, events: Sequence[Event], *, owner: str | None = None, known: Mapping[str, int] | None = None
) -> dict[str, int]:
    """`EventLog.append` as a part of a larger transaction: run id -> number of its newest event, now and in ``known``.

    What is ``known`` may be out of date: then the insert fails with IntegrityError.
    """
    run_ids = {event.run_id for event in events}
    last = {run_id: seq for run_id, seq in (known or {}).items() if run_id in run_ids}
    if unknown := run_ids - last.keys():
        newest = select(func.max(EventRow.seq)).where(EventRow.run_id == RunRow.id).correlate(RunRow).scalar_subquery()
        query = select(RunRow.id, newest).where(RunRow.id.in_(unknown))
        if owner is not None:
            query = query.where(RunRow.owner == owner)
        last |= {run_id: -1 if seq is None else seq for run_id, seq in await session.execute(query)}
    for event in events:
        if event.run_id not in last:
            raise NotFoundError(f"There is no run {event.run_id} to log events of.")
        if event.seq != last[event.run_id] + 1:
            raise SensoriumError(
                f"Event {event.seq} of run {event.run_id} is out of order: {last[event.run_id] + 1} comes next."
            )
        last[event.run_id] = event.seq
    await session.execute(
        insert(EventRow),
        [
            {
                "run_id": event.run_id,
                "seq": event.seq,
                "at": event.at,
                "type": event.type,
                "body": event.body.model_dump(mode="json", exclude={"type"}),
            }
            for event in events
        ],
    )
    return last


def to_event(row: EventRow) -> Event:
    return Event.from_wire({"run_id": row.run_id, "seq": row.seq, "at": row.at, "type": row.type, **row.body})
