"""The artifact store: pictures, sounds, videos and texts as files named by their sha256, and a row for each owner's.

The same bytes are stored once, whoever brings them: rows share a file, and it goes when its last row goes. A file is
put in place and removed inside the transaction that decides it, so two processes can't undo each other's work. A crash
may leave a file without a row, never a row without a file; `ArtifactStore.sweep` removes what a crash left.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from engines.errors import InputError, NotFoundError, SensoriumError
from engines.progress import CancelToken
from memory.artifact_rows import naming_key
from memory.artifact_types import ArtifactKind, ArtifactRef, Lineage
from memory.blobs import Blobs
from memory.database import Database
from memory.garbage import Collected, Needed, find_unneeded, freed_bytes, remove_unneeded, who_needs
from memory.lineage_graph import MAX_DEPTH, LineageGraph, lineage_graph, parents_of
from memory.names import is_id, safe_name
from memory.quotas import Quota, Usage, has_file, usage_in
from memory.receiving import disk_error, receive
from memory.tables import ArtifactRow

_TRIES = 3
"""How often a file that others keep removing is prepared again before nobody else may touch it meanwhile."""

#: Kinds that no media library reads, and their MIME type when the caller names none.
_PLAIN: dict[ArtifactKind, str] = {
    "text": "text/plain",
    "boxes": "application/json",
    "embedding": "application/octet-stream",
}


class MediaInfo(Protocol):
    """What `engines.media.probe` finds out. ``width`` and ``height`` in px, ``seconds`` of sound or video."""

    @property
    def kind(self) -> ArtifactKind: ...
    @property
    def mime(self) -> str: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def seconds(self) -> float | None: ...


#: Given the file and the name it was brought under. Runs in a thread; raises MediaError for a file that can't be read.
Probe = Callable[[Path, str], MediaInfo]


@dataclass(frozen=True, slots=True)
class _Plain:
    kind: ArtifactKind
    mime: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


class ArtifactStore:
    """One owner's artifacts. Another owner's raise NotFoundError, as if they were not there."""

    def __init__(
        self,
        db: Database,
        blobs: Blobs,
        owner: str,
        *,
        probe: Probe,
        max_bytes: int = 200_000_000,
        quota: Quota = Quota(),  # noqa: B008 - it is frozen
    ) -> None:
        """``blobs`` holds all owners' files; ``max_bytes`` is the size of the largest file taken."""
        self._db = db
        self._blobs = blobs
        self._owner = owner
        self._probe = probe
        self._max_bytes = max_bytes
        self._quota = quota

    # --------------------------------------------------------------------------------------------------- adding

    async def add_file(
        self,
        path: Path,
        *,
        lineage: Lineage,
        name: str | None = None,
        kind: ArtifactKind | None = None,
        mime: str | None = None,
    ) -> ArtifactRef:
        """Take in a copy of a file. ``kind`` and ``mime`` override what the probe finds; text, boxes and embeddings
        named as such are not probed.

        Raises InputError for a file that is not there or is too large, MediaError for one that can't be read,
        QuotaError when the owner keeps too much already, SensoriumError when the disk is full, UnavailableError when
        the files' store can't be reached.
        """
        return await self._add(lambda: path.open("rb"), name or path.name, lineage, kind, mime)

    async def add_bytes(
        self,
        data: bytes,
        *,
        name: str,
        lineage: Lineage,
        kind: ArtifactKind | None = None,
        mime: str | None = None,
    ) -> ArtifactRef:
        """Take in ``data`` as `add_file` does a file."""
        return await self._add(lambda: io.BytesIO(data), name, lineage, kind, mime)

    async def _add(
        self,
        source: Callable[[], BinaryIO],
        name: str,
        lineage: Lineage,
        kind: ArtifactKind | None,
        mime: str | None,
    ) -> ArtifactRef:
        name = safe_name(name)
        incoming = self._blobs.incoming / uuid4().hex
        cancel = CancelToken()
        try:
            await self.check_room(name)
            received = await asyncio.to_thread(receive, source, incoming, name, self._max_bytes, cancel)
            info = await self._look_at(incoming, name, kind, mime)
            row = ArtifactRow(
                id=uuid4().hex,
                owner=self._owner,
                kind=kind or info.kind,
                mime=mime or info.mime,
                name=name,
                bytes=received.bytes,
                sha256=received.sha256,
                width=info.width,
                height=info.height,
                seconds=info.seconds,
                lineage=lineage.model_dump(mode="json"),
                created_at=datetime.now(UTC),
            )
            await self._keep(incoming, row)
        finally:
            # A cancelled wait leaves its thread running: the token tells it to stop and to clear up after itself.
            cancel.set()
            incoming.unlink(missing_ok=True)
        return _ref(row)

    async def _look_at(self, path: Path, name: str, kind: ArtifactKind | None, mime: str | None) -> MediaInfo:
        if kind in _PLAIN:
            return _Plain(kind, mime or _PLAIN[kind])
        return await asyncio.to_thread(self._probe, path, name)

    async def _keep(self, incoming: Path, row: ArtifactRow) -> None:
        try:
            for _ in range(_TRIES):
                await asyncio.to_thread(self._blobs.prepare, incoming, row.sha256)
                if await self._keep_prepared(incoming, row):
                    return
            # Others wait for an upload now, but it can't be lost again: whoever removes a file needs the same lock.
            if not await self._keep_prepared(incoming, row, prepare=True):
                raise SensoriumError(
                    f"{row.name} can't be stored: the artifacts' store loses files.",
                    fix="Look whether something else deletes them there, such as a rule of the bucket.",
                )
        except Exception as error:
            with suppress(Exception):  # the first error is the one to tell; a sweep would find the file too
                await self._remove_if_unnamed(row.sha256)
            if isinstance(error, OSError):
                raise disk_error(error, row.name) from error
            raise

    async def _keep_prepared(self, incoming: Path, row: ArtifactRow, *, prepare: bool = False) -> bool:
        async with self._db.transaction() as session:
            if self._quota:
                await self._db.alone(session, f"quota:{self._owner}")
                await self._check_quota(session, row)
            if row.lineage["parents"]:  # whoever collects garbage must not overlook that they are needed
                await self._db.alone(session, naming_key(self._owner))
            await self._db.alone(session, f"file:{row.sha256}")
            if prepare:
                await asyncio.to_thread(self._blobs.prepare, incoming, row.sha256)
            kept = await asyncio.to_thread(self._blobs.keep, incoming, row.sha256)
            if kept:
                session.add(row)
                await session.flush()  # what it was made from refers to it
                session.add_all(parents_of(row))
            return kept

    # --------------------------------------------------------------------------------------------------- quotas

    async def usage(self) -> Usage:
        """How much this owner keeps."""
        async with self._db.session() as session:
            return await usage_in(session, self._owner)

    async def check_room(self, name: str) -> None:
        """Raises QuotaError when nothing more may be kept, whatever its size: to be asked before long work."""
        if self._quota:
            self._quota.check(await self.usage(), more_bytes=1, name=name)

    async def _check_quota(self, session: AsyncSession, row: ArtifactRow) -> None:
        more = 0 if await has_file(session, self._owner, row.sha256) else row.bytes
        self._quota.check(await usage_in(session, self._owner), more_bytes=more, name=row.name)

    # -------------------------------------------------------------------------------------------------- reading

    async def get(self, id: str) -> ArtifactRef:  # noqa: A002 - what callers call it
        return _ref(await self._row(id))

    async def path(self, id: str) -> Path:  # noqa: A002 - what callers call it
        """The file, to be read and never written: other artifacts may share it. From a remote store it is fetched.

        Raises UnavailableError when that can't be reached.
        """
        row = await self._row(id)
        try:
            return await asyncio.to_thread(self._blobs.fetch, row.sha256, row.bytes)
        except FileNotFoundError as error:
            raise NotFoundError(f"The file of artifact {id!r} ({row.name}) is gone from the disk.") from error
        except OSError as error:
            raise disk_error(error, row.name) from error

    async def lineage(self, id: str) -> Lineage:  # noqa: A002 - what callers call it
        return Lineage.model_validate((await self._row(id)).lineage)

    async def graph(self, id: str, *, depth: int = 10) -> LineageGraph:  # noqa: A002 - what callers call it
        """What the artifact was made from and what was made of it, up to ``depth`` generations away."""
        await self._row(id)
        async with self._db.session() as session:
            return await lineage_graph(session, self._owner, id, depth=max(1, min(depth, MAX_DEPTH)))

    async def list(self, kind: ArtifactKind | None = None, limit: int = 100) -> tuple[ArtifactRef, ...]:
        """The newest first."""
        query = select(ArtifactRow).where(ArtifactRow.owner == self._owner)
        if kind is not None:
            query = query.where(ArtifactRow.kind == kind)
        async with self._db.session() as session:
            rows = await session.scalars(query.order_by(ArtifactRow.created_at.desc(), ArtifactRow.id).limit(limit))
            return tuple(_ref(row) for row in rows)

    async def find(self, start: str) -> ArtifactRef:
        """The artifact whose id begins so. Raises NotFoundError, and InputError where several do."""
        query = select(ArtifactRow).where(ArtifactRow.owner == self._owner)
        query = query.where(ArtifactRow.id.startswith(start, autoescape=True)).limit(2)
        async with self._db.session() as session:
            rows = (await session.scalars(query)).all()
        if len(rows) > 1 and start:
            raise InputError(f"Several artifacts begin with {start[:80]!r}.", fix="Write more of the id.")
        if not rows or not start:
            raise NotFoundError(f"There is no artifact {start[:80]!r}.", fix="See: sensorium artifacts list")
        return _ref(rows[0])

    async def needed_by(self, id: str) -> Needed:  # noqa: A002 - what callers call it
        """Who would miss it."""
        await self._row(id)
        async with self._db.session() as session:
            return await who_needs(session, self._owner, id)

    # ------------------------------------------------------------------------------------------------- removing

    async def delete(self, id: str) -> None:  # noqa: A002 - what callers call it
        """Forget the artifact, and remove its file when no other row names it."""
        row = await self._row(id)
        async with self._db.transaction() as session:
            await session.execute(delete(ArtifactRow).where(ArtifactRow.id == row.id, ArtifactRow.owner == self._owner))
        await self._remove_if_unnamed(row.sha256)

    async def remove_files(self, hashes: Collection[str]) -> None:
        """Remove those of these files (sha256) that no row names any more."""
        for sha256 in hashes:
            await self._remove_if_unnamed(sha256)

    async def collect(
        self, *, older_than: timedelta, also_kept: Collection[str] = (), dry_run: bool = False
    ) -> Collected:
        """Remove what nothing names and is older than that (see `memory.garbage`), and sweep. With ``dry_run`` only
        say what would go; files that have no artifact are not looked for then.
        """
        if dry_run:
            async with self._db.session() as session:
                rows = await find_unneeded(session, self._owner, older_than=older_than, also_kept=also_kept)
                freed = await freed_bytes(session, rows)
            return Collected(tuple(map(_ref, rows)), freed, 0)
        rows = await remove_unneeded(self._db, self._owner, older_than=older_than, also_kept=also_kept)
        files = {row.sha256: row.bytes for row in rows}
        removed = [size for sha256, size in files.items() if await self._remove_if_unnamed(sha256)]
        return Collected(tuple(map(_ref, rows)), sum(removed), await self.sweep())

    async def sweep(self) -> int:
        """Remove files that a crash left without a row, and uploads given up a day ago; say how many there were.

        Goes over the files of all owners, which share them.
        """
        removed = await asyncio.to_thread(self._blobs.remove_stale)
        for sha256 in await asyncio.to_thread(lambda: tuple(self._blobs.hashes())):
            if not await self._is_named(sha256):  # looked at first without keeping writers waiting
                removed += await self._remove_if_unnamed(sha256)
        return removed

    async def _remove_if_unnamed(self, sha256: str) -> bool:
        async with self._db.transaction() as session:
            await self._db.alone(session, f"file:{sha256}")
            if await _names(session, sha256):
                return False
            await asyncio.to_thread(self._blobs.remove, sha256)
            return True

    async def _is_named(self, sha256: str) -> bool:
        async with self._db.session() as session:
            return await _names(session, sha256)

    # -------------------------------------------------------------------------------------------------- helpers

    async def _row(self, artifact_id: str) -> ArtifactRow:
        query = select(ArtifactRow).where(ArtifactRow.id == artifact_id, ArtifactRow.owner == self._owner)
        async with self._db.session() as session:
            row = await session.scalar(query) if is_id(artifact_id) else None
        if row is None:
            raise NotFoundError(f"There is no artifact {artifact_id[:80]!r}.", fix="It may have been deleted.")
        return row


async def _names(session: AsyncSession, sha256: str) -> bool:
    """Whether anybody's row names the file."""
    return await session.scalar(select(ArtifactRow.id).where(ArtifactRow.sha256 == sha256).limit(1)) is not None


def _ref(row: ArtifactRow) -> ArtifactRef:
    return ArtifactRef.model_validate(row, from_attributes=True)
