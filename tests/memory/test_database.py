from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import stat
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from engines.errors import InputError, MissingExtraError, SensoriumError
from memory.chats import Chats
from memory.database import Database, prepare_file
from memory.tables import MessageRow, ThreadRow

WRITERS = """
import asyncio, json, sys
from datetime import UTC, datetime
from memory.chats import Chats
from memory.database import Database
from memory.event_log import EventLog
from memory.events import Event, MessageDelta

async def write(db, number):
    chats, log = Chats(db, "ada"), EventLog(db)
    await chats.ensure_thread("shared")
    for turn in range(5):
        run = await chats.start_run("shared", f"{sys.argv[2]} {number} {turn}", model="m")
        now = datetime.now(UTC)
        await log.append([Event(run_id=run.id, seq=n, at=now, body=MessageDelta(text="x")) for n in range(3)])
        await chats.messages("shared")
        await chats.finish_run(run.id, status="finished", answer="done")

async def main():
    db = await Database.open(sys.argv[1])
    await asyncio.gather(*(write(db, number) for number in range(20)))
    await db.close()
    print(json.dumps("wrote"))

asyncio.run(main())
"""


def thread_row(thread_id: str, when: datetime | None = None) -> ThreadRow:
    now = when or datetime.now(UTC)
    return ThreadRow(owner="ada", id=thread_id, title="", created_at=now, updated_at=now)


async def test_opening_makes_folder_file_and_tables_and_a_second_opening_finds_what_was_kept(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'new' / 'folder' / 'sensorium.db'}"
    first = await Database.open(url)
    async with first.transaction() as session:
        session.add(thread_row("work"))
    await first.close()

    second = await Database.open(url)
    async with second.session() as session:
        assert (await session.scalars(select(ThreadRow.id))).all() == ["work"]
    await second.close()


async def test_sqlite_runs_with_write_ahead_logging_a_busy_timeout_and_foreign_keys(sqlite_url: str):
    db = await Database.open(sqlite_url)
    async with db.session() as session:
        pragmas = [
            await session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "busy_timeout", "foreign_keys")
        ]
    await db.close()
    assert pragmas == ["wal", 30_000, 1]


async def test_a_row_that_refers_to_nothing_is_refused(db: Database):
    orphan = MessageRow(
        owner="ada", thread_id="no", run_id="no", role="user", text="", artifacts=[], created_at=datetime.now(UTC)
    )
    with pytest.raises(IntegrityError):
        async with db.transaction() as session:
            session.add(orphan)


async def test_a_transaction_that_fails_leaves_nothing(db: Database):
    async def fail_half_way() -> None:
        async with db.transaction() as session:
            session.add(thread_row("work"))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    async with db.session() as session:
        assert (await session.scalars(select(ThreadRow.id))).all() == []


async def test_a_cancelled_writer_leaves_nothing_and_lets_the_next_one_in(db: Database):
    inside = asyncio.Event()

    async def hang() -> None:
        async with db.transaction() as session:
            session.add(thread_row("cancelled"))
            await session.flush()
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with db.transaction() as session:
        session.add(thread_row("next"))
    async with db.session() as session:
        assert (await session.scalars(select(ThreadRow.id))).all() == ["next"]


async def test_writers_and_readers_cancelled_at_any_moment_leave_the_database_usable(db: Database):
    chance = random.Random(0)

    async def work(number: int) -> None:
        async with db.transaction() as session:
            session.add(thread_row(f"t{number}"))
        async with db.session() as session:
            await session.scalars(select(ThreadRow.id))

    async def cancel_soon(number: int) -> None:
        task = asyncio.create_task(work(number))
        await asyncio.sleep(chance.random() * 0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for start in range(0, 60, 6):
        await asyncio.gather(*(cancel_soon(number) for number in range(start, start + 6)))
    await work(1000)
    async with db.session() as session:
        assert "t1000" in (await session.scalars(select(ThreadRow.id))).all()


async def test_readers_do_not_wait_for_a_writer(db: Database):
    async with db.transaction() as writing:
        writing.add(thread_row("work"))
        await writing.flush()
        async with db.session() as reading:
            assert (await reading.scalars(select(ThreadRow.id))).all() == []


async def test_times_come_back_in_utc_whatever_zone_they_had(db: Database):
    noon = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    async with db.transaction() as session:
        session.add(thread_row("work", noon))
    async with db.session() as session:
        kept = await session.scalar(select(ThreadRow.created_at))
    assert kept == noon
    assert kept.utcoffset() == timedelta(0)


async def test_a_file_that_is_no_database_is_named_in_the_error(sqlite_url: str, tmp_path: Path):
    (tmp_path / "sensorium.db").write_bytes(b"certainly not SQLite" * 100)
    with pytest.raises(SensoriumError, match=r"sensorium\.db can't be opened: file is not a database"):
        await Database.open(sqlite_url)


async def test_a_folder_that_can_not_be_made_is_named_in_the_error(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SensoriumError, match="can't be opened"):
        await Database.open(f"sqlite:///{tmp_path / 'file' / 'sensorium.db'}")


@pytest.mark.parametrize(
    "url",
    ["nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "postgresql://h:x/", "postgresql+asyncpg://h"],
)
async def test_a_url_that_can_not_be_used_is_refused(url: str):
    with pytest.raises(InputError):
        await Database.open(url)


async def test_two_processes_with_twenty_writers_each_never_find_the_database_locked(url: str, start_python):
    processes = [start_python(WRITERS, url, name) for name in ("first", "second")]
    results = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in processes))
    assert [(json.loads(out or "null"), err) for out, err in results] == [("wrote", "")] * 2

    db = await Database.open(url)
    async with db.session() as session:
        counts = [
            await session.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("threads", "runs", "messages", "events")
        ]
    await db.close()
    assert counts == [1, 200, 400, 600]


async def test_a_driver_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sensorium\[postgres\]'"):
        await Database.open("postgresql://host/name")


async def test_a_server_that_is_not_there_is_named_without_its_password():
    with pytest.raises(SensoriumError, match="can't be opened") as caught:
        await Database.open("postgresql://ada:secret@127.0.0.1:1/name")
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_writers_that_are_cancelled_leave_the_file_unlocked(tmp_path: Path):
    path = tmp_path / "chats.db"

    def write_from_outside() -> None:
        with closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")

    database = await Database.open(f"sqlite:///{path}")
    try:
        chats = Chats(database, "ada")
        await chats.create_thread("work")
        for step in range(40):  # at every point of a transaction, more or less
            writers = [asyncio.create_task(chats.start_run("work", "Hello", model="m")) for _ in range(3)]
            await asyncio.sleep(0.0005 * step)
            for writer in writers:
                writer.cancel()
            await asyncio.wait(writers)
            await asyncio.to_thread(write_from_outside)
    finally:
        await database.close()


def test_nobody_else_reads_what_people_say(tmp_path: Path):
    file = tmp_path / "home" / "sensorium.db"
    prepare_file(file)
    assert (stat.S_IMODE(file.parent.stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o700, 0o600)
