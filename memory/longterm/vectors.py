"""Vectors in Chroma: in a folder that one process holds, or on a Chroma server.

Two processes that work in one Chroma folder don't see, and choke on, each other's rows. So whoever comes first holds
the folder until it closes; others are told (UnavailableError), find by words alone, and leave what they add to be
indexed by the holder, or by whoever comes next. A server (``chroma run``) is for many.

Vectors are always made by our own embedding models; Chroma is given none of its own, and its telemetry is off.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from engines.errors import UnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

#: Rows in one call to Chroma; it refuses more than some thousands.
PAGE = 500


class Vectors:
    """The vectors of everybody's memories. Every method takes an owner, and sees nothing of others.

    ``where`` is a folder, or a server's address. Nothing is opened before it is needed. All methods raise
    UnavailableError when another process holds the folder or the server does not answer.
    """

    def __init__(self, where: Path | str) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._client: Any = None
        self._collections: dict[str, Any] = {}
        # Taken in one thread, and given back in another.
        self._hold = FileLock(where / "holder.lock", thread_local=False) if isinstance(where, Path) else None

    async def put(self, collection: str, owner: str, ids: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Add or replace. ``rows`` has the shape (len(ids), dimensions)."""

        def put() -> None:
            at = self._collection(collection)
            for start in range(0, len(ids), PAGE):
                page = list(ids[start : start + PAGE])
                at.upsert(
                    ids=page,
                    embeddings=rows[start : start + PAGE].astype("float32"),
                    metadatas=[{"owner": owner} for _ in page],
                )

        await self._call(put)

    async def near(self, collection: str, owner: str, vector: NDArray[np.float32], limit: int) -> dict[str, float]:
        """The ids of the owner's ``limit`` nearest, and their cosine."""

        def near() -> dict[str, float]:
            found = self._collection(collection).query(
                query_embeddings=vector[None, :].astype("float32"),
                n_results=limit,
                where={"owner": owner},
                include=["distances"],
            )
            return {id_: 1 - distance for id_, distance in zip(found["ids"][0], found["distances"][0], strict=True)}

        return await self._call(near)

    async def drop(self, owner: str, ids: Sequence[str]) -> None:
        """Remove them from every collection."""

        def drop() -> None:
            for collection in self._all():
                for start in range(0, len(ids), PAGE):
                    collection.delete(ids=list(ids[start : start + PAGE]), where={"owner": owner})

        await self._call(drop)

    async def ids(self, owner: str) -> set[str]:
        """Everything of the owner's that has a vector somewhere."""

        def ids() -> set[str]:
            return {id_ for each in self._all() for id_ in each.get(where={"owner": owner}, include=[])["ids"]}

        return await self._call(ids)

    async def close(self) -> None:
        """Give the folder to others."""
        await asyncio.to_thread(self._close)

    async def start_over(self, owner: str) -> None:
        """Drop all the owner's vectors. A folder that can't be read any more is cleared: the rows have everything."""

        def drop() -> None:
            for collection in self._all():
                collection.delete(where={"owner": owner})

        try:
            await self._call(drop)
        except VectorsBrokenError:
            await asyncio.to_thread(self._clear)

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(self._guarded, work)

    def _guarded(self, work: Callable[[], T]) -> T:
        with self._lock:
            try:
                if self._client is None:
                    self._client = self._open()
                return work()
            except UnavailableError:
                raise
            except Exception as error:  # Chroma raises its own, its Rust core's, httpx's and ValueError alike
                self._collections.clear()
                if self._hold is None:
                    self._client = None
                    raise VectorsBrokenError(
                        f"The Chroma server at {_shown(str(self._where))} does not answer as it should: {error}.",
                        fix="Start it (chroma run --path FOLDER), or empty SENSORIUM_CHROMA_URL to use a folder.",
                    ) from error
                raise VectorsBrokenError(
                    f"The vectors in {self._where} can't be used: {error}.",
                    fix="Make them again: sensorium memory reindex",
                ) from error

    def _open(self) -> Any:
        if self._hold is None:
            return _connect(str(self._where))
        folder = Path(self._hold.lock_file).parent
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._hold.acquire(timeout=0)
        except Timeout as error:
            raise UnavailableError(
                "Another process of Sensorium holds the vectors of this home; memory is searched by words meanwhile.",
                fix="Close it, or share a Chroma server: SENSORIUM_CHROMA_URL.",
            ) from error
        import chromadb

        try:
            return chromadb.PersistentClient(str(folder / "chroma"), settings=_settings())
        except Exception:
            # Chroma keeps the half-built one under its path; it lets go of it when that fails to serve as a client.
            with suppress(Exception):
                chromadb.PersistentClient(str(folder / "chroma"), settings=_settings())
            raise

    def _collection(self, name: str) -> Any:
        if name not in self._collections:
            self._collections[name] = self._client.get_or_create_collection(
                name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
            )
        return self._collections[name]

    def _all(self) -> list[Any]:
        return [
            self._client.get_collection(each.name, embedding_function=None) for each in self._client.list_collections()
        ]

    def _close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None
            self._collections.clear()
            if self._hold is not None:
                self._hold.release()

    def _clear(self) -> None:
        self._close()
        if isinstance(self._where, Path):
            shutil.rmtree(self._where / "chroma", ignore_errors=True)


class VectorsBrokenError(UnavailableError):
    """Chroma failed: its folder is damaged, or its server is not there."""

    code = "vectors-broken"


def _connect(url: str) -> Any:
    import chromadb

    parts = urlsplit(url)
    is_https = parts.scheme == "https"
    port = parts.port or (443 if is_https else 80)
    return chromadb.HttpClient(parts.hostname or "", port, ssl=is_https, settings=_settings())


def _settings() -> Any:
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)


def _shown(url: str) -> str:
    """Without a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}" if parts.port else f"{parts.scheme}://{parts.hostname}"
