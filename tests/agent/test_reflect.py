"""What a turn does with steps that run side by side, stumble, fail, find nothing or take too much."""

from __future__ import annotations

import asyncio
import io
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from counting_judge import add_counting_judge, entries, wait_for
from homes import events_of, turn, types
from langgraph.runtime import Runtime
from PIL import Image
from scripted_chat import write_script

from agent.app import App, open_app
from graphs.plan import Plan
from graphs.policy import Limits
from graphs.reflect import reflect
from graphs.respond import respond
from graphs.state import Turn, TurnContext, new_turn
from memory.artifact_types import Lineage
from memory.events import Event, PlanMade, PlannedStep, RunFailed, RunFinished, ToolFailed, ToolFinished, ToolRetrying
from tools.builtin import BUILT_IN


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    return tmp_path


def judging(home: Path, *texts: str, again: tuple[tuple[str, ...], ...] = ()) -> Path:
    """A plan that judges the texts, and after a failure those of ``again``. Returns the judge's diary."""

    def calls(of: tuple[str, ...]) -> list[dict[str, Any]]:
        return [{"tool": "analyze_sentiment", "text": text} for text in of]

    rule = {"when": "Judge", "calls": calls(texts), "again": [calls(more) for more in again], "answer": "{results}"}
    write_script(home, [rule])
    return add_counting_judge(home)


def plans(events: list[Event]) -> list[list[str]]:
    return [[step.id for step in event.body.steps] for event in events if isinstance(event.body, PlanMade)]


def end_of(events: list[Event]) -> RunFinished:
    assert isinstance(events[-1].body, RunFinished), events[-1].body
    return events[-1].body


async def test_steps_that_need_nothing_of_each_other_run_at_the_same_time(home: Path) -> None:
    judging(home, "meet one", "meet two")  # each waits for the other
    async with open_app() as app:
        end_of(await turn(app, "Judge: meet one, meet two"))


async def test_cancelling_reaches_the_engine(home: Path) -> None:
    diary = judging(home, "wait")
    async with open_app() as app:
        info = await app.agent.start("Judge: wait", thread_id="talk")
        await asyncio.to_thread(wait_for, diary, "begin wait")
        asked = time.monotonic()
        assert await app.agent.cancel(info.id)
        await asyncio.to_thread(wait_for, diary, "cancelled wait")
        print(f"the engine stopped after {time.monotonic() - asked:.3f} s")
        assert types(await events_of(app, info.id))[-1] == "run.cancelled"


async def test_what_fails_for_a_moment_is_tried_again_and_said(home: Path) -> None:
    diary = judging(home, "stumble")
    async with open_app() as app:
        events = await turn(app, "Judge: stumble")
        end_of(events)
        (retry,) = [event.body for event in events if isinstance(event.body, ToolRetrying)]
        assert (retry.attempt, retry.message) == (1, "The judge is at lunch.")
        assert entries(diary) == ["begin stumble", "begin stumble", "end stumble"]


async def test_after_a_failure_another_way_is_planned_and_the_answer_says_both(home: Path) -> None:
    diary = judging(home, "break", again=(("two",),))
    async with open_app() as app:
        events = await turn(app, "Judge: break, two")
        assert plans(events) == [["$1"], ["$2"]]
        answer = end_of(events).answer
        assert "FAILED: No judge break." in answer
        assert "positive" in answer
        assert entries(diary) == ["begin break", "begin two", "end two"]


async def test_the_same_call_is_not_made_twice(home: Path) -> None:
    diary = judging(home, "break", again=(("break",),))
    async with open_app() as app:
        events = await turn(app, "Judge: break")
        assert plans(events) == [["$1"]]
        failed = events[-1].body
        assert isinstance(failed, RunFailed)
        assert failed.message == "No judge break."
        assert entries(diary) == ["begin break"]


async def test_planning_again_has_an_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_MAX_TURN_REPLANS", "2")
    texts = ("break 1", "break 2", "break 3", "break 4")
    diary = judging(home, texts[0], again=tuple((text,) for text in texts[1:]))
    async with open_app() as app:
        events = await turn(app, f"Judge: {', '.join(texts)}")
        assert plans(events) == [["$1"], ["$2"], ["$3"]]
        assert isinstance(events[-1].body, RunFailed)
        assert entries(diary) == ["begin break 1", "begin break 2", "begin break 3"]


async def test_what_another_plan_can_not_mend_is_not_planned_again(home: Path) -> None:
    write_script(home, [{"when": "Write", "calls": [{"tool": "transcribe_audio", "audio": "jfk.flac"}]}])
    async with open_app() as app:  # no Whisper in this home
        events = await turn(app, "Write it down", "jfk.flac")
        assert plans(events) == [["$1"]]
        assert types(events)[-1] == "run.failed"


