"""A run that was interrupted goes on: whatever killed it, and wherever it stood."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from counting_judge import add_counting_judge, entries
from dying_turn import run_and_die
from homes import events_of, types
from processes import sensorium
from scripted_chat import write_script

from agent.app import App, open_app
from engines.errors import ConflictError
from memory.events import Event, RunFinished, ToolFinished, ToolStarted

JUDGE: dict[str, Any] = {
    "when": "Judge",
    "calls": [
        {"tool": "analyze_sentiment", "text": "one"},
        {"tool": "analyze_sentiment", "text": "two"},
        {"tool": "analyze_sentiment", "text": "$1"},
    ],
    "answer": "All is said.",
}
MIXED: dict[str, Any] = {
    "when": "Judge",
    "calls": [{"tool": "analyze_sentiment", "text": "one"}, {"tool": "analyze_sentiment", "text": "wait"}],
    "answer": "All is said.",
}
MESSAGE = "Judge these: one, two, wait"
HELLO = {"when": "Hello", "answer": "Hello, I am Sensorium."}

#: Every place where a turn of two waves can be cut: before a node's work, and between it and its checkpoint.
BOUNDARIES = [
    (node, time, moment)
    for node, time in [
        ("ingest", 1),
        ("recall", 1),
        ("switch", 1),
        ("plan", 1),
        ("approve", 1),
        ("reflect", 1),
        ("act", 1),
        ("act", 2),
        ("reflect", 2),
        ("act", 3),
        ("reflect", 3),
        ("respond", 1),
        ("remember", 1),
        ("condense", 1),
        ("end", 1),
    ]
    for moment in ("entering", "leaving")
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    return tmp_path


def prepared(home: Path, *rules: dict[str, Any]) -> Path:
    write_script(home, list(rules))
    return add_counting_judge(home)


async def only_run(app: App) -> str:
    (run,) = await app.chats.runs("talk")
    return run.id


def assert_whole(events: list[Event]) -> None:
    """Numbered without gaps, begun and ended once, and no call has ended twice."""
    assert [event.seq for event in events] == list(range(len(events)))
    assert types(events)[0] == "run.started"
    assert [event.type for event in events if event.is_terminal] == ["run.finished"]
    ended = [event.body.call_id for event in events if isinstance(event.body, ToolFinished)]
    assert len(ended) == len(set(ended)) == 3


@pytest.mark.parametrize(("node", "time", "moment"), BOUNDARIES)
async def test_killed_at_any_boundary_a_run_goes_on_and_repeats_no_finished_step(
    home: Path, node: str, time: int, moment: str
) -> None:
    diary = prepared(home, JUDGE)
    await asyncio.to_thread(run_and_die, home, MESSAGE, "talk", node, time, moment)
    before = entries(diary)
    async with open_app() as app:
        run_id = await only_run(app)
        if (await app.chats.run(run_id)).status == "interrupted":
            logged = [event async for event in app.agent.events(run_id)]
            done = {event.body.call_id for event in logged if isinstance(event.body, ToolFinished)}
            assert (await app.agent.resume(run_id)).id == run_id
            events = await events_of(app, run_id)
            started_again = {
                event.body.call_id for event in events[len(logged) :] if isinstance(event.body, ToolStarted)
            }
            assert not done & started_again
        else:  # its last event had been logged: nothing was left to do
            assert (node, moment) in {("end", "entering"), ("end", "leaving")}
            events = await events_of(app, run_id)
        assert_whole(events)
        assert isinstance(events[-1].body, RunFinished)
        assert events[-1].body.answer == "All is said."
        assert [m.text for m in await app.chats.messages("talk")] == [MESSAGE, "All is said."]
        assert (await app.chats.run(run_id)).status == "finished"
    for line in before:
        if line.startswith("end "):
            assert entries(diary).count(line) == 1, f"{line!r} was done twice"


async def test_killed_in_the_middle_of_a_tool_its_finished_sibling_is_not_run_again(home: Path) -> None:
    diary = prepared(home, MIXED)

    def killed() -> None:
        with sensorium(home, "chat", MESSAGE, "--thread", "talk", "--json") as process:
            assert process.stdout
            for line in process.stdout:
                if '"tool.finished"' in line:  # the other waits
                    process.kill()
                    break
            process.wait(timeout=60)

    await asyncio.to_thread(killed)
    assert entries(diary).count("begin wait") == 1
    (home / "let-on").touch()
    async with open_app() as app:
        run_id = await only_run(app)
        await app.agent.resume(run_id)
        events = await events_of(app, run_id)
    assert types(events)[-1] == "run.finished"
    assert "run.interrupted" in types(events)
    assert "run.resumed" in types(events)
    assert entries(diary).count("end one") == 1
    assert entries(diary).count("begin wait") == 2
    assert entries(diary).count("end wait") == 1


async def test_the_command_line_resumes_the_last_turn_of_a_conversation(home: Path) -> None:
    prepared(home, JUDGE)
    await asyncio.to_thread(run_and_die, home, MESSAGE, "talk", "respond", 1, "leaving")

    def resumed() -> tuple[str, int | None]:
        with sensorium(home, "chat", "--resume", "--thread", "talk") as process:
            out, _ = process.communicate(timeout=120)
            return out, process.returncode

    out, code = await asyncio.to_thread(resumed)
    assert (out.strip(), code) == ("All is said.", 0)


async def test_a_run_is_closed_with_the_program_and_goes_on_with_it(home: Path) -> None:
    diary = prepared(home, MIXED)
    async with open_app() as app:
        info = await app.agent.start(MESSAGE, thread_id="talk")
        async for event in app.agent.events(info.id):
            if isinstance(event.body, ToolFinished):
                break
    (home / "let-on").touch()
    async with open_app() as app:
        assert (await app.chats.run(info.id)).status == "interrupted"
        await app.agent.resume(info.id)
        assert types(await events_of(app, info.id))[-1] == "run.finished"
    assert entries(diary).count("end one") == 1


async def test_what_is_not_interrupted_is_not_resumed(home: Path) -> None:
    prepared(home, HELLO, MIXED)
    async with open_app() as app:
        done = await app.agent.start("Hello", thread_id="talk")
        await events_of(app, done.id)
        with pytest.raises(ConflictError, match="is finished"):
            await app.agent.resume(done.id)
        running = await app.agent.start(MESSAGE, thread_id="talk")
        with pytest.raises(ConflictError, match="is running"):
            await app.agent.resume(running.id)


async def test_a_conversation_that_has_gone_on_is_not_taken_back(home: Path) -> None:
    prepared(home, HELLO, MIXED)
    async with open_app() as app:
        info = await app.agent.start(MESSAGE, thread_id="talk")
    async with open_app() as app:
        later = await app.agent.start("Hello", thread_id="talk")
        await events_of(app, later.id)
        with pytest.raises(ConflictError, match="gone on"):
            await app.agent.resume(info.id)


async def test_of_two_that_resume_a_run_one_does(home: Path) -> None:
    diary = prepared(home, MIXED)
    async with open_app() as app:
        info = await app.agent.start(MESSAGE, thread_id="talk")
        async for event in app.agent.events(info.id):
            if isinstance(event.body, ToolFinished):
                break
    (home / "let-on").touch()
    async with open_app() as one, open_app() as other:
        tried = await asyncio.gather(one.agent.resume(info.id), other.agent.resume(info.id), return_exceptions=True)
        assert sorted(type(item).__name__ for item in tried) == ["ConflictError", "RunInfo"]
        assert types(await events_of(one, info.id)) == types(await events_of(other, info.id))
    assert entries(diary).count("end wait") == 1
