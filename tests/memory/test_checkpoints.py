from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict

import pytest
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


async def test_state_survives_closing_and_comes_back_as_the_same_types_without_warnings(tmp_path: Path, caplog):
    path = tmp_path / "new folder" / "checkpoints.db"
    with caplog.at_level(logging.WARNING):
        async with open_checkpointer(path, types=[Known]) as saver:
            await graph(saver).ainvoke({"values": VALUES}, config("ada:work"))
        async with open_checkpointer(path, types=[Known]) as saver:
            state = await graph(saver).aget_state(config("ada:work"))
    assert state.values["values"] == [*VALUES, "done"]
    assert caplog.messages == []


async def test_a_type_nobody_listed_comes_back_as_plain_data(tmp_path: Path):
    path = tmp_path / "checkpoints.db"
    async with open_checkpointer(path) as saver:
        await graph(saver).ainvoke({"values": [Unknown(text="hello")]}, config("t"))
    async with open_checkpointer(path) as saver:
        state = await graph(saver).aget_state(config("t"))
    assert state.values["values"] == [{"text": "hello"}, "done"]


async def test_it_uses_write_ahead_logging_and_waits_for_others(tmp_path: Path):
    path = tmp_path / "checkpoints.db"
    async with open_checkpointer(path) as saver:
        async with saver.conn.execute("PRAGMA busy_timeout") as cursor:
            assert await cursor.fetchone() == (30_000,)
        async with saver.conn.execute("PRAGMA journal_mode") as cursor:
            assert await cursor.fetchone() == ("wal",)


async def test_it_may_share_the_chat_databases_file_while_both_write(tmp_path: Path):
    path = tmp_path / "sensorium.db"
    async with open_checkpointer(path) as saver:
        db = await Database.open(f"sqlite:///{path}")
        chats = Chats(db, "ada")
        await asyncio.gather(
            *(graph(saver).ainvoke({"values": []}, config(f"t{number}")) for number in range(20)),
            *(chats.create_thread() for _ in range(20)),
        )
        assert len(await chats.threads()) == 20
        await db.close()


async def test_two_owners_threads_of_one_name_have_checkpoints_of_their_own(tmp_path: Path):
    async with open_checkpointer(tmp_path / "checkpoints.db") as saver:
        await graph(saver).ainvoke({"values": ["ada's"]}, config(checkpoint_thread("ada", "work")))
        state = await graph(saver).aget_state(config(checkpoint_thread("bob", "work")))
    assert state.values == {}


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "checkpoints.db"
    path.write_bytes(b"certainly not SQLite" * 100)
    with pytest.raises(SensoriumError, match="can't be opened"):
        async with open_checkpointer(path):
            pass


async def test_a_file_with_other_tables_of_those_names_is_refused(tmp_path: Path):
    path = tmp_path / "checkpoints.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIEW writes AS SELECT 1")
    with pytest.raises(SensoriumError, match="can't be opened"):
        async with open_checkpointer(path):
            pass
