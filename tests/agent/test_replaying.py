"""A run is run again as it was, and the two are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from counting_judge import add_counting_judge, entries
from diary_painter import add_painters
from homes import events_of, turn
from scripted_chat import write_script

from agent.app import App, open_app
from engines.errors import ConflictError, NotFoundError
from graphs.approve import Answer
from memory.events import ApprovalRequired, MessageDelta, RunFailed, RunFinished, ToolArtifact, ToolStarted

RULES: list[dict[str, Any]] = [
    {
        "when": "Paint",
        "calls": [
            {"tool": "generate_image", "prompt": "a cat"},
            {"tool": "upscale_image", "image": "$1", "factor": 2},
        ],
        "answer": "Here it is.",
    },
    {"when": "larger", "calls": [{"tool": "upscale_image", "image": "picture.png", "factor": 3}]},
    {"when": "slowly", "answer": "one two three four five six", "token_seconds": 0.3},
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def diary(home: Path) -> Path:
    write_script(home, RULES)
    return add_painters(home)


async def run_of(app: App, message: str, thread: str = "talk") -> str:
    events = await turn(app, message, thread=thread)
    assert isinstance(events[-1].body, RunFinished), events[-1].body
    return events[0].run_id


async def replayed(app: App, run: str) -> str:
    again = await app.timetravel.replay(run)
    end = (await events_of(app, again.id))[-1].body
    assert isinstance(end, RunFinished), end
    return again.id


async def test_with_the_seed_of_then_the_same_bytes_are_made_again(diary: Path) -> None:
    async with open_app() as app:
        run = await run_of(app, "Paint a cat")
        again = await replayed(app, run)
        lines = entries(diary)
        assert lines[:2] == lines[2:]  # the seed was drawn once
        found = await app.timetravel.compare(run, again)
        assert found.same
        assert found.same_plan
        assert found.same_answer
        assert [(step.tool, step.same_args, step.same_output) for step in found.steps] == [
            ("generate_image", True, True),
            ("upscale_image", True, True),
        ]
        for step in found.steps:
            assert step.a is not None
            assert step.b is not None
            assert step.a.outputs == step.b.outputs
            assert step.a.seconds is not None
            assert step.b.seconds is not None
            assert step.b.taken_from is None
        made = [
            e.body.artifact.id
            for log in (run, again)
            for e in await events_of(app, log)
            if isinstance(e.body, ToolArtifact)
        ]
        assert (await app.artifacts.lineage(made[2])).replay_of == made[0]
        assert (await app.chats.run(again)).parent_run == run
        assert [r.id for r in await app.chats.runs("talk")] == [run]


async def test_the_plan_is_that_of_then_whatever_would_be_planned_now(diary: Path, home: Path) -> None:
    async with open_app() as app:
        run = await run_of(app, "Paint a cat")
    write_script(home, [{"when": "Paint", "calls": [], "answer": "I would rather not."}])
    add_painters(home, painter="other-painter")
    async with open_app() as app:
        found = await app.timetravel.compare(run, await replayed(app, run))
        assert (found.same_plan, found.same_answer, found.same) == (True, False, False)
        assert (found.a.answer, found.b.answer) == ("Here it is.", "I would rather not.")
        assert all(step.same_output for step in found.steps)
        assert [step.b.models for step in found.steps if step.b] == [("painter",), ("enlarger",)]


async def test_files_of_earlier_turns_are_there_in_the_replay(diary: Path) -> None:
    async with open_app() as app:
        await run_of(app, "Paint a cat")
        run = await run_of(app, "And larger")
        found = await app.timetravel.compare(run, await replayed(app, run))
        assert found.same
        assert entries(diary)[-2:] == ["enlarge 16 3.0"] * 2


async def test_what_an_approval_put_in_is_run_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_script(home, [{"when": "Judge", "calls": [{"tool": "analyze_sentiment", "text": "one"}]}])
    diary = add_counting_judge(home)
    monkeypatch.setenv("SENSORIUM_APPROVAL", '{"analyze_sentiment": "ask"}')
    async with open_app() as app:
        info = await app.agent.start("Judge", thread_id="talk")
        async for event in app.agent.events(info.id):
            if isinstance(event.body, ApprovalRequired):
                break
        with pytest.raises(ConflictError, match="still waiting"):
            await app.timetravel.replay(info.id)
        await app.agent.approve(info.id, {"*": Answer(action="edit", args={"text": "größer"})})
        await events_of(app, info.id)
    monkeypatch.setenv("SENSORIUM_APPROVAL", "{}")
    async with open_app() as app:
        found = await app.timetravel.compare(info.id, await replayed(app, info.id))
        assert found.steps[0].same_args
        assert [line for line in entries(diary) if line.startswith("begin")] == ["begin größer"] * 2


async def test_a_plan_that_can_not_be_carried_out_any_more_says_so(
    diary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app() as app:
        run = await run_of(app, "Paint a cat")
    monkeypatch.setenv("SENSORIUM_TOOLS", '["analyze_sentiment"]')
    async with open_app() as app:
        again = await app.timetravel.replay(run)
        end = (await events_of(app, again.id))[-1].body
        assert isinstance(end, RunFailed)
        assert "there is no tool 'generate_image'" in end.message
        assert "Send the message" in end.fix
        found = await app.timetravel.compare(run, again.id)
        assert (found.same, found.b.status, found.b.answer) == (False, "failed", end.message)


async def test_runs_with_steps_of_their_own_are_compared_by_what_they_share(diary: Path) -> None:
    async with open_app() as app:
        both = await run_of(app, "Paint a cat")
        one = await run_of(app, "And larger")
        found = await app.timetravel.compare(both, one)
        assert [(step.tool, step.a is None, step.b is None) for step in found.steps] == [
            ("generate_image", False, True),
            ("upscale_image", False, False),
        ]
        assert (found.same_plan, found.steps[1].same_args, found.steps[1].same_output) == (False, False, False)


async def test_what_is_open_or_unknown_is_not_replayed(diary: Path) -> None:
    async with open_app() as app:
        slow = await app.agent.start("Count slowly", thread_id="talk")
        async for event in app.agent.events(slow.id):
            if isinstance(event.body, MessageDelta):
                break
        with pytest.raises(ConflictError, match="still running"):
            await app.timetravel.replay(slow.id)
        assert (await app.timetravel.compare(slow.id, slow.id)).a.status == "running"
        await app.agent.cancel(slow.id)
        cancelled = await app.agent.start("Count slowly", thread_id="other")
        await app.agent.cancel(cancelled.id)
        with pytest.raises(ConflictError, match="ended before it had a plan"):
            await app.timetravel.replay(cancelled.id)
        for unknown in (app.timetravel.replay("größe"), app.timetravel.compare(slow.id, "größe")):
            with pytest.raises(NotFoundError, match="größe"):
                await unknown


async def test_a_replay_that_was_interrupted_goes_on_with_the_plan_of_then(home: Path) -> None:
    judge = {"when": "Judge", "calls": [{"tool": "analyze_sentiment", "text": "wait"}]}
    write_script(home, [judge])
    diary = add_counting_judge(home)
    (home / "let-on").touch()
    async with open_app() as app:
        run = await run_of(app, "Judge")
        (home / "let-on").unlink()
        again = await app.timetravel.replay(run)
        async for event in app.agent.events(again.id):
            if isinstance(event.body, ToolStarted):
                break
    (home / "let-on").touch()
    async with open_app() as app:
        await app.agent.resume(again.id)
        assert isinstance((await events_of(app, again.id))[-1].body, RunFinished)
        assert (await app.timetravel.compare(run, again.id)).same
    assert entries(diary).count("end wait") == 2
