"""Forks: conversations that hold what another one held before one of its messages, and go on in their own way.

Rows are copied under new ids, so that either may be deleted without the other. Media are shared: the copies name the
same artifacts, of which no new ones are made. What was spent and what was thought of answers stays with the original.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy import insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from engines.errors import ConflictError, NotFoundError
from memory.artifact_rows import naming_key
from memory.chat_types import OPEN, RunInfo, ThreadInfo
from memory.database import Database
from memory.processes import this_process
from memory.tables import EventRow, MessageRow, RunRow, ThreadRow


class Forks:
    """One owner's forks. Another owner's conversations raise NotFoundError, as if they were not there."""

    def __init__(self, db: Database, owner: str) -> None:
        self._db = db
        self._owner = owner

    async def make(self, thread_id: str, *, at: str, into: str, runs: Mapping[str, str]) -> ThreadInfo:
        """A new conversation ``into`` with copies of some runs of another, and of their messages and events.

        ``at`` is the run before which it forks, ``runs`` the ids of the runs before it -> those of their copies. A copy
        has the original as its ``parent_run``, and its time; one of an interrupted run is cancelled, since the original
        alone can go on. The events are as they were, calls keep their ids; the first names the new conversation.
        Raises NotFoundError for a conversation or a run that is not there, ConflictError for a run that is open.
        """
        async with self._db.transaction() as session:
            source = await session.get(ThreadRow, (self._owner, thread_id))
            if source is None:
                raise NotFoundError(f"There is no conversation {thread_id[:80]!r}.", fix="Look at the list of them.")
            found = await session.scalars(
                select(RunRow)
                .where(RunRow.owner == self._owner, RunRow.thread_id == thread_id)
                .order_by(RunRow.created_at, RunRow.id)
            )
            originals = [run for run in found if run.id in runs]
            if missing := runs.keys() - {run.id for run in originals}:
                raise NotFoundError(f"There is no run {min(missing)[:80]!r}.", fix="Look at the history again.")
            check_closed(RunInfo.model_validate(run) for run in originals)
            # The copies name artifacts that were there before: nobody may collect these meanwhile.
            await self._db.alone(session, naming_key(self._owner))
            fork = self._thread(source, at, into, has_title=bool(runs))
            session.add(fork)
            await session.flush()  # runs refer to it
            session.add_all(_copy(run, into, runs[run.id]) for run in originals)
            await session.flush()  # messages and events refer to them
            await self._copy_messages(session, into, runs)
            for run in originals:
                await _copy_events(session, run.id, runs[run.id], into)
            return ThreadInfo.model_validate(fork)

    async def of(self, thread_id: str) -> dict[str, tuple[ThreadInfo, ...]]:
        """The forks of a conversation: run -> those that were made before it, oldest first."""
        query = (
            select(ThreadRow)
            .join(RunRow, RunRow.id == ThreadRow.forked_at)
            .where(ThreadRow.owner == self._owner, RunRow.owner == self._owner, RunRow.thread_id == thread_id)
            .order_by(ThreadRow.created_at, ThreadRow.id)
        )
        found: dict[str, tuple[ThreadInfo, ...]] = {}
        async with self._db.session() as session:
            for row in await session.scalars(query):
                if row.forked_at:
                    found[row.forked_at] = (*found.get(row.forked_at, ()), ThreadInfo.model_validate(row))
        return found

    def _thread(self, source: ThreadRow, at: str, into: str, *, has_title: bool) -> ThreadRow:
        """Without a message before the fork, the first one to come gives the title."""
        now, title = datetime.now(UTC), source.title if has_title else ""
        return ThreadRow(owner=self._owner, id=into, title=title, forked_at=at, created_at=now, updated_at=now)

    async def _copy_messages(self, session: AsyncSession, into: str, runs: Mapping[str, str]) -> None:
        """In their order, which is that of all runs together: one may have begun while another was answered."""
        query = select(MessageRow).join(RunRow, RunRow.parent_run == MessageRow.run_id)
        query = query.where(RunRow.owner == self._owner, RunRow.thread_id == into).order_by(MessageRow.id)
        session.add_all(
            MessageRow(
                owner=self._owner,
                thread_id=into,
                run_id=runs[row.run_id],
                role=row.role,
                text=row.text,
                artifacts=row.artifacts,
                created_at=row.created_at,
            )
            for row in (await session.scalars(query)).all()
        )


def check_closed(runs: Iterable[RunInfo]) -> None:
    """Raises ConflictError for the first run that is still open: what it will have said is not known yet."""
    for run in runs:
        if run.status in OPEN:
            raise ConflictError(
                f"Run {run.id}, which is before the fork, is still {run.status}.",
                fix="Wait until it has ended, answer what it asks, or cancel it.",
            )


def _copy(run: RunRow, into: str, new_id: str) -> RunRow:
    here = this_process()
    return RunRow(
        id=new_id,
        owner=run.owner,
        thread_id=into,
        status="cancelled" if run.status == "interrupted" else run.status,
        model=run.model,
        message=run.message,
        attachments=run.attachments,
        error=run.error,
        pid=here.pid,
        process_started=here.started,
        parent_run=run.id,
        created_at=run.created_at,
        finished_at=run.finished_at,
    )


async def _copy_events(session: AsyncSession, run_id: str, new_id: str, into: str) -> None:
    columns = (EventRow.seq, EventRow.at, EventRow.type, EventRow.body)
    source = select(literal(new_id).label("run_id"), *columns).where(EventRow.run_id == run_id)
    await session.execute(insert(EventRow).from_select(["run_id", "seq", "at", "type", "body"], source))
    first = await session.get(EventRow, (new_id, 0))
    if first is not None and "thread_id" in first.body:
        first.body = {**first.body, "thread_id": into}
