"""Brings a database to this program's tables before anything is served, or refuses and changes nothing.

The revisions are in `memory/migrations/versions`, one file each. All that a database lacks are applied in one
transaction, on SQLite too, and by one process: others that start at the same moment wait for it.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from engines.errors import SensoriumError
from memory.blocking import blocking_engine

_REVISIONS = Path(__file__).with_name("migrations")
_FIRST_RELEASE = "0001"
_ITS_TABLES = {"threads", "runs", "messages", "events", "artifacts", "schema_version"}
_ITS_VERSION = 1

#: Alembic's `op` and `context` are one for the whole process.
_ONE_AT_A_TIME = threading.Lock()


def migrate(url: URL, where: str, *, revisions: Path = _REVISIONS) -> None:
    """Apply the revisions that the database lacks. Blocking. ``where`` names it in errors.

    A SQLite file that holds something is copied aside first; the copy stays beside it, named after its revision.
    Raises SensoriumError for a database that another version made, or when a revision fails: then it is as it was.
    """
    with _ONE_AT_A_TIME, blocking_engine(url).begin() as connection:
        _bring_up(connection, _config(connection, revisions), url, where)


def _bring_up(connection: Connection, config: Config, url: URL, where: str) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('schema'))"))
    script = ScriptDirectory.from_config(config)
    known = [revision.revision for revision in script.walk_revisions()]  # the newest first
    found, is_stamped = _found_revision(connection)
    if found == known[0]:
        return
    if found is not None and found not in known:
        raise SensoriumError(
            f"{where} was made by another version of Sensorium: its tables are of version {found}, "
            f"this program's are of version {known[0]}.",
            fix="Start the version that made it, or move it away to begin with an empty one.",
        )
    copy = _copy_aside(Path(str(url.database)), found, where) if is_sqlite and found else None
    try:
        if found and not is_stamped:
            command.stamp(config, found)
        command.upgrade(config, "head")
        if is_sqlite:
            _check_references(connection)
    except Exception as error:
        if copy:  # nothing has changed, so nobody needs it
            copy.unlink()
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise SensoriumError(
            f"{where} could not be brought from version {found or 'nothing'} to {known[0]}: {reason}.",
            fix="It is as it was before. Start the version that made it, and report this.",
        ) from error


def _found_revision(connection: Connection) -> tuple[str | None, bool]:
    """The database's revision, None for an empty one, and whether Alembic's table says so."""
    (*_, stamped) = (None, *MigrationContext.configure(connection).get_current_heads())
    if stamped:
        return stamped, True
    # Other tables may stand beside ours: LangGraph's checkpoints do, when they are kept in the same place.
    tables = set(inspect(connection).get_table_names()) & _ITS_TABLES
    if not tables:
        return None, False
    version = connection.scalar(text("SELECT version FROM schema_version")) if "schema_version" in tables else None
    return (_FIRST_RELEASE if version == _ITS_VERSION else "unknown" if version is None else str(version)), False


def _copy_aside(path: Path, revision: str, where: str) -> Path:
    """A copy of the file as it was committed last; writers are kept out by the caller's transaction."""
    now = datetime.now(UTC)
    copy = path.with_name(f"{path.name}.version-{revision}-{now:%Y%m%dT%H%M%S%f}")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        shutil.copymode(path, copy)
    except (OSError, sqlite3.Error) as error:
        copy.unlink(missing_ok=True)
        raise SensoriumError(
            f"{where} can't be copied aside before its tables are changed: {error}.",
            fix="Free as much space as the file takes, and start again.",
        ) from error
    return copy


def _check_references(connection: Connection) -> None:
    """SQLite checks no reference while tables are changed."""
    if broken := connection.execute(text("PRAGMA foreign_key_check")).first():
        raise ValueError(f"a row of {broken[0]} refers to a row of {broken[2]} that is not there")


def _config(connection: Connection, revisions: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(revisions).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
