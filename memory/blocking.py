"""Engines for work that is done in a thread, in few transactions: migrating and pruning."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

#: How long a writer waits for writers of other processes.
BUSY_SECONDS = 30.0

_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}


def blocking_engine(url: URL) -> Engine:
    """An engine that keeps no connection. On SQLite each transaction takes the write lock when it begins."""
    engine = create_engine(url.set(drivername=_DRIVERS[url.get_backend_name()]), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, record: object) -> None:
    del record
    connection.isolation_level = None  # the driver begins no transactions of its own: `_on_begin` does
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    connection.execute("PRAGMA synchronous = NORMAL")


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
