"""The artifact store: pictures, sounds, videos and texts as files named by their sha256, and a row for each owner's.

The same bytes are stored once, whoever brings them: rows share a file, and it goes when its last row goes. A file is
put in place and removed inside the transaction that decides it, so two processes can't undo each other's work. A crash
may leave a file without a row, never a row without a file; `ArtifactStore.sweep` removes what a crash left.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from engines.errors import InputError, NotFoundError, SensoriumError
from engines.progress import Cancelled, CancelToken
from memory.artifact_types import ArtifactKind, ArtifactRef, Lineage
from memory.database import Database
from memory.names import safe_name
from memory.tables import ArtifactRow

_CHUNK = 1 << 20
_INCOMING = ".incoming"
_STALE_SECONDS = 86_400

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


@dataclass(frozen=True, slots=True)
class _Received:
    sha256: str
    bytes: int


class ArtifactStore:
    """One owner's artifacts. Another owner's raise NotFoundError, as if they were not there."""

    def __init__(self, db: Database, root: Path, owner: str, *, probe: Probe, max_bytes: int = 200_000_000) -> None:
        """``root`` is the folder of all owners' files; ``max_bytes`` is the size of the largest file taken."""
        self._db = db
        self._root = root
        self._owner = owner
        self._probe = probe
        self._max_bytes = max_bytes

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
        SensoriumError when the disk is full.
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
        incoming = self._root / _INCOMING / uuid4().hex
        cancel = CancelToken()
        try:
            received = await asyncio.to_thread(_receive, source, incoming, name, self._max_bytes, cancel)
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
            async with self._db.transaction() as session:
                await self._db.alone(session, f"file:{row.sha256}")
                await asyncio.to_thread(_put_in_place, incoming, self._file(row.sha256))
                session.add(row)
        except Exception as error:
            with suppress(Exception):  # the first error is the one to tell; a sweep would find the file too
                await self._remove_if_unnamed(row.sha256)
            if isinstance(error, OSError):
                raise _disk_error(error, row.name) from error
            raise

    # -------------------------------------------------------------------------------------------------- reading

    async def get(self, id: str) -> ArtifactRef:  # noqa: A002 - what callers call it
        return _ref(await self._row(id))

    async def path(self, id: str) -> Path:  # noqa: A002 - what callers call it
        """The file, to be read and never written: other artifacts may share it."""
        row = await self._row(id)
        path = self._file(row.sha256)
        if not await asyncio.to_thread(path.is_file):
            raise NotFoundError(f"The file of artifact {id!r} ({row.name}) is gone from the disk.")
        return path

    async def lineage(self, id: str) -> Lineage:  # noqa: A002 - what callers call it
        return Lineage.model_validate((await self._row(id)).lineage)

    async def list(self, kind: ArtifactKind | None = None, limit: int = 100) -> tuple[ArtifactRef, ...]:
        """The newest first."""
        query = select(ArtifactRow).where(ArtifactRow.owner == self._owner)
        if kind is not None:
            query = query.where(ArtifactRow.kind == kind)
        async with self._db.session() as session:
            rows = await session.scalars(query.order_by(ArtifactRow.created_at.desc(), ArtifactRow.id).limit(limit))
            return tuple(_ref(row) for row in rows)

    # ------------------------------------------------------------------------------------------------- removing

    async def delete(self, id: str) -> None:  # noqa: A002 - what callers call it
        """Forget the artifact, and remove its file when no other row names it."""
        row = await self._row(id)
        async with self._db.transaction() as session:
            await session.execute(delete(ArtifactRow).where(ArtifactRow.id == row.id, ArtifactRow.owner == self._owner))
        await self._remove_if_unnamed(row.sha256)

    async def sweep(self) -> int:
        """Remove files that a crash left without a row, and uploads given up a day ago; say how many there were.

        Goes over the files of all owners, which share them.
        """
        removed = await asyncio.to_thread(_remove_stale_uploads, self._root / _INCOMING)
        for sha256 in await asyncio.to_thread(_stored_hashes, self._root):
            if not await self._is_named(sha256):  # looked at first without keeping writers waiting
                removed += await self._remove_if_unnamed(sha256)
        return removed

    async def _remove_if_unnamed(self, sha256: str) -> bool:
        async with self._db.transaction() as session:
            await self._db.alone(session, f"file:{sha256}")
            path = self._file(sha256)
            if await _names(session, sha256) or not await asyncio.to_thread(path.is_file):
                return False
            await asyncio.to_thread(path.unlink)
            return True

    async def _is_named(self, sha256: str) -> bool:
        async with self._db.session() as session:
            return await _names(session, sha256)

    # -------------------------------------------------------------------------------------------------- helpers

    def _file(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256[2:]

    async def _row(self, artifact_id: str) -> ArtifactRow:
        query = select(ArtifactRow).where(ArtifactRow.id == artifact_id, ArtifactRow.owner == self._owner)
        async with self._db.session() as session:
            row = await session.scalar(query)
        if row is None:
            raise NotFoundError(f"There is no artifact {artifact_id[:80]!r}.", fix="It may have been deleted.")
        return row


async def _names(session: AsyncSession, sha256: str) -> bool:
    """Whether anybody's row names the file."""
    return await session.scalar(select(ArtifactRow.id).where(ArtifactRow.sha256 == sha256).limit(1)) is not None


def _stored_hashes(root: Path) -> tuple[str, ...]:
    return tuple(path.parent.name + path.name for path in root.glob("??/*") if len(path.name) == 62)


def _remove_stale_uploads(folder: Path) -> int:
    removed = 0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):  # it has just been put in place
            if path.stat().st_mtime < time.time() - _STALE_SECONDS:
                path.unlink()
                removed += 1
    return removed


def _receive(source: Callable[[], BinaryIO], target: Path, name: str, max_bytes: int, cancel: CancelToken) -> _Received:
    """Copy a stream to ``target``, safely on the disk, and hash it on the way. Leaves nothing when it fails."""
    try:
        stream = source()
    except OSError as error:
        raise InputError(f"{name} can't be read: {error.strerror}.", fix="Check the path.") from error
    try:
        with stream:
            return _copy(stream, target, name, max_bytes, cancel)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise _disk_error(error, name) from error
    except (InputError, Cancelled):
        target.unlink(missing_ok=True)
        raise


def _copy(stream: BinaryIO, target: Path, name: str, max_bytes: int, cancel: CancelToken) -> _Received:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        cancel.check()
        while chunk := stream.read(_CHUNK):
            cancel.check()
            size += len(chunk)
            if size > max_bytes:
                raise InputError(
                    f"{name} is larger than {max_bytes / 1e6:g} MB.", fix="Send a smaller file, or raise the limit."
                )
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return _Received(digest.hexdigest(), size)


def _put_in_place(incoming: Path, target: Path) -> None:
    """Whole or not at all. A file that is there already has the same bytes, or was damaged and is mended."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    incoming.replace(target)
    if os.name != "posix":  # elsewhere a folder can't be opened to have its entries written out
        return
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _disk_error(error: OSError, name: str) -> SensoriumError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SensoriumError(f"There is no room left on the disk to store {name}.", fix="Free some space.")
    return SensoriumError(f"{name} can't be stored: {error.strerror}.", fix="Check the data folder and its disk.")


def _ref(row: ArtifactRow) -> ArtifactRef:
    return ArtifactRef.model_validate(row, from_attributes=True)
