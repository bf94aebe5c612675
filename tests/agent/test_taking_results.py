"""A fork's first run takes what has not changed from the run that it changes, and makes the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from counting_judge import entries
from diary_painter import add_painters
from homes import events_of, upload
from scripted_chat import write_script

from agent.app import App, open_app
from graphs.options import TurnOptions
from memory.artifact_types import Lineage
from memory.events import Event, RunFinished, ToolArtifact, ToolFinished
from tools.offered import offered_tools
from tools.reuse import is_reusable
from tools.types import Danger

PAINT = {"tool": "generate_image", "prompt": "a cat"}
RULES: list[dict[str, Any]] = [
    {"when": "twice", "calls": [PAINT, {"tool": "upscale_image", "image": "$1", "factor": 2}]},
    {"when": "thrice", "calls": [PAINT, {"tool": "upscale_image", "image": "$1", "factor": 3}]},
    {"when": "dog", "calls": [{"tool": "generate_image", "prompt": "a dog"}]},
    {"when": "the first", "calls": [{"tool": "upscale_image", "image": "chelsea.jpg", "factor": 2}]},
    {"when": "the second", "calls": [{"tool": "upscale_image", "image": "astronaut.jpg", "factor": 2}]},
]


@pytest.fixture
def diary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    write_script(tmp_path, RULES)
    return add_painters(tmp_path)


async def first(app: App, message: str, *files: str) -> str:
    info = await app.agent.start(message, thread_id="talk", attachments=await upload(app, *files))
    await ended(app, info.id)
    return info.id


async def ended(app: App, run_id: str) -> list[Event]:
    events = await events_of(app, run_id)
    assert isinstance(events[-1].body, RunFinished), events[-1].body
    return events


async def changed(app: App, run_id: str, text: str) -> list[Event]:
    made = await app.timetravel.fork((await app.chats.run(run_id)).thread_id, run_id=run_id, text=text)
    assert made.run is not None
    return await ended(app, made.run.id)


def taken(events: list[Event]) -> list[str | None]:
    return [event.body.taken_from for event in events if isinstance(event.body, ToolFinished)]


def kinds(diary: Path) -> list[str]:
    return [line.split()[0] for line in entries(diary)]


async def test_when_the_last_step_changes_the_first_is_taken_and_the_last_is_made(diary: Path) -> None:
    async with open_app() as app:
        run = await first(app, "Paint a cat, twice as large")
        events = await changed(app, run, "Paint a cat, thrice as large")
        assert taken(events) == [run, None]
        assert kinds(diary) == ["paint", "enlarge", "enlarge"]
        assert entries(diary)[-1] == "enlarge 16 3.0"
        end = events[-1].body
        assert isinstance(end, RunFinished)
        assert [(r.tool, r.taken_from) for r in end.receipts if r.tool != "chat"] == [
            ("generate_image", run),
            ("upscale_image", None),
        ]
        then = [e.body.artifact.id for e in await events_of(app, run) if isinstance(e.body, ToolArtifact)]
        now = [e.body.artifact.id for e in events if isinstance(e.body, ToolArtifact)]
        assert now[0] == then[0]
        assert (await app.artifacts.lineage(now[1])).parents == (then[0],)


async def test_a_chain_that_did_not_change_is_taken_as_a_whole_also_from_a_run_that_took_it(diary: Path) -> None:
    async with open_app() as app:
        run = await first(app, "Paint a cat, twice as large")
        events = await changed(app, run, "Please paint a cat, twice as large")
        assert taken(events) == [run, run]
        again = await changed(app, events[0].run_id, "Do paint a cat, twice as large")
        assert taken(again) == [run, run]
        assert kinds(diary) == ["paint", "enlarge"]


async def test_other_words_for_a_step_make_it_anew(diary: Path) -> None:
    async with open_app() as app:
        run = await first(app, "Paint a cat, twice as large")
        assert taken(await changed(app, run, "Paint a dog")) == [None]
        assert kinds(diary) == ["paint", "enlarge", "paint"]


async def test_another_file_is_worked_on_and_the_same_bytes_under_another_id_are_not(diary: Path) -> None:
    async with open_app() as app:
        run = await first(app, "Enlarge the first", "chelsea.jpg", "astronaut.jpg")
        assert taken(await changed(app, run, "Enlarge the second")) == [None]
        assert kinds(diary) == ["enlarge", "enlarge"]
        for name, is_taken in (("chelsea.jpg", True), ("astronaut.jpg", False)):
            path = Path(__file__).parents[1] / "media" / name
            file = await app.artifacts.add_file(path, name="chelsea.jpg", lineage=Lineage(tool="upload"))
            info = await app.agent.start(
                "Enlarge the first", attachments=[file.id], options=TurnOptions(take_from=run), parent_run=run
            )
            assert taken(await ended(app, info.id)) == [run if is_taken else None]
        assert kinds(diary) == ["enlarge"] * 3


async def test_what_was_made_then_and_is_gone_is_made_again(diary: Path) -> None:
    async with open_app() as app:
        run = await first(app, "Paint a cat, twice as large")
        made = [e.body.artifact.id for e in await events_of(app, run) if isinstance(e.body, ToolArtifact)]
        await app.artifacts.delete(made[0])
        assert taken(await changed(app, run, "Paint a cat, thrice as large")) == [None, None]
        assert kinds(diary) == ["paint", "enlarge", "paint", "enlarge"]


async def test_where_another_model_would_be_used_today_it_is(diary: Path, tmp_path: Path) -> None:
    async with open_app() as app:
        run = await first(app, "Paint a cat, twice as large")
    write_script(tmp_path, RULES)
    add_painters(tmp_path, painter="other-painter")
    async with open_app() as app:
        events = await changed(app, run, "Please paint a cat, twice as large")
        assert taken(events)[0] is None
        end = events[-1].body
        assert isinstance(end, RunFinished)
        assert end.receipts[0].model == "other-painter"


async def test_what_keeps_something_or_asks_for_leave_is_never_taken() -> None:
    never = {spec.name for spec in offered_tools() if not is_reusable(spec)}
    assert never >= {"remember", "forget", "enrol_action", "recognize_action"}
    assert never >= {spec.name for spec in offered_tools() if spec.danger is not Danger.NONE}
    assert {"generate_image", "transcribe_audio", "translate"}.isdisjoint(never)


async def test_a_run_that_is_sent_again_in_a_fork_takes_nothing(diary: Path) -> None:
    async with open_app() as app:
        run = await first(app, "Paint a cat, twice as large")
        events = await changed(app, run, "Please paint a cat, twice as large")
        retried = await app.agent.retry(events[0].run_id)
        assert taken(await ended(app, retried.id)) == [None, None]
