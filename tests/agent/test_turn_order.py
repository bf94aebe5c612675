"""What happens to a turn that waits while others come before it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from homes import events_of, turn, types
from scripted_chat import write_script

from agent.app import Answer, App, open_app
from memory.events import RunFailed
from memory.turn_locks import TurnLocks

JUDGE = {"when": "Judge", "calls": [{"tool": "analyze_sentiment", "text": "one"}], "answer": "Judged."}
HELLO = {"when": "Hello", "answer": "Hello, I am Sensorium."}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models_dir: Path) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_MODELS_DIR", str(models_dir))
    monkeypatch.setenv("SENSORIUM_APPROVAL", json.dumps({"analyze_sentiment": "ask"}))
    write_script(tmp_path, [JUDGE, HELLO])
    return tmp_path


async def failure(app: App, run_id: str) -> RunFailed:
    last = (await events_of(app, run_id))[-1].body
    assert isinstance(last, RunFailed)
    return last


async def test_a_message_that_comes_while_its_conversation_is_deleted_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app() as app:
        await turn(app, "Hello", thread="work")
        forget, following = app.memories.forget_thread, list[asyncio.Task[RunFailed]]()

        async def say_something_first(thread_id: str) -> None:
            late = await app.agent.start("Hello, my secret is 4711", thread_id=thread_id)
            following.append(asyncio.create_task(failure(app, late.id)))
            await asyncio.sleep(0.1)
            await forget(thread_id)

        monkeypatch.setattr(app.memories, "forget_thread", say_something_first)
        await app.eraser.thread("work")
        assert "has been deleted" in (await following[0]).message
        assert await app.agent.state("work") == {}


async def test_an_answer_that_another_message_has_overtaken_is_refused(home: Path) -> None:
    async with open_app() as app:
        asked = await app.agent.start("Judge this", thread_id="work")
        async for event in app.agent.events(asked.id):
            if event.type == "approval.required":
                break
        async with TurnLocks(home / "locks").of("work"):
            hello = await app.agent.start("Hello", thread_id="work")
            await app.agent.approve(asked.id, {"*": Answer(action="approve")})
        assert types(await events_of(app, hello.id))[-1] == "run.finished"
        assert "has gone on since" in (await failure(app, asked.id)).message
        log = types(await events_of(app, asked.id))
        assert log[log.index("approval.answered") :] == ["approval.answered", "run.failed"]
