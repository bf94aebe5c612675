"""Turns that memory has not looked through. They are noted before the answer is delivered, so that none is lost when
the process ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from memory.database import Database
from memory.longterm.tables import UnreadTurnRow
from memory.tables import RunRow

#: A turn that failed to be read so often is given up.
MAX_TRIES = 3


class UnreadTurns:
    """One owner's."""

    def __init__(self, db: Database, owner: str) -> None:
        self._db = db
        self._owner = owner

    async def note(self, run_id: str) -> None:
        """It is to be read once it has ended. Noted again (a run that was resumed), it is read once."""
        async with self._db.transaction() as session:
            if await session.get(UnreadTurnRow, run_id) is None:
                session.add(UnreadTurnRow(run_id=run_id, owner=self._owner, tries=0, created_at=datetime.now(UTC)))

    async def waiting(self) -> Sequence[str]:
        """Run ids, the oldest first."""
        query = select(UnreadTurnRow.run_id).where(UnreadTurnRow.owner == self._owner)
        async with self._db.session() as session:
            return list(await session.scalars(query.order_by(UnreadTurnRow.created_at)))

    async def done(self, run_id: str) -> None:
        mine = (UnreadTurnRow.run_id == run_id, UnreadTurnRow.owner == self._owner)
        async with self._db.transaction() as session:
            await session.execute(delete(UnreadTurnRow).where(*mine))

    async def hold(self, session: AsyncSession, run_id: str) -> bool:
        """Whether it is noted; if so it stays noted until this transaction ends, and its conversation stays there."""
        mine = (UnreadTurnRow.run_id == run_id, UnreadTurnRow.owner == self._owner)
        held = select(UnreadTurnRow.run_id).where(*mine).with_for_update(read=True)
        return await session.scalar(held) is not None

    async def forget_thread(self, session: AsyncSession, thread_id: str) -> None:
        """The turns of a conversation are not to be read any more. Waits for whoever holds one of them."""
        turns = select(RunRow.id).where(RunRow.owner == self._owner, RunRow.thread_id == thread_id)
        await session.execute(delete(UnreadTurnRow).where(UnreadTurnRow.run_id.in_(turns)))

    async def forget_all(self, session: AsyncSession) -> None:
        """No turn is to be read any more. Waits for whoever holds one."""
        await session.execute(delete(UnreadTurnRow).where(UnreadTurnRow.owner == self._owner))

    async def failed(self, run_id: str) -> bool:
        """Whether that was its last try."""
        async with self._db.transaction() as session:
            row = await session.get(UnreadTurnRow, run_id)
            if row is None or row.owner != self._owner:
                return True
            row.tries += 1
            if row.tries < MAX_TRIES:
                return False
            await session.delete(row)
            return True
