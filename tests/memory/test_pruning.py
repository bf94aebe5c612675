"""What is dropped between the steps of turns that are over, and what must not be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels import DeltaChannel
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from sqlalchemy import MetaData

from memory.blocking import blocking_engine
from memory.checkpoints import checkpoints_url, open_checkpointer
from memory.pruning import prune

THREAD = "ada:work"
KEY = "00112233445566778899aabbccddeeff" * 2

DELTAS = {"words", "rare"}

#: Checkpoints of one whole turn: its input, and after the start, begin, three parts at once, and finish.
STEPS = 5


def join(old: Sequence[str], writes: Sequence[Any]) -> list[str]:
    return [*old, *(word for write in writes for word in write)]


class State(TypedDict, total=False):
    said: str
    words: Annotated[list[str], DeltaChannel(join, snapshot_frequency=7)]
    rare: Annotated[list[str], DeltaChannel(join, snapshot_frequency=1000)]
    parts: Annotated[list[str], add]


def finish(state: State) -> dict[str, Any]:
    if "ask" in state["said"]:
        return {"words": [interrupt("Shall I?")]}
    if "break" in state["said"]:
        raise ZeroDivisionError
    return {"words": [f"answer to {state['said']}"], "rare": ["end"]}


def graph(saver: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("begin", lambda state: {"words": [state["said"]], "rare": ["begin"]})
    # Parallel steps write one delta channel: their order is part of the value.
    builder.add_node("part", lambda state: {"words": [state["which"]], "parts": [state["which"]]})
    builder.add_node("finish", finish)
    builder.add_edge(START, "begin")

    def said(state: Any) -> list[Send]:
        return [Send("part", {"which": f"{state['said']}.{n}"}) for n in (3, 1, 2)]

    builder.add_conditional_edges("begin", said, ["part"])
    builder.add_edge("part", "finish")
    builder.add_edge("finish", END)
    return builder.compile(checkpointer=saver)


def config(thread: str = THREAD, checkpoint: str | None = None) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread} | ({"checkpoint_id": checkpoint} if checkpoint else {})}


async def say(app: Any, said: str, where: dict[str, Any] | None = None) -> str:
    """One turn; the id of its newest checkpoint."""
    await app.ainvoke({"said": said}, where or config(), durability="sync")
    return str((await app.aget_state(config())).config["configurable"]["checkpoint_id"])


async def ids(saver: Any, thread: str = THREAD) -> set[str]:
    return {found.config["configurable"]["checkpoint_id"] async for found in saver.alist(config(thread))}


def parts(said: str) -> list[str]:
    """In no order: parallel steps take that of their tasks' ids."""
    return [f"{said}.{n}" for n in (1, 2, 3)]


async def value(app: Any, checkpoint: str) -> dict[str, Any]:
    return dict((await app.aget_state(config(checkpoint=checkpoint))).values)


@pytest.fixture(params=[None, KEY], ids=["clear", "encrypted"])
async def saver(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Any]:
    async with open_checkpointer(url, key=request.param) as opened:
        yield opened


def lasting(state: dict[str, Any]) -> dict[str, Any]:
    """Without what only the turn itself needed."""
    return {name: each for name, each in state.items() if name != "said"}


class Pruner:
    def __init__(self, url: str, saver: Any) -> None:
        self._url, self._saver = checkpoints_url(url), saver

    async def __call__(self, thread: str = THREAD) -> int:
        serde = self._saver.serde
        return await asyncio.to_thread(prune, self._url, thread, serde, deltas=DELTAS, lasting={"parts"})


@pytest.fixture
def tidy(url: str, saver: Any) -> Pruner:
    return Pruner(url, saver)


async def test_of_each_turn_two_checkpoints_stay_and_what_outlives_it_is_what_it_was(saver: Any, tidy: Pruner):
    app = graph(saver)
    ends = [await say(app, f"m{turn}") for turn in range(12)]
    before = [await value(app, end) for end in ends]
    assert len(before[-1]["words"]) == 12 * 5

    assert await tidy() == 12 * (STEPS - 2)
    assert [await value(app, end) for end in ends] == [*map(lasting, before[:-1]), before[-1]]
    left = await ids(saver)
    assert len(left) == 12 * 2
    assert left >= set(ends)
    assert await tidy() == 0


async def test_pruning_after_each_turn_changes_nothing_of_the_conversation(saver: Any, tidy: Pruner):
    app = graph(saver)
    said: list[str] = []
    for turn in range(10):
        end = await say(app, f"m{turn}")
        before = await value(app, end)
        await tidy()
        assert await value(app, end) == before
        assert before["words"][: len(said)] == said  # nothing of earlier turns is lost, or comes twice
        assert sorted(before["words"][len(said) :]) == sorted([f"m{turn}", f"answer to m{turn}", *parts(f"m{turn}")])
        said = before["words"]
    assert before["rare"] == ["begin", "end"] * 10


