"""Databases of earlier versions are brought up, or left exactly as they were."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from engines.errors import SensoriumError
from memory.artifacts import ArtifactStore
from memory.blobs import LocalBlobs
from memory.chats import Chats
from memory.database import Database
from memory.event_log import EventLog
from memory.migrate import migrate
from memory.tables import Base
from memory.usage import UsageLog

FIXTURES = Path(__file__).with_name("fixtures")
REVISIONS = Path(__file__).parents[2] / "memory" / "migrations"

ONE_MORE = """
from alembic import op
revision = "9999"
down_revision = "{head}"

def upgrade():
    op.execute("DELETE FROM messages")
    op.execute("CREATE TABLE half_way (id INTEGER)")
    op.execute("{last_statement}")
"""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    parsed = make_url(url)
    driver = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}[parsed.get_backend_name()]
    engine = create_engine(parsed.set(drivername=driver), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def everything(url: str) -> dict[str, list[Any]]:
    """Every row of every table there is."""
    with connected(url) as connection:
        metadata = Base.metadata.__class__()
        metadata.reflect(connection)
        return {
            name: sorted(map(repr, connection.execute(table.select()).all()))
            for name, table in sorted(metadata.tables.items())
        }


@pytest.fixture
def first_release(url: str) -> str:
    """A database that the first release made and used."""
    return make_first_release(url)


def make_first_release(url: str) -> str:
    name = make_url(url).get_backend_name()
    with connected(url) as connection:
        for file in (f"first_release_{name}.sql", "first_release_rows.sql"):
            for statement in (FIXTURES / file).read_text("utf-8").split(";\n"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
    return url


def revisions_and_one_more(folder: Path, *, last_statement: str) -> Path:
    """The project's own revisions and one that ends in ``last_statement``."""
    shutil.copytree(REVISIONS, folder)
    newest = max((REVISIONS / "versions").glob("r*.py")).name[1:5]
    (folder / "versions" / "r9999_more.py").write_text(ONE_MORE.format(head=newest, last_statement=last_statement))
    return folder


def copies(folder: Path) -> list[Path]:
    return list(folder.glob("sensorium.db.version-*"))


