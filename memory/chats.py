"""Conversations: threads, their messages, and the runs that answer them. All of one owner's, and of nobody else's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, get_args
from uuid import uuid4

from sqlalchemy import ColumnElement, delete, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from engines.errors import ConflictError, InputError, NotFoundError
from memory.artifact_rows import delete_rows, named, naming_key
from memory.chat_types import OPEN, WORKING, EndStatus, MessageInfo, RunInfo, RunStatus, ThreadInfo
from memory.database import Database
from memory.event_log import append_in, to_event
from memory.events import ApprovalRequired, Event, RunCancelled, RunFailed, RunFinished, RunInterrupted
from memory.names import is_id
from memory.processes import Process, this_process
from memory.tables import ArtifactRow, EventRow, MessageRow, RunRow, ThreadRow

_TITLE_CHARS = 60
_INTERRUPTED = RunInterrupted(
    message="The program was stopped while it worked on this.",
    fix="Resume it: it goes on where it stopped.",
)
_WHAT_NOW = {
    "queued": "Wait until it has ended.",
    "running": "Follow its events, or cancel it.",
    "waiting": "Answer what it asks: approve, edit or deny.",
    "interrupted": "Resume it.",
}


async def owners(db: Database) -> list[str]:
    """Everybody who has a thread, for the chores of a starting server."""
    async with db.session() as session:
        return list(await session.scalars(select(ThreadRow.owner).distinct().order_by(ThreadRow.owner)))


class Chats:
    """One owner's conversations. Another owner's threads and runs raise NotFoundError, as if they were not there."""

    def __init__(self, db: Database, owner: str) -> None:
        if not 0 < len(owner) <= 255:
            raise InputError("An owner's name has 1 to 255 characters.")
        self._db = db
        self._owner = owner

    # ------------------------------------------------------------------------------------------------ threads

    async def create_thread(self, id: str | None = None) -> ThreadInfo:  # noqa: A002 - what callers call it
        """Begin a conversation. Raises InputError for an id that is taken or is not 1-64 of ``A-Z a-z 0-9 - _``."""
        row = self._new_thread(id)
        try:
            async with self._db.transaction() as session:
                session.add(row)
        except IntegrityError as error:
            raise InputError(f"There is a conversation {row.id!r} already.", fix="Choose another name.") from error
        return ThreadInfo.model_validate(row)

    async def ensure_thread(self, id: str) -> ThreadInfo:  # noqa: A002 - what callers call it
        """The conversation of that id, begun now if there is none. Raises InputError like `create_thread`."""
        row = self._new_thread(id)
        async with self._db.transaction() as session:
            await self._db.alone(session, f"thread:{self._owner}:{id}")
            found = await session.get(ThreadRow, (self._owner, id))
            if found is None:
                session.add(row)
            return ThreadInfo.model_validate(found or row)

    async def threads(self, limit: int = 50, before: str | None = None) -> list[ThreadInfo]:
        """Conversations, the one used last first. ``before``: go on after the thread of that id."""
        query = select(ThreadRow).where(ThreadRow.owner == self._owner)
        async with self._db.session() as session:
            if before is not None:
                mark = await self._thread(session, before)
                query = query.where(tuple_(ThreadRow.updated_at, ThreadRow.id) < (mark.updated_at, mark.id))
            rows = await session.scalars(query.order_by(ThreadRow.updated_at.desc(), ThreadRow.id.desc()).limit(limit))
            return [ThreadInfo.model_validate(row) for row in rows]

    async def thread(self, id: str) -> ThreadInfo:  # noqa: A002 - what callers call it
        async with self._db.session() as session:
            return ThreadInfo.model_validate(await self._thread(session, id))

    async def messages(self, thread_id: str, limit: int | None = None) -> list[MessageInfo]:
        """In order; with ``limit``, the newest so many."""
        query = select(MessageRow).where(MessageRow.owner == self._owner, MessageRow.thread_id == thread_id)
        async with self._db.session() as session:
            await self._thread(session, thread_id)
            rows = await session.scalars(query.order_by(MessageRow.id.desc()).limit(limit))
            return [MessageInfo.model_validate(row) for row in rows][::-1]

    async def delete_thread(self, id: str) -> tuple[str, ...]:  # noqa: A002 - what callers call it
        """Delete a conversation with its messages, runs and events; what runs in it must have been cancelled.

        The artifacts that only this conversation names go with it. Returns their files' sha256, for the artifact store
        to remove.
        """
        async with self._db.transaction() as session:
            await self._thread(session, id)
            await self._db.alone(session, naming_key(self._owner))  # nobody attaches what is about to go
            only_here = await named(session, self._owner, inside=id) - await named(session, self._owner, outside=id)
            await session.execute(delete(ThreadRow).where(ThreadRow.owner == self._owner, ThreadRow.id == id))
            return await delete_rows(session, self._owner, only_here)

    # --------------------------------------------------------------------------------------------------- runs

    async def start_run(
        self,
        thread_id: str,
        message: str,
        attachments: Sequence[str] = (),
        *,
        model: str,
        parent_run: str | None = None,
    ) -> RunInfo:
        """Store the user's message and a run that answers it, before anything else is done about it.

        ``attachments`` are ids of this owner's artifacts; ``parent_run`` is the run that this one repeats or goes on
        from. Raises NotFoundError for a thread, an artifact or a parent that is not there.
        """
        process, now, message = this_process(), datetime.now(UTC), storable(message)
        run = RunRow(
            id=uuid4().hex,
            owner=self._owner,
            thread_id=thread_id,
            status="running",
            model=model,
            message=message,
            attachments=list(attachments),
            pid=process.pid,
            process_started=process.started,
            parent_run=parent_run,
            created_at=now,
        )
        async with self._db.transaction() as session:
            if parent_run is not None:
                await self._run(session, parent_run)
            thread = await self._thread(session, thread_id)
            thread.updated_at = now
            thread.title = thread.title or _title(message)
            await self._db.alone(session, naming_key(self._owner))
            await self._check_artifacts(session, attachments)
            session.add(run)
            await session.flush()  # the message refers to the run
            session.add(self._message(run, "user", message, attachments, now))
        return RunInfo.model_validate(run)

    async def pause_run(self, run_id: str) -> RunInfo:
        """Let a run wait for somebody's approval: from now on it is no process's, and survives the end of this one.

        Raises NotFoundError when there is no such run, ConflictError when it is not being worked on.
        """
        return await self._change(run_id, WORKING, status="waiting")

    async def resume_run(self, run_id: str, was: Literal["waiting", "interrupted"] = "waiting") -> RunInfo:
        """Go on, in this process, with a run that waits or was interrupted. Of several that try, one does.

        Raises NotFoundError when there is no such run, ConflictError when that is not how it stands (any more).
        """
        here = this_process()
        process = {"pid": here.pid, "process_started": here.started}
        return await self._change(run_id, (was,), status="running", error=None, finished_at=None, **process)

    async def waiting(self, thread_id: str) -> list[RunInfo]:
        """The runs of a conversation that wait for an answer, oldest first."""
        return await self._found(RunRow.thread_id == thread_id, RunRow.status == "waiting")

    async def interrupted(self, since: datetime) -> list[RunInfo]:
        """The runs that were found interrupted after ``since``, oldest first."""
        return await self._found(RunRow.status == "interrupted", RunRow.finished_at >= since)

    async def unfinished(self) -> list[RunInfo]:
        """The runs that somebody may go on with: those that wait and those that were interrupted, oldest first."""
        return await self._found(RunRow.status.in_(("waiting", "interrupted")))

    async def set_message(self, run_id: str, message: str) -> None:
        """What the user said, once a voice message was written down. Raises NotFoundError."""
        text = storable(message)
        async with self._db.transaction() as session:
            run = await self._run(session, run_id)
            run.message = text
            thread = await self._thread(session, run.thread_id)
            thread.title = thread.title or _title(text)
            of_user = update(MessageRow).where(
                MessageRow.owner == self._owner, MessageRow.run_id == run_id, MessageRow.role == "user"
            )
            await session.execute(of_user.values(text=text))

    async def finish_run(
        self,
        run_id: str,
        *,
        status: EndStatus,
        answer: str | None = None,
        artifacts: Sequence[str] = (),
        error: dict[str, Any] | None = None,
    ) -> RunInfo:
        """End a run and store its answer, or what there is of one, as the assistant's message.

        Raises NotFoundError when there is no such run, ConflictError when it has ended already.
        """
        if status not in get_args(EndStatus):
            raise InputError(f"A run can't end as {status!r}.")
        async with self._db.transaction() as session:
            return RunInfo.model_validate(await self._end(session, run_id, status, answer, artifacts, error))

    async def run(self, id: str) -> RunInfo:  # noqa: A002 - what callers call it
        async with self._db.session() as session:
            return RunInfo.model_validate(await self._run(session, id))

    async def runs(self, thread_id: str) -> list[RunInfo]:
        """A conversation's runs, oldest first."""
        query = select(RunRow).where(RunRow.owner == self._owner, RunRow.thread_id == thread_id)
        async with self._db.session() as session:
            await self._thread(session, thread_id)
            rows = await session.scalars(query.order_by(RunRow.created_at, RunRow.id))
            return [RunInfo.model_validate(row) for row in rows]

    async def mark_interrupted(self, alive: Collection[str] = ()) -> int:
        """Mark the runs that a killed process left behind as interrupted, and say how many there were.

        ``alive``: ids of the runs this process works on. Runs of other living processes are left alone, and so are
        those that wait. Each gets a `run.interrupted`; one that had logged its last event ends as that says, and one
        that had asked its user waits.
        """
        unended = select(RunRow).where(RunRow.owner == self._owner, RunRow.status.in_(WORKING))
        here = this_process()
        count = 0
        async with self._db.transaction() as session:
            for run in (await session.scalars(unended.with_for_update())).all():
                worker = Process(run.pid, run.process_started)
                if run.id in alive if worker.is_same(here) else worker.is_alive():
                    continue
                count += await self._interrupt(session, run.id)
        return count

    # ------------------------------------------------------------------------------------------------ helpers

    async def _found(self, *which: ColumnElement[bool]) -> list[RunInfo]:
        query = select(RunRow).where(RunRow.owner == self._owner, *which)
        async with self._db.session() as session:
            rows = await session.scalars(query.order_by(RunRow.created_at, RunRow.id))
            return [RunInfo.model_validate(row) for row in rows]

    async def _end(
        self,
        session: AsyncSession,
        run_id: str,
        status: EndStatus,
        answer: str | None,
        artifacts: Sequence[str],
        error: dict[str, Any] | None,
    ) -> RunRow:
        now = datetime.now(UTC)
        run = await self._change_in(session, run_id, OPEN, status=status, error=error, finished_at=now)
        if answer is not None or artifacts:
            session.add(self._message(run, "assistant", answer or "", artifacts, now))
            (await self._thread(session, run.thread_id)).updated_at = now
        return run

    async def _change(self, run_id: str, was: Sequence[RunStatus], **values: Any) -> RunInfo:
        async with self._db.transaction() as session:
            return RunInfo.model_validate(await self._change_in(session, run_id, was, **values))

    async def _change_in(self, session: AsyncSession, run_id: str, was: Sequence[RunStatus], **values: Any) -> RunRow:
        # The condition stands in the UPDATE: of two that change a run at the same moment, one does.
        changed = await session.scalar(
            update(RunRow)
            .where(RunRow.id == run_id, RunRow.owner == self._owner, RunRow.status.in_(was))
            .values(**values)
            .returning(RunRow.id)
        )
        run = await self._run(session, run_id)
        if changed is None:
            ended = "" if run.status in (*OPEN, "interrupted") else "has ended already: it "
            raise ConflictError(f"Run {run_id} {ended}is {run.status}.", fix=_WHAT_NOW.get(run.status, ""))
        return run

    async def _interrupt(self, session: AsyncSession, run_id: str) -> bool:
        """Whether the run had not ended by its own account."""
        newest = select(EventRow).where(EventRow.run_id == run_id).order_by(EventRow.seq.desc()).limit(1)
        last = await session.scalar(newest)
        body = to_event(last).body if last else None
        if isinstance(body, RunFinished):
            made = [artifact.id for artifact in body.artifacts]
            await self._end(session, run_id, "finished", body.answer, made, None)
        elif isinstance(body, RunFailed):
            await self._end(session, run_id, "failed", None, (), body.model_dump(exclude={"type"}))
        elif isinstance(body, RunCancelled):
            await self._end(session, run_id, "cancelled", None, (), None)
        elif isinstance(body, ApprovalRequired):
            await self._change_in(session, run_id, WORKING, status="waiting")
        else:
            seq = last.seq + 1 if last else 0
            await append_in(session, [Event(run_id=run_id, seq=seq, at=datetime.now(UTC), body=_INTERRUPTED)])
            await self._end(session, run_id, "interrupted", None, (), _INTERRUPTED.model_dump(exclude={"type"}))
            return True
        return False

    def _new_thread(self, chosen: str | None) -> ThreadRow:
        if chosen is not None and not is_id(chosen):
            raise InputError(
                f"{chosen[:80]!r} can't name a conversation.",
                fix="Use 1 to 64 letters, digits, hyphens and underscores.",
            )
        now = datetime.now(UTC)
        return ThreadRow(owner=self._owner, id=chosen or uuid4().hex, title="", created_at=now, updated_at=now)

    def _message(
        self, run: RunRow, role: Literal["user", "assistant"], text: str, artifacts: Sequence[str], now: datetime
    ) -> MessageRow:
        return MessageRow(
            owner=self._owner,
            thread_id=run.thread_id,
            run_id=run.id,
            role=role,
            text=storable(text),
            artifacts=list(artifacts),
            created_at=now,
        )

    async def _thread(self, session: AsyncSession, thread_id: str) -> ThreadRow:
        row = await session.get(ThreadRow, (self._owner, thread_id)) if is_id(thread_id) else None
        if row is None:
            raise NotFoundError(f"There is no conversation {thread_id[:80]!r}.", fix="Look at the list of them.")
        return row

    async def _run(self, session: AsyncSession, run_id: str) -> RunRow:
        query = select(RunRow).where(RunRow.id == run_id, RunRow.owner == self._owner)
        row = await session.scalar(query) if is_id(run_id) else None
        if row is None:
            raise NotFoundError(f"There is no run {run_id[:80]!r}.")
        return row

    async def _check_artifacts(self, session: AsyncSession, ids: Sequence[str]) -> None:
        query = select(ArtifactRow.id).where(ArtifactRow.owner == self._owner, ArtifactRow.id.in_(filter(is_id, ids)))
        missing = set(ids) - set(await session.scalars(query)) if ids else set()
        if missing:
            raise NotFoundError(f"There is no artifact {min(missing)[:80]!r} to attach.", fix="Upload it first.")


def storable(text: str) -> str:
    """Without what no database stores: NUL, and halves of surrogate pairs (a command line may hold them)."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _title(message: str) -> str:
    words = " ".join(message.split())
    return words if len(words) <= _TITLE_CHARS else words[: _TITLE_CHARS - 1].rstrip() + "…"
