"""What a turn leaves in memory, and what later turns make of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from homes import events_of, scripted_app, turn, types, upload

import graphs.keeper
from agent.app import App
from memory.events import MemoryRecalled, RunFailed, RunFinished, ToolFailed

MOVED = {
    "when": "I live in Berlin",
    "answer": "Nice.",
    "memories": [{"fact": "The user lives in Berlin.", "kind": "fact", "about": "user"}],
}
MOVED_AGAIN = {
    "when": "I moved to Porto",
    "answer": "Oh!",
    "memories": [{"fact": "The user lives in Porto.", "kind": "fact", "about": "user"}],
}
REPLACES = {"when": "Old: The user lives in Berlin.\nNew: The user lives in Porto.", "relation": "replaces"}
WHERE = {"when": "Where do I live", "answer": "{memory}"}
KEEP = {
    "when": "Remember that the bins",
    "calls": [{"tool": "remember", "text": "the bins go out on Thursday"}],
    "answer": "{results}",
}
DROP = {"when": "Forget about", "calls": [{"tool": "forget", "text": "the bins"}], "answer": "{results}"}
QUICK = {"when": "Quick one", "answer": "Good."}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Without any model's weights: memory works by words."""
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def embedding_model(weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_MODELS_DIR", str(weights("minilm-l6-v2").parent))


@pytest.fixture
async def app(home: Path) -> AsyncIterator[App]:
    async with scripted_app(home, [REPLACES, MOVED, MOVED_AGAIN, WHERE, KEEP, DROP]) as opened:
        yield opened


async def remembered(app: App, **options: Any) -> list[str]:
    await app.keeper.drain()
    return [memory.text for memory in await app.memories.page(**options)]


def answer(events: list[Any]) -> str:
    assert isinstance(events[-1].body, RunFinished), events[-1].body
    return events[-1].body.answer


async def test_what_a_user_tells_of_themselves_is_known_in_another_conversation(app: App) -> None:
    await turn(app, "I live in Berlin now.")
    assert await remembered(app) == ["The user lives in Berlin."]
    events = await turn(app, "Where do I live?", thread="another")
    recalled = [event.body for event in events if isinstance(event.body, MemoryRecalled)]
    assert recalled[0].items[0].startswith("The user lives in Berlin. (told on ")
    assert "The user lives in Berlin." in answer(events)
    assert types(events).index("memory.recalled") < types(events).index("plan.made")


async def test_memory_keeps_where_and_when_it_learned_something(app: App) -> None:
    events = await turn(app, "I live in Berlin now.", thread="talk")
    await app.keeper.drain()
    (memory,) = await app.memories.page()
    assert (memory.run_id, memory.thread_id, memory.origin) == (events[0].run_id, "talk", "turn")
    assert memory.said_at == (await app.chats.run(events[0].run_id)).created_at


@pytest.mark.models
@pytest.mark.usefixtures("embedding_model")
async def test_what_changed_supersedes_what_was_and_is_recalled_alone(home: Path) -> None:
    async with scripted_app(home, [REPLACES, MOVED, MOVED_AGAIN, WHERE]) as app:
        await turn(app, "I live in Berlin now.")
        await app.keeper.drain()
        await turn(app, "I moved to Porto last week.")
        assert await remembered(app) == ["The user lives in Porto."]
        assert await remembered(app, superseded=True) == ["The user lives in Berlin.", "The user lives in Porto."]
        assert "Berlin" not in answer(await turn(app, "Where do I live?"))


async def test_a_turn_that_says_nothing_of_anybody_is_not_read(app: App) -> None:
    await turn(app, "What is the capital of Norway?")
    assert not await app.keeper.waits()
    assert await remembered(app) == []


async def test_remember_and_forget_work_in_chat(app: App) -> None:
    assert "Kept in memory: the bins go out on Thursday" in answer(await turn(app, "Remember that the bins go out."))
    (kept,) = await app.memories.page()
    assert kept.origin == "asked"
    assert "Deleted from memory: the bins go out on Thursday" in answer(await turn(app, "Forget about the bins."))
    assert await remembered(app) == []


async def test_forgetting_what_is_not_known_says_so_and_forgets_nothing(app: App) -> None:
    await turn(app, "I live in Berlin now.")
    await app.keeper.drain()
    events = await turn(app, "Forget about the bins.")
    assert isinstance(events[-1].body, RunFailed)
    assert any(isinstance(event.body, ToolFailed) and event.body.code == "not-found" for event in events)
    assert await app.memories.count() == 1


async def test_deleting_a_conversation_takes_what_was_learned_in_it_along(app: App) -> None:
    await turn(app, "I live in Berlin now.", thread="talk")
    await app.keeper.drain()
    await app.eraser.thread("talk")
    assert await app.memories.count() == 0


async def test_a_conversation_that_is_deleted_while_it_is_read_leaves_nothing(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, deleted = asyncio.Event(), asyncio.Event()

    async def facts_of(*_: object) -> list[dict[str, str]]:
        reading.set()
        await deleted.wait()
        return [{"fact": "The user is ill.", "kind": "fact", "about": "user"}]

    monkeypatch.setattr(graphs.keeper, "facts_of", facts_of)
    await turn(app, "I live in Berlin now.", thread="talk")
    await reading.wait()
    await app.eraser.thread("talk")
    deleted.set()
    assert await remembered(app) == []
    assert not await app.keeper.waits()


async def test_a_picture_is_remembered_by_its_name_and_offered_to_a_later_plan(app: App) -> None:
    await turn(app, "What do you think of the cat on our sofa?", "chelsea.jpg", thread="one")
    await app.keeper.drain()
    (memory,) = await app.memories.page()
    assert memory.kind == "picture"
    assert memory.text.startswith("chelsea.jpg: a picture the user showed.")
    events = await turn(app, "Where is the photo of the cat on the sofa?", thread="two")
    recalled = next(event.body for event in events if isinstance(event.body, MemoryRecalled))
    assert "chelsea.jpg" in recalled.items[0]


async def test_a_remembered_picture_goes_when_the_picture_goes(app: App) -> None:
    (artifact,) = await upload(app, "chelsea.jpg")
    info = await app.agent.start("Look at my cat", thread_id="talk", attachments=[artifact])
    await events_of(app, info.id)
    await app.keeper.drain()
    assert await app.memories.count() == 1
    await app.artifacts.delete(artifact)
    assert await app.memories.count() == 0
    assert await app.memories.search("my cat") == []


async def test_reading_gives_way_to_a_turn_and_goes_on_afterwards(app: App) -> None:
    await turn(app, "I live in Berlin now.")
    app.keeper.pause()
    await turn(app, "What is the capital of Norway?")
    assert await remembered(app) == ["The user lives in Berlin."]


async def test_what_a_shutdown_left_unread_is_read_after_the_next_start(home: Path) -> None:
    async with scripted_app(home, [QUICK]) as app:
        run_id = (await app.agent.start("Quick one", thread_id="talk")).id
        await events_of(app, run_id)
        app.keeper.pause()
        await app.agent._parts.unread.note(run_id)  # as if its reading had been cut off
        assert await app.keeper.waits()
    async with scripted_app(home, [MOVED]) as again:
        assert await again.keeper.waits()
        await again.keeper.drain()
        assert not await again.keeper.waits()


async def test_a_model_that_can_not_be_read_from_is_given_up_after_three_tries(home: Path) -> None:
    broken = {**MOVED, "memories": [{"fact": "x"}]}  # not what the schema asks for
    async with scripted_app(home, [broken]) as app:
        await turn(app, "I live in Berlin now.")
        for _ in range(3):
            assert await app.memories.count() == 0
            await app.keeper.drain()
        assert not await app.keeper.waits()


@pytest.mark.parametrize(
    "bad",
    [KeyError("memories"), [{"fact": "The user is ill.", "kind": "fact", "about": "n" * 256}], [{"fact": "x"}]],
    ids=["an error", "a name too long", "half a fact"],
)
async def test_a_turn_that_can_not_be_read_is_given_up_and_keeps_no_other_from_being_read(
    app: App, bad: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def facts_of(message: str, _: object) -> Any:
        if "Berlin" not in message:
            return [{"fact": "The user has a dog.", "kind": "fact", "about": "user"}]
        if isinstance(bad, Exception):
            raise bad
        return bad

    monkeypatch.setattr(graphs.keeper, "facts_of", facts_of)
    events = await turn(app, "I live in Berlin now.")
    await turn(app, "I have a dog, by the way.")
    for _ in range(3):
        assert await remembered(app) == ["The user has a dog."]
    assert not await app.keeper.waits()
    told = [record.getMessage() for record in caplog.records if record.name == "graphs.keeper"]
    assert all(events[0].run_id in message for message in told)
    assert [message.count("given up") for message in told][-1] == 1
