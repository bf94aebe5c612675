from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

from engines.errors import SensoriumError
from memory.artifact_types import ArtifactRef, Lineage
from memory.chats import Chats
from memory.checkpoints import checkpoint_thread, open_checkpointer
from memory.database import Database
from memory.events import PlannedStep, Receipt, Usage


class State(TypedDict, total=False):
    values: list[Any]


class Known(BaseModel):
    text: str


class Unknown(BaseModel):
    text: str


def graph(saver: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("work", lambda state: {"values": [*state["values"], "done"]})
    builder.add_edge(START, "work")
    builder.add_edge("work", END)
    return builder.compile(checkpointer=saver)


def config(thread_id: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread_id}}


VALUES = [
    ArtifactRef(id="a", kind="image", mime="image/png", name="a.png", bytes=3, sha256="0" * 64),
    Lineage(tool="upload", models=({"id": "m"},), parents=("a",)),
    PlannedStep(id="$1", tool="t", args={"x": 1}),
    Receipt(tool="t", model="m", title="M", licence="MIT"),
    Usage(prompt_tokens=3),
    Known(text="hello"),
]


async def test_state_survives_closing_and_comes_back_as_the_same_types_without_warnings(url: str, caplog):
    with caplog.at_level(logging.WARNING):
        async with open_checkpointer(url, types=[Known]) as saver:
            await graph(saver).ainvoke({"values": VALUES}, config("ada:work"))
        async with open_checkpointer(url, types=[Known]) as saver:
            state = await graph(saver).aget_state(config("ada:work"))
    assert state.values["values"] == [*VALUES, "done"]
    assert caplog.messages == []


@pytest.mark.parametrize("key", [None, "ab" * 32])
async def test_what_was_said_twice_is_stored_once(sqlite_url: str, tmp_path: Path, key: str | None):
    said = ["The same again and again, word for word."] * 500
    async with open_checkpointer(sqlite_url, key=key) as saver:
        await graph(saver).ainvoke({"values": said}, config("t"))
        assert (await graph(saver).aget_state(config("t"))).values["values"] == [*said, "done"]
    with closing(sqlite3.connect(tmp_path / "checkpoints.db")) as connection:
        (longest,) = connection.execute("SELECT max(length(checkpoint)) FROM checkpoints").fetchone()
    assert longest < 1_500


async def test_checkpoints_that_langgraphs_own_serializer_wrote_are_read(sqlite_url: str, tmp_path: Path):
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as theirs:
        await graph(theirs).ainvoke({"values": ["before" * 100]}, config("t"))
    async with open_checkpointer(sqlite_url) as saver:
        assert (await graph(saver).aget_state(config("t"))).values["values"] == ["before" * 100, "done"]


async def test_a_type_nobody_listed_comes_back_as_plain_data(url: str):
    async with open_checkpointer(url) as saver:
        await graph(saver).ainvoke({"values": [Unknown(text="hello")]}, config("t"))
    async with open_checkpointer(url) as saver:
        state = await graph(saver).aget_state(config("t"))
    assert state.values["values"] == [{"text": "hello"}, "done"]


async def test_on_sqlite_it_uses_write_ahead_logging_and_waits_for_others(sqlite_url: str):
    async with open_checkpointer(sqlite_url) as saver:
        async with saver.conn.execute("PRAGMA busy_timeout") as cursor:
            assert await cursor.fetchone() == (30_000,)
        async with saver.conn.execute("PRAGMA journal_mode") as cursor:
            assert await cursor.fetchone() == ("wal",)


HERE: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1"}}
WRITING: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "aput": lambda saver: saver.aput(HERE, empty_checkpoint(), {}, {}),
    "aput_writes": lambda saver: saver.aput_writes(HERE, [("values", ["done"])], "task"),
    "adelete_thread": lambda saver: saver.adelete_thread("t"),
}


@pytest.mark.parametrize("write", WRITING.values(), ids=WRITING)
async def test_on_sqlite_a_step_cancelled_before_its_commit_leaves_the_file_unlocked(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Any], Awaitable[Any]]
):
    def write_from_outside() -> None:
        with closing(sqlite3.connect(tmp_path / "checkpoints.db", timeout=5, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")

    async with open_checkpointer(sqlite_url) as saver:
        written, go_on = asyncio.Event(), asyncio.Event()
        commit = saver.conn.commit

        async def commit_later() -> None:
            written.set()
            await go_on.wait()
            await commit()

        monkeypatch.setattr(saver.conn, "commit", commit_later)
        step = asyncio.ensure_future(write(saver))
        await written.wait()
        step.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait([step])
        assert step.cancelled()
        await asyncio.to_thread(write_from_outside)


async def test_chats_and_checkpoints_are_written_side_by_side(url: str):
    async with open_checkpointer(url) as saver:
        db = await Database.open(url)
        chats = Chats(db, "ada")
        await asyncio.gather(
            *(graph(saver).ainvoke({"values": []}, config(f"t{number}")) for number in range(20)),
            *(chats.create_thread() for _ in range(20)),
        )
        assert len(await chats.threads()) == 20
        await db.close()


async def test_processes_that_begin_at_the_same_moment_make_the_tables_once(url: str, start_python):
    code = """
import asyncio, sys
from memory.checkpoints import open_checkpointer

async def main():
    async with open_checkpointer(sys.argv[1]):
        pass

asyncio.run(main())
"""
    processes = [start_python(code, url) for _ in range(3)]
    results = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in processes))
    assert [error for _, error in results] == [""] * 3


async def test_two_owners_threads_of_one_name_have_checkpoints_of_their_own(url: str):
    async with open_checkpointer(url) as saver:
        await graph(saver).ainvoke({"values": ["ada's"]}, config(checkpoint_thread("ada", "work")))
        state = await graph(saver).aget_state(config(checkpoint_thread("bob", "work")))
    assert state.values == {}


async def test_a_file_that_is_no_database_is_refused(sqlite_url: str, tmp_path: Path):
    (tmp_path / "checkpoints.db").write_bytes(b"certainly not SQLite" * 100)
    with pytest.raises(SensoriumError, match="can't be opened"):
        async with open_checkpointer(sqlite_url):
            pass


async def test_a_file_with_other_tables_of_those_names_is_refused(sqlite_url: str, tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "checkpoints.db")) as connection:
        connection.execute("CREATE VIEW writes AS SELECT 1")
    with pytest.raises(SensoriumError, match="can't be opened"):
        async with open_checkpointer(sqlite_url):
            pass


async def test_a_server_that_is_not_there_is_named_without_its_password():
    with pytest.raises(SensoriumError, match=r"127\.0\.0\.1.*can't be opened") as caught:
        async with open_checkpointer("postgresql://ada:secret@127.0.0.1:1/name"):
            pass
    assert "secret" not in str(caught.value)