async def test_a_kept_step_that_can_never_run_is_given_up_and_told() -> None:
    steps = [
        PlannedStep(id="$1", tool="enrol_action", args={"video": "v.mp4", "label": "$1"}),
        PlannedStep(id="$2", tool="speak", args={"text": "$7"}),
    ]
    state = cast(
        "Turn",
        {
            **new_turn("run", "Learn the gesture in v.mp4 as $1", []),
            "messages": [],
            "plan": Plan(steps=tuple(steps)).model_dump(),
            "results": {},
            "again": [],
            "looked_at": [],
            "replans": 0,
        },
    )
    specs = {spec.name: spec for spec in BUILT_IN}
    tools = SimpleNamespace(get=specs.__getitem__)
    runtime = cast("Runtime[TurnContext]", SimpleNamespace(context=SimpleNamespace(tools=tools, limits=Limits())))
    looked = await reflect(state, runtime)
    assert [result["error"] for result in looked["results"].values()] == [
        "Skipped, because $1 is no step before it.",
        "Skipped, because $7 is no step before it.",
    ]
    unheard = await respond(state, runtime)  # as if it had never been reflected upon
    assert unheard["answer"] == "That did not work. Skipped, because the turn ended before it."


DOG = {"tool": "detect_objects", "image": "astronaut.jpg", "target": "dog"}
PERSON = {"tool": "detect_objects", "image": "astronaut.jpg", "target": "person"}


async def test_what_finds_nothing_is_thought_about_before_others_build_on_it(home: Path) -> None:
    rule = {
        "when": "Find",
        "calls": [DOG, {"tool": "analyze_sentiment", "text": "$1"}],
        "again": [[PERSON, {"tool": "analyze_sentiment", "text": "$3"}]],
        "answer": "{results}",
    }
    write_script(home, [rule])
    diary = add_counting_judge(home)
    async with open_app() as app:
        events = await turn(app, "Find a dog, or a person", "astronaut.jpg")
        assert plans(events) == [["$1", "$2"], ["$3", "$4"]]
        assert entries(diary) == ["begin Found in the picture: 1 person.", "end Found in the picture: 1 person."]
        end_of(events)


async def test_where_there_is_no_other_way_the_facts_are_used_as_they_are(home: Path) -> None:
    rule = {"when": "Find", "calls": [DOG, {"tool": "analyze_sentiment", "text": "$1"}], "answer": "{results}"}
    write_script(home, [rule])
    diary = add_counting_judge(home)
    async with open_app() as app:
        events = await turn(app, "Find a dog", "astronaut.jpg")
        assert plans(events) == [["$1", "$2"]]
        assert "end No dog was found in the picture." in entries(diary)


async def with_picture(app: App, text: str) -> list[Event]:
    """A turn with an empty page."""
    buffer = io.BytesIO()
    Image.new("RGB", (320, 240), "white").save(buffer, "PNG")
    page = await app.artifacts.add_bytes(buffer.getvalue(), name="page.png", lineage=Lineage(tool="upload"))
    info = await app.agent.start(text, thread_id="talk", attachments=[page.id])
    return await events_of(app, info.id)


async def test_a_step_whose_input_is_not_there_is_skipped(home: Path) -> None:
    calls = [{"tool": "read_text", "image": "page.png"}, {"tool": "analyze_sentiment", "text": "$1"}]
    write_script(home, [{"when": "Read", "calls": calls, "answer": "{results}"}])
    diary = add_counting_judge(home)
    async with open_app() as app:
        events = await with_picture(app, "Read the page and judge it")
        assert "Skipped, because $1 found nothing." in end_of(events).answer
        assert "There is no text that can be read in the picture." in end_of(events).answer
        assert entries(diary) == []


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [("STEPS", "1", "at most 1 steps"), ("SECONDS", "0.015", "more than 0.015 s")],
)
async def test_a_turn_does_no_more_than_the_settings_allow(
    home: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"SENSORIUM_MAX_TURN_{setting}", value)
    diary = judging(home, "one", "two")
    async with open_app() as app:
        events = await turn(app, "Judge: one, two")
        assert says in end_of(events).answer
        assert f"SENSORIUM_MAX_TURN_{setting}" in end_of(events).answer
        assert entries(diary) == ["begin one", "end one"]


async def test_what_went_well_is_told_beside_what_failed(home: Path) -> None:
    judging(home, "one", "break")
    async with open_app() as app:
        events = await turn(app, "Judge: one, break")
        assert sum(isinstance(event.body, ToolFailed) for event in events) == 1
        assert sum(isinstance(event.body, ToolFinished) for event in events) == 1
        assert "positive" in end_of(events).answer
        assert "FAILED: No judge break." in end_of(events).answer


async def test_a_slow_tool_may_take_longer_than_a_quick_one_and_neither_more_than_the_settings_allow(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_TOOL_TIMEOUT_SECONDS", "200")
    write_script(home, [])
    async with open_app() as app:
        limit = {name: app.tools.time_limit(app.tools.get(name)) for name in ("detect_language", "speak", "edit_image")}
    assert limit == {"detect_language": 100, "speak": 100, "edit_image": 200}
