"""Checkpoints encrypted at rest: nothing of them in clear, and clear errors about keys."""

from __future__ import annotations

import sys
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from sqlalchemy import MetaData

from engines.errors import InputError, MissingExtraError, MissingSettingError, SensoriumError
from memory.blocking import blocking_engine
from memory.checkpoints import checkpoints_url, open_checkpointer
from memory.sealing import with_key

KEY = "00112233445566778899aabbccddeeff" * 2
OTHER = "ff" * 32
SECRET = "the cat is in the cellar"


class State(TypedDict, total=False):
    message: str
    answer: str
    number: int
    facts: list[str]


def graph(saver: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("work", lambda state: {"answer": f"Yes: {state['message']}", "facts": [SECRET]})
    builder.add_node("rest", lambda state: {"number": 7})
    builder.add_edge(START, "work")
    builder.add_edge("work", "rest")
    builder.add_edge("rest", END)
    return builder.compile(checkpointer=saver)


def config() -> dict[str, Any]:
    return {"configurable": {"thread_id": "ada:work"}}


async def converse(url: str, key: str | None) -> None:
    async with open_checkpointer(url, key=key) as saver:
        await graph(saver).ainvoke({"message": SECRET}, config())


def stored(url: str) -> str:
    """Every column of every row of the savers' tables."""
    with blocking_engine(checkpoints_url(url)).begin() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        rows = [row for table in metadata.tables.values() for row in connection.execute(table.select())]
    return " ".join(
        bytes(part).decode("latin-1") if isinstance(part, bytes) else repr(part) for r in rows for part in r
    )


async def test_with_a_key_nothing_of_the_state_is_stored_in_clear_and_it_comes_back(url: str):
    await converse(url, KEY)
    assert SECRET not in stored(url)
    async with open_checkpointer(url, key=KEY) as saver:
        values = (await graph(saver).aget_state(config())).values
    assert values == {"message": SECRET, "answer": f"Yes: {SECRET}", "number": 7, "facts": [SECRET]}


async def test_without_a_key_it_is(url: str):
    await converse(url, None)
    assert SECRET in stored(url)


async def test_what_was_stored_before_there_was_a_key_is_still_read_and_goes_on(url: str):
    await converse(url, None)
    async with open_checkpointer(url, key=KEY) as saver:
        app = graph(saver)
        assert (await app.aget_state(config())).values["message"] == SECRET
        await app.aupdate_state(config(), {"number": 8}, as_node="rest")
        values = (await app.aget_state(config())).values
    assert values == {"message": SECRET, "answer": f"Yes: {SECRET}", "number": 8, "facts": [SECRET]}


async def test_a_key_that_is_missing_or_another_one_is_told_when_it_is_opened(url: str):
    await converse(url, KEY)
    with pytest.raises(MissingSettingError, match="no key to read them with"):
        await converse(url, None)
    with pytest.raises(SensoriumError, match="encrypted with another key"):
        await converse(url, OTHER)


@pytest.mark.parametrize("key", ["secret", "00", "zz" * 32, KEY + "00"])
async def test_a_key_that_is_none_is_refused_and_not_quoted(sqlite_url: str, key: str):
    with pytest.raises(InputError, match="not 64 hexadecimal digits") as caught:
        await converse(sqlite_url, key)
    assert key not in str(caught.value).replace("SENSORIUM_CHECKPOINT_KEY", "").replace("rand", "").replace("64", "")


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    monkeypatch.setitem(sys.modules, "Crypto.Cipher", None)
    with pytest.raises(MissingExtraError, match=r"sensorium\[encryption\]"):
        with_key(JsonPlusSerializer(), KEY)
