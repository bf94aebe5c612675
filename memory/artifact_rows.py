"""Artifacts as the chat database knows them: which of them conversations name, and their rows' removal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from memory.tables import ArtifactRow, EventRow, MessageRow, RunRow

#: Events that show the user an artifact.
_SHOWING = ("tool.artifact", "speech")

#: SQLite takes only so many values in one statement.
_AT_ONCE = 500


def naming_key(owner: str) -> str:
    """The lock of whoever lets a message name artifacts that were there before, or removes what none names."""
    return f"artifacts:{owner}"


async def named(
    session: AsyncSession, owner: str, *, inside: str | None = None, outside: str | None = None
) -> set[str]:
    """Ids that messages, runs' attachments and runs' logs name; of one thread only, or of all but one."""

    def where(of: InstrumentedAttribute[str]) -> list[ColumnElement[bool]]:
        return [*([of == inside] if inside is not None else []), *([of != outside] if outside is not None else [])]

    messages = select(MessageRow.artifacts).where(MessageRow.owner == owner, *where(MessageRow.thread_id))
    runs = select(RunRow.attachments).where(RunRow.owner == owner, *where(RunRow.thread_id))
    shown = (
        select(EventRow.body)
        .join(RunRow)
        .where(RunRow.owner == owner, EventRow.type.in_(_SHOWING), *where(RunRow.thread_id))
    )
    listed = (*await session.scalars(messages), *await session.scalars(runs))
    return {id_ for ids in listed for id_ in ids} | {body["artifact"]["id"] for body in await session.scalars(shown)}


async def delete_rows(session: AsyncSession, owner: str, ids: Collection[str]) -> tuple[str, ...]:
    """Returns the sha256 of each one's file, which other rows may name too."""
    files: set[str] = set()
    for some in batches(sorted(ids)):
        gone = delete(ArtifactRow).where(ArtifactRow.owner == owner, ArtifactRow.id.in_(some))
        files |= set(await session.scalars(gone.returning(ArtifactRow.sha256)))
    return tuple(sorted(files))


def batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Few enough at once for a statement."""
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
