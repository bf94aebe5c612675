"""How much an owner may keep, and how much it is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from engines.errors import QuotaError
from memory.tables import ArtifactRow

_FIX = "Make room with `sensorium artifacts gc` or `sensorium artifacts delete ID`, or raise SENSORIUM_{setting}."


@dataclass(frozen=True, slots=True)
class Usage:
    """``artifacts`` is how many there are; ``bytes`` what their files hold, each file counted once."""

    artifacts: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What one owner may keep at most; 0: no limit."""

    artifacts: int = 0
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.artifacts or self.bytes)

    def check(self, used: Usage, *, more_bytes: int, name: str) -> None:
        """Raises QuotaError when one more artifact, with so many bytes, is too much."""
        if self.artifacts and used.artifacts + 1 > self.artifacts:
            raise QuotaError(
                f"{name} can't be stored: {used.artifacts:,} artifacts are kept, and {self.artifacts:,} are allowed.",
                fix=_FIX.format(setting="MAX_ARTIFACTS"),
            )
        if self.bytes and used.bytes + more_bytes > self.bytes:
            raise QuotaError(
                f"{name} ({_mb(more_bytes)}) can't be stored: artifacts take {_mb(used.bytes)} of the "
                f"{_mb(self.bytes)} that are allowed.",
                fix=_FIX.format(setting="MAX_ARTIFACTS_MB"),
            )


async def usage_in(session: AsyncSession, owner: str) -> Usage:
    """An owner's, as the session sees it."""
    files = select(ArtifactRow.sha256, ArtifactRow.bytes).where(ArtifactRow.owner == owner).distinct().subquery()
    count = await session.scalar(select(func.count()).select_from(ArtifactRow).where(ArtifactRow.owner == owner))
    size = await session.scalar(select(func.coalesce(func.sum(files.c.bytes), 0)))
    return Usage(count or 0, int(size or 0))


async def has_file(session: AsyncSession, owner: str, sha256: str) -> bool:
    """Whether one of the owner's artifacts has that file already, so that another costs no room."""
    query = select(ArtifactRow.id).where(ArtifactRow.owner == owner, ArtifactRow.sha256 == sha256)
    return await session.scalar(query.limit(1)) is not None


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
