"""Where LangGraph keeps the state of a run between its steps: its own savers, on SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL

from engines.errors import MissingExtraError, SensoriumError
from engines.progress import to_the_end
from memory.artifact_types import ArtifactRef, Lineage
from memory.blocking import BUSY_SECONDS
from memory.database import parse_url, prepare_file
from memory.events import PlannedStep, Receipt, Usage

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.checkpoint.serde.base import SerializerProtocol

#: Types of this floor that may stand in a graph's state.
_TYPES: tuple[type, ...] = (ArtifactRef, Lineage, PlannedStep, Receipt, Usage)

#: One operation of the saver at a time has a connection: the rest is for what the server closes.
_CONNECTIONS = 2

#: Two processes must not make the tables at the same moment.
_MAKING_TABLES = "SELECT pg_try_advisory_lock(hashtext('checkpoint tables'))"


def checkpoint_thread(owner: str, thread_id: str) -> str:
    """LangGraph's ``thread_id`` of a conversation: two owners may both have one called ``work``."""
    return f"{owner}:{thread_id}"


def checkpoints_url(database_url: str) -> URL:
    """Where the checkpoints of a chat database are: on SQLite in a file beside it, which keeps the writers of the two
    out of each other's way. Raises InputError for a URL that can't be used.
    """
    url = parse_url(database_url)
    if url.get_backend_name() == "sqlite":
        return url.set(database=str(Path(str(url.database)).with_name("checkpoints.db")))
    return url


@asynccontextmanager
async def open_checkpointer(
    database_url: str, *, types: Iterable[type] = (), key: str | None = None
) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """LangGraph's own saver for the chat database of that URL, ready to use.

    A checkpoint may hold plain data, messages and objects of ``types`` and of this module's; anything else
    comes back as the plain data it was made of, because a checkpoint must not be able to name code to run.
    With a ``key`` (64 hexadecimal digits) what is stored is encrypted.
    Raises SensoriumError for what can't be opened, or can't be read with that key.
    """
    from memory.compact import CompactSerializer
    from memory.sealing import with_key

    allowed = [(type_.__module__, type_.__name__) for type_ in (*_TYPES, *types)]
    serde = with_key(CompactSerializer(allowed_msgpack_modules=allowed), key)
    url = checkpoints_url(database_url)
    opened = _open_sqlite if url.get_backend_name() == "sqlite" else _open_postgres
    async with opened(url, serde) as saver:
        yield saver


@asynccontextmanager
async def _open_sqlite(url: URL, serde: SerializerProtocol) -> AsyncIterator[BaseCheckpointSaver[str]]:
    import aiosqlite
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    from memory.sealing import check_key

    class Saver(AsyncSqliteSaver):
        """Cancelled between a statement and its commit, it would keep the file locked for all other processes."""

        async def aput(self, *args: Any, **options: Any) -> Any:
            return await to_the_end(super().aput(*args, **options))

        async def aput_writes(self, *args: Any, **options: Any) -> None:
            await to_the_end(super().aput_writes(*args, **options))

        async def adelete_thread(self, thread_id: str) -> None:
            await to_the_end(super().adelete_thread(thread_id))

    path = Path(str(url.database))
    await asyncio.to_thread(prepare_file, path)
    async with aiosqlite.connect(path, timeout=BUSY_SECONDS) as connection:
        await connection.execute("PRAGMA synchronous = NORMAL")
        saver = Saver(connection, serde=serde)
        try:
            await saver.setup()
            async with connection.execute("SELECT type, checkpoint FROM checkpoints LIMIT 1") as cursor:
                stored = await cursor.fetchone()
        except sqlite3.Error as error:
            raise _cannot_open(str(path), error) from error
        check_key(serde, (stored[0], stored[1]) if stored else None)
        yield saver


@asynccontextmanager
async def _open_postgres(url: URL, serde: SerializerProtocol) -> AsyncIterator[BaseCheckpointSaver[str]]:
    try:
        import psycopg
        from psycopg.rows import dict_row
        from psycopg_pool import AsyncConnectionPool
    except ImportError as error:
        raise MissingExtraError(
            "PostgreSQL needs its driver, which is not installed.", fix="Run: pip install 'sensorium[postgres]'"
        ) from error
    from memory.sealing import check_key

    address = url.set(drivername="postgresql")
    pool: Any = AsyncConnectionPool(
        address.render_as_string(hide_password=False),
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        min_size=1,
        max_size=_CONNECTIONS,
        open=False,
        check=AsyncConnectionPool.check_connection,
    )
    try:
        async with await psycopg.AsyncConnection.connect(pool.conninfo, autocommit=True) as connection:
            saver = _postgres_saver(pool, serde)
            await pool.open()
            await _alone(connection)
            await saver.setup()
            found = await connection.execute("SELECT type, blob FROM checkpoint_blobs WHERE type <> 'empty' LIMIT 1")
            stored: Any = await found.fetchone()
    except psycopg.Error as error:
        await pool.close()
        raise _cannot_open(address.render_as_string(hide_password=True), str(error).strip()) from error
    try:
        check_key(serde, stored)
        yield saver
    finally:
        await pool.close()


async def _alone(connection: Any) -> None:
    """Until the connection is closed. Asks again and again: one that waits would keep the other's index from being
    made.
    """
    while True:
        (is_ours,) = await (await connection.execute(_MAKING_TABLES)).fetchone()
        if is_ours:
            return
        await asyncio.sleep(0.1)


def _postgres_saver(pool: Any, serde: SerializerProtocol) -> Any:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    from memory.sealing import Sealed, SealingSerializer

    class SealedSaver(AsyncPostgresSaver):
        """Texts and numbers of the state go through the serializer too, instead of into a JSON column."""

        async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
            plain = {k: Sealed(v) for k, v in checkpoint["channel_values"].items() if _is_plain(v)}
            checkpoint = {**checkpoint, "channel_values": {**checkpoint["channel_values"], **plain}}
            # Those that have not changed were written in clear, if there was no key yet.
            versions = {k: v for k, v in checkpoint["channel_versions"].items() if k in plain}
            return await super().aput(config, checkpoint, metadata, {**versions, **new_versions})

    saver = SealedSaver if isinstance(serde, SealingSerializer) else AsyncPostgresSaver
    return saver(pool, serde=serde)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _cannot_open(where: str, reason: object) -> SensoriumError:
    return SensoriumError(
        f"The checkpoints in {where} can't be opened: {reason}.", fix="Check the address and your permissions."
    )
