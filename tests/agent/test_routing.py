"""A turn whose model fails goes on with the next best, and says so; a pinned model stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from broken_chat import add_broken
from homes import events_of, upload
from scripted_chat import write_script

from agent.app import App, open_app
from agent.preferences import AUTO
from agent.routed_chat import RoutedChat
from agent.settings import load_settings
from engines.errors import PlanError
from graphs.tuned_planner import ADAPTER
from memory.events import Event, ModelSwitched, PlanMade, RunFailed, RunFinished

PROVE = "Prove that there are infinitely many primes, step by step."
RULES = [{"when": "Prove", "answer": "Euclid did."}, {"when": "Hello", "answer": "Hello."}]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_OLLAMA_URL", "http://127.0.0.1:9")
    write_script(tmp_path, RULES)


async def run(app: App, message: str, model: str | None = None) -> list[Event]:
    info = await app.agent.start(message, thread_id="talk", model=model)
    return await events_of(app, info.id)


def switches(events: list[Event]) -> list[ModelSwitched]:
    return [event.body for event in events if isinstance(event.body, ModelSwitched)]


async def test_a_hard_request_goes_to_the_stronger_model_and_back_when_that_fails(tmp_path: Path) -> None:
    add_broken(tmp_path)
    async with open_app(load_settings()) as app:
        events = await run(app, PROVE)
        end = events[-1].body
        assert isinstance(end, RunFinished), end
        assert end.answer == "Euclid did."
        first, second = switches(events)
        assert (first.model, second.model) == ("broken", "scripted")
        assert "the request looks hard" in first.reason
        assert second.reason == "A script takes over. The broken one failed before its first word: the cable is cut."
        assert [receipt.model for receipt in end.receipts if receipt.tool == "chat"] == ["scripted"]


async def test_an_easy_request_is_answered_by_the_usual_model_and_nothing_is_said(tmp_path: Path) -> None:
    add_broken(tmp_path)
    async with open_app(load_settings()) as app:
        assert switches(await run(app, "Hello!")) == []


async def test_a_model_that_keeps_failing_is_left_alone_and_tried_again_later(tmp_path: Path) -> None:
    mended = add_broken(tmp_path)
    async with open_app(load_settings()) as app:
        await run(app, PROVE)
        await run(app, PROVE)
        third = await run(app, PROVE)
        assert switches(third) == []  # the usual model, without a try of the other
        mended.touch()
        breaker = app.agent.switcher.breaker
        breaker.succeeded("broken")
        fourth = await run(app, PROVE)
        assert [switch.model for switch in switches(fourth)] == ["broken"]
        assert isinstance(fourth[-1].body, RunFinished)
        assert fourth[-1].body.answer == "Mended."


async def test_a_model_that_was_named_is_kept_though_it_fails(tmp_path: Path) -> None:
    add_broken(tmp_path)
    async with open_app(load_settings()) as app:
        events = await run(app, PROVE, "broken")
        assert isinstance(events[-1].body, RunFailed)
        assert "the cable is cut" in events[-1].body.message
        assert switches(events) == []
        again = await app.agent.retry(events[0].run_id)
        assert isinstance((await events_of(app, again.id))[-1].body, RunFailed)


async def test_a_setting_pins_a_model_and_auto_lifts_the_pin_for_a_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_broken(tmp_path)
    monkeypatch.setenv("SENSORIUM_MODEL", "scripted")
    async with open_app(load_settings()) as app:
        assert switches(await run(app, PROVE)) == []
        assert [switch.model for switch in switches(await run(app, PROVE, AUTO))] == ["broken", "scripted"]


async def test_what_was_said_cannot_be_taken_back(tmp_path: Path) -> None:
    add_broken(tmp_path, words=["So ", "far "])
    async with open_app(load_settings()) as app:
        info = await app.agent.start(PROVE, thread_id="talk", attachments=await upload(app))
        events = await events_of(app, info.id)
        assert isinstance(events[-1].body, RunFailed)
        assert (await app.chats.messages("talk"))[-1].text.strip() == "So far"


async def test_a_model_that_was_not_tuned_to_plan_does_not_take_over_what_only_tuned_ones_can(tmp_path: Path) -> None:
    add_broken(tmp_path, planning="lines")
    async with open_app(load_settings()) as app:
        route = app.agent.switcher.route("broken", pinned=False, emit=lambda _: None)
        with pytest.raises(PlanError, match="not tuned"):
            await RoutedChat(route=route).bind(adapter=ADAPTER).ainvoke("Hello")
        assert (route.model, route.failed) == ("scripted", ["broken"]), "that it can't is no failure of the second"
        assert app.agent.switcher.breaker.failures("scripted") == 0


async def test_a_plan_that_a_tuned_model_failed_to_make_is_made_by_the_next_in_its_own_way(tmp_path: Path) -> None:
    add_broken(tmp_path, planning="lines")
    call = {"tool": "speak", "text": "infinitely many primes"}
    (tmp_path / "script.json").write_text(json.dumps([RULES[0] | {"calls": [call]}]), "utf-8")
    async with open_app(load_settings()) as app:
        events = await run(app, PROVE)
        plans = [event.body for event in events if isinstance(event.body, PlanMade)]
        assert [step.tool for step in plans[0].steps] == ["speak"]
        assert [switch.model for switch in switches(events)] == ["broken", "scripted"]
