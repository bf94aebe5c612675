"""Where the bytes of artifacts lie: files named by their sha256, in a local folder or in a store that fsspec reaches.

Every method of `Blobs` blocks. A file is brought in two steps, because a database transaction decides whether it is
kept and must be short: `prepare` does what takes long, before the transaction; `keep` is quick, inside it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_STALE_SECONDS = 86_400


class Blobs(Protocol):
    """Files by sha256 (64 hex digits). All owners share them."""

    @property
    def incoming(self) -> Path:
        """The local folder that new files are written to before they are brought in."""
        ...

    def prepare(self, incoming: Path, sha256: str) -> None:
        """What takes long about bringing a file in. Raises OSError, or UnavailableError for a store out of reach."""
        ...

    def keep(self, incoming: Path, sha256: str) -> bool:
        """Bring the prepared file in, whole or not at all; quick. A damaged file of that name is mended.

        False: somebody removed it since `prepare`, which is to be called again.
        """
        ...

    def fetch(self, sha256: str, size: int) -> Path:
        """A local file with the bytes, to be read and never written; ``size`` is how many there are.

        Raises FileNotFoundError when it is not there, UnavailableError when the store is out of reach.
        """
        ...

    def remove(self, sha256: str) -> None:
        """No error when it is not there."""
        ...

    def hashes(self) -> Iterator[str]:
        """Of every file that is kept."""
        ...

    def remove_stale(self) -> int:
        """Remove what was begun a day ago and never brought in; say how many files that was."""
        ...


class LocalBlobs:
    """A folder. Files are put in place by one rename, written out to the disk, and read where they lie."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def incoming(self) -> Path:
        return self._root / ".incoming"

    def prepare(self, incoming: Path, sha256: str) -> None:
        """The file lies on the same disk already."""

    def keep(self, incoming: Path, sha256: str) -> bool:
        """A file that is there already has the same bytes, or was damaged and is mended."""
        put_in_place(incoming, self._file(sha256))
        return True

    def fetch(self, sha256: str, size: int) -> Path:
        del size
        path = self._file(sha256)
        if not path.is_file():
            raise FileNotFoundError(sha256)
        return path

    def remove(self, sha256: str) -> None:
        self._file(sha256).unlink(missing_ok=True)

    def hashes(self) -> Iterator[str]:
        return (path.parent.name + path.name for path in self._root.glob("??/*") if len(path.name) == 62)

    def remove_stale(self) -> int:
        return remove_older(self.incoming, _STALE_SECONDS)

    def _file(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256[2:]


def put_in_place(incoming: Path, target: Path) -> None:
    """By one rename that survives a power cut: ``target`` is whole or not there."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    incoming.replace(target)
    if os.name != "posix":  # elsewhere a folder can't be opened to have its entries written out
        return
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_older(folder: Path, seconds: float) -> int:
    """Remove the folder's files that nobody has written to for so long; say how many there were."""
    removed = 0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):  # it has just been put in place
            if path.stat().st_mtime < time.time() - seconds:
                path.unlink()
                removed += 1
    return removed
