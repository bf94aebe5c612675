"""Artifacts that nothing names: which they are, and their rows' removal.

Kept is what a message, a run's attachments or a run's log names, what is young, and whatever any of these was made
from, however far back. The decision and the removal are one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from memory.artifact_rows import batches, delete_rows, named, naming_key
from memory.artifact_types import ArtifactRef
from memory.chat_types import WORKING
from memory.database import Database
from memory.lineage_graph import children_of, parents_of_all, with_ancestors
from memory.tables import ArtifactRow, RunRow


@dataclass(frozen=True, slots=True)
class Collected:
    """``artifacts`` were removed, or would be; ``freed_bytes`` is what their files hold that nobody else has;
    ``stray_files`` had no artifact.
    """

    artifacts: tuple[ArtifactRef, ...]
    freed_bytes: int
    stray_files: int


def unneeded(parents: Mapping[str, Collection[str]], kept: Collection[str]) -> set[str]:
    """Of all artifacts (the keys), those that neither are ``kept`` nor are among what these were made from."""
    return set(parents) - with_ancestors(kept, parents)


async def find_unneeded(
    session: AsyncSession, owner: str, *, older_than: timedelta, also_kept: Collection[str] = ()
) -> list[ArtifactRow]:
    """The rows, oldest first."""
    # In this order, because on PostgreSQL each statement sees what was committed before it: a run that ends in between
    # is found to work still, or its message is found to name what it made.
    parents = await parents_of_all(session, owner)
    kept = await _young(session, owner, older_than) | set(also_kept)
    kept |= await named(session, owner)
    gone = unneeded(parents, kept)
    rows: list[ArtifactRow] = []
    for ids in batches([id_ for id_ in parents if id_ in gone]):
        rows += await session.scalars(select(ArtifactRow).where(ArtifactRow.owner == owner, ArtifactRow.id.in_(ids)))
    return sorted(rows, key=lambda row: (row.created_at, row.id))


async def remove_unneeded(
    db: Database, owner: str, *, older_than: timedelta, also_kept: Collection[str] = ()
) -> list[ArtifactRow]:
    """Remove the rows and return them; their files are left to whoever calls."""
    async with db.session() as session:  # looked at first without keeping writers waiting
        if not await find_unneeded(session, owner, older_than=older_than, also_kept=also_kept):
            return []
    async with db.transaction() as session:
        await db.alone(session, naming_key(owner))
        rows = await find_unneeded(session, owner, older_than=older_than, also_kept=also_kept)
        await delete_rows(session, owner, [row.id for row in rows])
    return rows


@dataclass(frozen=True, slots=True)
class Needed:
    """Who would miss an artifact: conversations that name it, and those that were made from it (ids)."""

    is_named: bool
    made_from_it: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.is_named or bool(self.made_from_it)


async def who_needs(session: AsyncSession, owner: str, artifact_id: str) -> Needed:
    children = await children_of(session, owner, [artifact_id])
    return Needed(artifact_id in await named(session, owner), children.get(artifact_id, ()))


async def freed_bytes(session: AsyncSession, rows: Collection[ArtifactRow]) -> int:
    """What the files hold that only these rows name."""
    files = {row.sha256: row.bytes for row in rows}
    going = {row.id for row in rows}
    shared: set[str] = set()
    for hashes in batches(list(files)):
        query = select(ArtifactRow.id, ArtifactRow.sha256).where(ArtifactRow.sha256.in_(hashes))
        shared |= {sha256 for id_, sha256 in await session.execute(query) if id_ not in going}
    return sum(size for sha256, size in files.items() if sha256 not in shared)


async def _young(session: AsyncSession, owner: str, older_than: timedelta) -> set[str]:
    """What came after the limit, or after the start of a run that is worked on: its log may not name it yet."""
    since = datetime.now(UTC) - older_than
    working = await session.scalar(
        select(func.min(RunRow.created_at)).where(RunRow.owner == owner, RunRow.status.in_(WORKING))
    )
    if working is not None:
        since = min(since, working)
    query = select(ArtifactRow.id).where(ArtifactRow.owner == owner, ArtifactRow.created_at >= since)
    return set(await session.scalars(query))