def set_revision(url: str, revision: str) -> None:
    with connected(url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def head(url: str) -> str:
    with connected(url) as connection:
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


async def test_a_database_of_the_first_release_is_migrated_with_everything_in_it(first_release: str, tmp_path: Path):
    db = await Database.open(first_release)
    chats = Chats(db, "ada")
    assert [(thread.id, thread.title) for thread in await chats.threads()] == [("work", "Cut the cat out")]
    assert [(m.id, m.text, m.artifacts) for m in await chats.messages("work")] == [
        (1, "Cut the cat out", ("a1",)),
        (2, "Here it is.", ("a3",)),
    ]
    runs = await chats.runs("work")
    assert [(run.id, run.status, run.parent_run) for run in runs] == [("r1", "finished", None), ("r2", "failed", None)]
    assert runs[1].error == {"code": "interrupted", "message": "Stopped.", "fix": ""}
    assert [event.type for event in await EventLog(db, "ada").read("r1")] == ["message.delta", "run.finished"]
    store = ArtifactStore(db, LocalBlobs(tmp_path), "ada", probe=None)
    assert [ref.id for ref in await store.list()] == ["a3", "a2", "a1"]
    assert (await store.lineage("a3")).parents == ("a1", "a2", "gone")
    graph = await store.graph("a3")
    calls = {edge.source for edge in graph.edges if edge.target == "a3"}
    assert sorted(edge.source for edge in graph.edges if edge.target in calls) == ["a1", "a2", "gone"]
    (used,) = await UsageLog(db, "ada").of_run("r1")
    assert (used.model, used.prompt_tokens, used.completion_tokens, used.seconds) == ("small", 120, 7, 55.0)
    assert (used.cost, used.created_at) == (None, datetime(2026, 1, 2, 3, 5, tzinfo=UTC))
    assert await UsageLog(db, "ada").of_run("r2") == []
    await db.close()


async def test_a_migrated_database_has_the_very_tables_of_a_new_one(first_release: str):
    await (await Database.open(first_release)).close()
    assert differences(first_release) == []


async def test_the_tables_and_the_revisions_agree(url: str):
    await (await Database.open(url)).close()
    assert differences(url) == []


def differences(url: str) -> list[Any]:
    with connected(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [found for found in compare_metadata(context, Base.metadata) if found[1].name != "alembic_version"]


async def test_tables_of_others_are_no_obstacle_and_stay(url: str):
    with connected(url) as connection:
        connection.execute(text("CREATE TABLE checkpoints (thread_id TEXT)"))
        connection.execute(text("INSERT INTO checkpoints VALUES ('theirs')"))
    await (await Database.open(url)).close()
    assert everything(url)["checkpoints"] == ["('theirs',)"]


async def test_a_database_of_a_later_version_is_refused_and_left_as_it_is(url: str):
    await (await Database.open(url)).close()
    set_revision(url, "7777")
    before = everything(url)
    with pytest.raises(SensoriumError, match=r"tables are of version 7777, this program's are of version 0"):
        await Database.open(url)
    assert everything(url) == before


async def test_an_early_database_of_an_unknown_version_is_refused_and_left_as_it_is(first_release: str):
    with connected(first_release) as connection:
        connection.execute(text("UPDATE schema_version SET version = 3"))
    before = everything(first_release)
    with pytest.raises(SensoriumError, match="tables are of version 3"):
        await Database.open(first_release)
    assert everything(first_release) == before


async def test_tables_without_a_version_are_refused(url: str):
    with connected(url) as connection:
        connection.execute(text("CREATE TABLE threads (id TEXT)"))
    with pytest.raises(SensoriumError, match="version unknown"):
        await Database.open(url)


@pytest.mark.parametrize(
    "last_statement",
    ["SELECT nonsense", "INSERT INTO events SELECT 'no such run', seq, at, type, body FROM events"],
)
def test_a_migration_that_fails_or_breaks_a_reference_leaves_the_database_as_it_was(
    first_release: str, tmp_path: Path, last_statement: str
):
    before = everything(first_release)
    revisions = revisions_and_one_more(tmp_path / "revisions", last_statement=last_statement)
    with pytest.raises(SensoriumError, match="from version 0001 to 9999"):
        migrate(make_url(first_release), "The database", revisions=revisions)
    assert everything(first_release) == before
    assert copies(tmp_path) == []


async def test_a_sqlite_file_is_copied_aside_before_it_is_changed_and_not_again(sqlite_url: str, tmp_path: Path):
    make_first_release(sqlite_url)
    before = everything(sqlite_url)
    for _ in range(2):
        await (await Database.open(sqlite_url)).close()
    (copy,) = copies(tmp_path)
    assert everything(f"sqlite:///{copy}") == before


async def test_a_new_sqlite_file_is_not_copied(sqlite_url: str, tmp_path: Path):
    await (await Database.open(sqlite_url)).close()
    assert copies(tmp_path) == []


async def test_a_copy_that_finds_no_room_stops_the_migration(sqlite_url: str, tmp_path: Path, monkeypatch):
    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    make_first_release(sqlite_url)
    before = everything(sqlite_url)
    monkeypatch.setattr("memory.migrate.shutil.copymode", full)
    with pytest.raises(SensoriumError, match=r"copied aside.*No space left"):
        await Database.open(sqlite_url)
    assert everything(sqlite_url) == before
    assert copies(tmp_path) == []


async def test_processes_that_start_at_the_same_moment_migrate_once(first_release: str, start_python, tmp_path: Path):
    code = "import asyncio, sys; from memory.database import Database; asyncio.run(Database.open(sys.argv[1]))"
    processes = [start_python(code, first_release) for _ in range(3)]
    results = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in processes))
    assert [error for _, error in results] == [""] * 3
    assert len(copies(tmp_path)) == first_release.startswith("sqlite")


async def test_many_openings_at_once_in_one_process_are_one_after_the_other(url: str):
    databases = await asyncio.gather(*(Database.open(url) for _ in range(4)))
    await asyncio.gather(*(database.close() for database in databases))
    assert differences(url) == []
