"""The chat database: SQLite in one file by default, PostgreSQL by its URL.

SQLite lets one connection write at a time. Three habits keep ``database is locked`` away: write-ahead logging, so that
nobody waits for readers; transactions that write take the write lock when they *begin* (one that starts reading and
then writes fails at once if somebody wrote in between, whatever the busy timeout); and the writers of one
process queue up in it, in order, instead of racing for the file.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from engines.errors import InputError, MissingExtraError, SensoriumError
from engines.progress import to_the_end
from memory.blocking import BUSY_SECONDS
from memory.migrate import migrate

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_URL_HINT = "Write it like sqlite:///folder/sensorium.db or postgresql://user:password@host/name"


class _Undisturbed(AsyncSession):
    """A session whose statements end before a cancellation is raised.

    Interrupted in the middle of one, SQLAlchemy drops the connection without ending its transaction, and SQLite keeps
    the file locked until the last cursor of it has been collected.
    """

    async def connection(self, *args: Any, **options: Any) -> Any:
        return await to_the_end(super().connection(*args, **options))

    async def execute(self, *args: Any, **options: Any) -> Any:
        return await to_the_end(super().execute(*args, **options))

    async def scalar(self, *args: Any, **options: Any) -> Any:
        return await to_the_end(super().scalar(*args, **options))

    async def scalars(self, *args: Any, **options: Any) -> Any:
        return await to_the_end(super().scalars(*args, **options))

    async def get(self, *args: Any, **options: Any) -> Any:
        return await to_the_end(super().get(*args, **options))

    async def flush(self, *args: Any, **options: Any) -> None:
        await to_the_end(super().flush(*args, **options))

    async def commit(self) -> None:
        await to_the_end(super().commit())

    async def close(self) -> None:
        await to_the_end(super().close())


class Database:
    """An open database; one event loop uses it. Made by `Database.open`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._turn: AbstractAsyncContextManager[Any] = asyncio.Lock() if self._sqlite else nullcontext()
        self._reading = async_sessionmaker(engine, expire_on_commit=False)
        self._writing = async_sessionmaker(
            engine.execution_options(writes=True), class_=_Undisturbed, expire_on_commit=False
        )

    @classmethod
    async def open(cls, url: str) -> Database:
        """Open the database, making file and tables where there are none and migrating those of an earlier version.

        ``url`` as SQLAlchemy writes it: ``sqlite:///folder/sensorium.db``, ``postgresql://user@host/name``.
        Raises InputError for a URL that can't be used, SensoriumError for a database that can't be opened
        or migrated, or that a later version of the project made, MissingExtraError without the driver.
        """
        parsed = parse_url(url)
        where = parsed.render_as_string(hide_password=True)
        if parsed.get_backend_name() == "sqlite":
            where = str(parsed.database)
            await asyncio.to_thread(prepare_file, Path(where))
        engine = _make_engine(parsed)  # first: it knows which driver is missing
        try:
            await to_the_end(asyncio.to_thread(migrate, parsed, where))
        except DBAPIError as error:
            raise _cannot_open(where, error.orig) from error
        return cls(engine)

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """For reading: everything read in it is of one moment. What it writes is not kept."""
        async with self._reading() as session:
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """For writing: kept as a whole when the block ends well, or not at all.

        Keep it short: no model, no network and no large file inside. Raises SensoriumError when the database
        can't be written.
        """
        try:
            async with self._write() as session:
                yield session
        except OperationalError as error:
            raise SensoriumError(
                f"The database can't be written: {error.orig}.", fix="Look at the disk's free space and permissions."
            ) from error

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncSession]:
        async with self._turn:
            session = self._writing()
            try:
                await session.connection()  # begins now, not at the first statement: callers touch files in between
                yield session
                await session.commit()
            finally:
                await session.close()

    async def alone(self, session: AsyncSession, key: str) -> None:
        """Wait until no other transaction holds ``key``, and hold it to the end of this one.

        On SQLite a transaction that writes is alone anyway.
        """
        if not self._sqlite:
            await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": key})


def parse_url(url: str) -> URL:
    """With the driver this project uses. Raises InputError for a URL that can't be used."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise InputError("The database URL can't be read.", fix=_URL_HINT) from error
    if parsed.drivername not in _DRIVERS:
        raise InputError(f"{parsed.drivername} databases are not supported.", fix=_URL_HINT)
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InputError("The database URL names no file.", fix=_URL_HINT)
    return parsed


def _make_engine(url: URL) -> AsyncEngine:
    dumps = partial(json.dumps, separators=(",", ":"))
    try:
        engine = create_async_engine(url, json_serializer=dumps, pool_pre_ping=url.get_backend_name() != "sqlite")
    except ImportError as error:
        raise MissingExtraError(
            "PostgreSQL needs its driver, which is not installed.", fix="Run: pip install 'sensorium[postgres]'"
        ) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, record: object) -> None:
    del record
    connection.isolation_level = None  # the driver begins no transactions of its own: `_on_begin` does
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    cursor.execute("PRAGMA foreign_keys = ON")
    # With write-ahead logging this loses nothing when a process is killed; a power cut may cost the last moments.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    begin = "BEGIN IMMEDIATE" if connection.get_execution_options().get("writes", False) else "BEGIN"
    # Straight to the driver: one trip to its thread instead of three.
    driver: Any = connection.connection.dbapi_connection
    driver.run_async(lambda raw: raw.execute(begin))


def prepare_file(path: Path) -> None:
    """Make the file and turn write-ahead logging on, which stays with the file."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)  # what people say is for them alone; SQLite gives its other files the same mode
            with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except (OSError, sqlite3.Error) as error:
            # Two processes that make the file at the same moment: SQLite does not wait here.
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise _cannot_open(str(path), error) from error
            time.sleep(0.05)
    if mode != "wal":
        raise SensoriumError(
            f"{path} lies on a file system without shared memory, which SQLite needs for several processes.",
            fix="Put the data folder on a local disk, or use PostgreSQL.",
        )


def _cannot_open(where: str, reason: object) -> SensoriumError:
    return SensoriumError(
        f"The database {where} can't be opened: {reason}.",
        fix="Check its address and your permissions; a file that is no database must be moved away.",
    )
