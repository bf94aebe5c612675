"""Artifacts' bytes in a store that fsspec reaches: S3 and what speaks its protocol, or any other by its URL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from engines.errors import InputError, MissingExtraError, SensoriumError, UnavailableError
from memory.blob_cache import BlobCache
from memory.blobs import Blobs, LocalBlobs

_CHUNK = 1 << 20


def open_blobs(url: str | None, folder: Path, cache: BlobCache, *, endpoint: str | None = None) -> Blobs:
    """The files at ``url``; None: in the local ``folder``. ``endpoint`` is the address of a server that speaks S3's
    protocol; credentials come from the usual AWS environment.

    Nothing is asked of a store yet. Raises InputError for a URL that can't be used, MissingExtraError without the
    package that reaches it.
    """
    if url is None:
        return LocalBlobs(folder)
    import fsspec  # type: ignore[import-untyped] # it ships no types

    scheme = url.partition("://")[0]
    options: dict[str, Any] = {"skip_instance_cache": True}
    if scheme in ("s3", "s3a"):
        options |= {"use_listings_cache": False} | ({"endpoint_url": endpoint} if endpoint else {})
    try:
        system, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        extra = "'sensorium[s3]'" if scheme in ("s3", "s3a") else f"'fsspec[{scheme}]'"
        raise MissingExtraError(
            f"Artifacts are to be kept at {scheme}://, but the package that reaches it is not installed.",
            fix=f"Run: pip install {extra}",
        ) from error
    except (ValueError, TypeError) as error:
        raise InputError(
            f"Artifacts can't be kept at {url!r}: {error}.", fix="Write it like s3://bucket/folder."
        ) from error
    if not root.strip("/"):
        raise InputError(f"{url!r} names no bucket or folder.", fix="Write it like s3://bucket/folder.")
    return LocalBlobs(Path(root)) if scheme in ("file", "local") else RemoteBlobs(system, root, cache)


class RemoteBlobs:
    """``root`` of an fsspec file system. What is read is read from a local, checked copy.

    A file is uploaded before the transaction that decides about it, which only looks whether it is still there: so
    nobody waits for an upload, and a file that is removed in between is uploaded again.
    """

    def __init__(self, system: Any, root: str, cache: BlobCache) -> None:
        self._system = system
        self._root = root.rstrip("/")
        self._cache = cache

    @property
    def incoming(self) -> Path:
        return self._cache.incoming

    def prepare(self, incoming: Path, sha256: str) -> None:
        """Upload it, unless it is there. One of another size is what an upload left that broke off: it is replaced."""
        with self._reaching():
            if self._size(sha256) != incoming.stat().st_size:
                self._system.put_file(str(incoming), self._key(sha256))
        self._cache.trim()

    def keep(self, incoming: Path, sha256: str) -> bool:
        with self._reaching():
            if self._size(sha256) != incoming.stat().st_size:
                return False
        self._cache.put(incoming, sha256)
        return True

    def fetch(self, sha256: str, size: int) -> Path:
        def download(file: BinaryIO) -> None:
            with self._reaching():
                try:
                    with self._system.open(self._key(sha256), "rb") as stored:
                        shutil.copyfileobj(stored, file, _CHUNK)
                except FileNotFoundError as error:
                    raise _Gone(sha256) from error

        try:
            return self._cache.get(sha256, size, download)
        except _Gone as error:
            raise FileNotFoundError(sha256) from error

    def remove(self, sha256: str) -> None:
        with self._reaching(), suppress(FileNotFoundError):
            self._system.rm_file(self._key(sha256))
        self._cache.drop(sha256)

    def hashes(self) -> Iterator[str]:
        with self._reaching():
            try:
                found = self._system.find(self._root)
            except FileNotFoundError:
                found = ()
        for key in found:
            folder, _, name = key.rpartition("/")
            if len(name) == 62 and len(start := folder.rpartition("/")[2]) == 2:
                yield start + name

    def remove_stale(self) -> int:
        self._cache.trim()
        return self._cache.remove_stale()

    def _key(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256[2:]}"

    def _size(self, sha256: str) -> int | None:
        """In bytes; None when it is not there."""
        try:
            return int(self._system.info(self._key(sha256))["size"])
        except FileNotFoundError:
            return None

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Each kind of store has errors of its own, and they share no base class."""
        try:
            yield
        except (SensoriumError, _Gone):
            raise
        except Exception as error:
            raise UnavailableError(
                f"The artifacts' store at {self._root} can't be used: {_first_line(error)}.",
                fix="Check SENSORIUM_ARTIFACTS_URL, SENSORIUM_ARTIFACTS_ENDPOINT, the credentials and the network.",
            ) from error


class _Gone(Exception):
    """The store has no such file; told apart from a missing local one."""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
