"""Local copies of files that lie elsewhere: whatever was used last, up to a size."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from filelock import FileLock

from engines.errors import SensoriumError
from memory.blobs import put_in_place, remove_older

_STALE_SECONDS = 86_400

#: Writes the bytes of one file into the stream.
Download = Callable[[BinaryIO], None]


class BlobCache:
    """Files named by their sha256, checked when they come in. Several processes may share the folder."""

    def __init__(self, folder: Path, *, max_bytes: int, in_use_seconds: float = 3600) -> None:
        """``max_bytes`` may be passed for a while: a file used in the last ``in_use_seconds`` is never removed, because
        somebody may be about to read it.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._in_use_seconds = in_use_seconds

    @property
    def incoming(self) -> Path:
        return self._folder / ".incoming"

    def get(self, sha256: str, size: int, download: Download) -> Path:
        """The file, fetched when it is not here or has another size than it must have.

        Raises what ``download`` raises, OSError, and SensoriumError for bytes that are not those of ``sha256``.
        """
        path = self._file(sha256)
        if self._is_here(path, size):
            return path
        self.incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(self._folder / f".lock-{sha256[:2]}"):  # who waits finds the file that the other has fetched
            if not self._is_here(path, size):
                self._fetch(path, sha256, download)
        self.trim()
        return path

    def put(self, incoming: Path, sha256: str) -> None:
        """Take in a file that is about to be used here; it is moved. Quick: it does not look whether it fits."""
        put_in_place(incoming, self._file(sha256))

    def drop(self, sha256: str) -> None:
        self._file(sha256).unlink(missing_ok=True)

    def trim(self) -> None:
        """Remove what was used longest ago until the rest fits."""
        files = []
        for path in self._folder.glob("??/*"):
            with suppress(FileNotFoundError):  # another process trims too
                about = path.stat()
                files.append((about.st_mtime, about.st_size, path))
        excess = sum(size for _, size, _ in files) - self._max_bytes
        unused_since = time.time() - self._in_use_seconds
        for used, size, path in sorted(files):
            if excess <= 0 or used > unused_since:
                return
            path.unlink(missing_ok=True)
            excess -= size

    def remove_stale(self) -> int:
        return remove_older(self.incoming, _STALE_SECONDS)

    def _is_here(self, path: Path, size: int) -> bool:
        try:
            if path.stat().st_size != size:
                return False
            os.utime(path)  # used now
        except FileNotFoundError:  # not here, or just removed by another process
            return False
        return True

    def _fetch(self, path: Path, sha256: str, download: Download) -> None:
        unfinished = self.incoming / uuid4().hex
        try:
            with unfinished.open("xb") as file:
                download(file)
            with unfinished.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise SensoriumError(
                    f"The stored file {sha256[:12]}… is damaged: its bytes have the sha256 {found[:12]}….",
                    fix="Restore it from a backup, or delete the artifact and bring the file in again.",
                )
            put_in_place(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _file(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256[2:]