async def test_a_conversation_is_taken_up_again_from_any_earlier_turn(saver: Any, tidy: Pruner):
    app = graph(saver)
    ends = [await say(app, f"m{turn}") for turn in range(4)]
    await tidy()
    past, whole = await value(app, ends[1]), await value(app, ends[3])
    branch = await say(app, "other", config(checkpoint=ends[1]))
    branched = await value(app, branch)
    assert branched["words"][: len(past["words"])] == past["words"]
    assert sorted(branched["words"][len(past["words"]) :]) == sorted(["other", "answer to other", *parts("other")])
    await tidy()
    left = (await value(app, branch), await value(app, ends[1]), await value(app, ends[3]))
    assert left == (branched, past, whole)  # that of the newest turn, which nobody has gone on from, is whole
    further = await say(app, "more")
    assert (await value(app, further))["words"][: len(branched["words"])] == branched["words"]


async def test_what_was_changed_from_outside_stays(saver: Any, tidy: Pruner):
    app = graph(saver)
    await say(app, "m0")
    await app.aupdate_state(config(), {"words": ["put in"]}, as_node="finish")
    end = await say(app, "m1")
    before = await value(app, end)
    await tidy()
    assert await value(app, end) == before
    assert "put in" in before["words"]


async def test_a_turn_that_waits_for_somebody_keeps_all_of_its_checkpoints_and_goes_on(saver: Any, tidy: Pruner):
    app = graph(saver)
    await say(app, "m0")
    await say(app, "ask me")
    whole = await ids(saver)
    assert await tidy() == STEPS - 2  # the first turn's
    assert len(whole - await ids(saver)) == STEPS - 2
    await app.ainvoke(Command(resume="yes"), config(), durability="sync")
    after = (await app.aget_state(config())).values
    assert after["words"][-1] == "yes"
    assert sorted(after["words"][-4:-1]) == parts("ask me")
    assert await tidy() > 0
    assert (await app.aget_state(config())).values == after


async def test_a_turn_that_broke_can_be_gone_on_with(saver: Any, tidy: Pruner):
    app = graph(saver)
    await say(app, "m0")
    with pytest.raises(ZeroDivisionError):
        await say(app, "break")
    before = (await app.aget_state(config())).values
    await tidy()
    assert (await app.aget_state(config())).values == before
    assert (await app.aget_state(config())).next == ("finish",)
    end = await say(app, "m1")
    whole = await value(app, end)
    await tidy()
    assert await value(app, end) == whole


async def test_pruning_beside_a_turn_that_runs_changes_nothing_of_it(saver: Any, tidy: Pruner):
    app = graph(saver)
    said: list[str] = []
    for turn in range(6):
        end, *_ = await asyncio.gather(say(app, f"m{turn}"), *(tidy() for _ in range(3)))
        now = await value(app, end)
        assert now["words"][: len(said)] == said
        assert sorted(now["words"][len(said) :]) == sorted([f"m{turn}", f"answer to m{turn}", *parts(f"m{turn}")])
        said = now["words"]
    await tidy()
    assert (await value(app, end))["words"] == said
    assert (await value(app, end))["rare"] == ["begin", "end"] * 6


async def test_other_conversations_are_left_alone(saver: Any, tidy: Pruner):
    app = graph(saver)
    await say(app, "m0")
    await app.ainvoke({"said": "hers"}, config("bob:work"), durability="sync")
    theirs = await ids(saver, "bob:work")
    await tidy()
    assert await ids(saver, "bob:work") == theirs


async def test_no_value_and_no_write_is_left_that_nobody_names(saver: Any, tidy: Pruner, url: str):
    app = graph(saver)
    for turn in range(5):
        await say(app, f"m{turn}")
    await tidy()
    left = await ids(saver)
    with blocking_engine(checkpoints_url(url)).begin() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        tables = metadata.tables
        writes = tables["writes" if "writes" in tables else "checkpoint_writes"]
        rows = connection.execute(writes.select()).mappings().all()
        assert {row["channel"] for row in rows} == {"words", "rare"}
        assert {row["checkpoint_id"] for row in rows} <= left
        if "checkpoint_blobs" in tables:
            blobs = {
                (r["channel"], r["version"]) for r in connection.execute(tables["checkpoint_blobs"].select()).mappings()
            }
            named = [
                row["checkpoint"]["channel_versions"]
                for row in connection.execute(tables["checkpoints"].select()).mappings()
            ]
            assert blobs <= {pair for versions in named for pair in versions.items()}


async def test_an_unknown_conversation_is_no_error(tidy: Pruner):
    assert await tidy("nobody:nothing") == 0
