"""Approving, editing, denying and resuming over HTTP, also after the server has been started again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from counting_judge import add_counting_judge, entries
from live_server import Api, serving

RULES: list[dict[str, Any]] = [
    {"when": "Judge", "calls": [{"tool": "analyze_sentiment", "text": "one"}], "answer": "{results}"},
    {"when": "Wait", "calls": [{"tool": "analyze_sentiment", "text": "wait"}], "answer": "{results}"},
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_APPROVAL", json.dumps({"analyze_sentiment": "ask"}))
    return tmp_path


@contextmanager
def served(home: Path) -> Iterator[Api]:
    with serving(home, RULES, prepare=add_counting_judge) as address:
        api = Api(address)
        try:
            yield api
        finally:
            api.http.close()


def asking(api: Api) -> tuple[str, dict[str, Any]]:
    run = api.start("Judge one")
    with api.http.stream("GET", f"/api/runs/{run}/events") as response:
        for line in response.iter_lines():
            if line.startswith("data: ") and '"approval.required"' in line:
                return run, json.loads(line.removeprefix("data: "))
    raise AssertionError("nothing was asked")


def answer(api: Api, run: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    response = api.http.post(f"/api/runs/{run}/approval", json=body)
    return response.status_code, response.json()


def test_a_run_waits_over_a_restart_and_is_approved(home: Path) -> None:
    with served(home) as api:
        run, question = asking(api)
        (item,) = question["questions"]
        assert item["step"] == {"id": "$1", "tool": "analyze_sentiment", "args": {"text": "one"}}
        assert api.http.get(f"/api/runs/{run}").json()["status"] == "waiting"
    with served(home) as api:
        status, body = answer(api, run, {"answers": {"*": {"action": "approve"}}})
        assert (status, body["run_id"]) == (202, run)
        events = api.stream(run)
        assert [int(event["id"]) for event in events] == list(range(len(events)))
        assert events[-1]["event"] == "run.finished"
        assert "positive" in events[-1]["data"]["answer"]


def test_bad_answers_are_refused_and_the_run_goes_on_waiting(home: Path) -> None:
    with served(home) as api:
        run, _ = asking(api)
        for body, status in (
            ({"answers": {}}, 422),
            ({"answers": {"*": {"action": "maybe"}}}, 422),
            ({"answers": {"$9": {"action": "approve"}}}, 422),
            ({"answers": {"$1": {"action": "edit", "args": {"words": 1}}}}, 422),
        ):
            assert answer(api, run, body)[0] == status, body
        assert api.http.get(f"/api/runs/{run}").json()["status"] == "waiting"
        assert answer(api, run, {"answers": {"$1": {"action": "edit", "args": {"text": "more"}}}})[0] == 202
        assert api.stream(run)[-1]["event"] == "run.finished"
        assert entries(home / "diary.txt") == ["begin more", "end more"]
        assert answer(api, run, {"answers": {"*": {"action": "approve"}}})[0] == 409
        assert answer(api, "nope", {"answers": {"*": {"action": "approve"}}})[0] == 404


def test_a_page_of_a_waiting_run_is_not_its_last_and_it_can_be_stopped(home: Path) -> None:
    with served(home) as api:
        run, _ = asking(api)
        page = api.http.get(f"/api/runs/{run}/events", params={"poll": True}).json()
        assert (page["events"][-1]["type"], page["done"]) == ("approval.required", False)
        assert api.http.post(f"/api/runs/{run}/cancel").json()["cancelled"] is True
        assert api.stream(run)[-1]["event"] == "run.cancelled"


def test_what_a_stopped_server_worked_on_goes_on_when_it_starts_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SENSORIUM_APPROVAL")
    with served(home) as api:
        run = api.start("Wait")
        with api.http.stream("GET", f"/api/runs/{run}/events") as response:
            assert any('"tool.started"' in line for line in response.iter_lines())
    (home / "let-on").touch()
    with served(home) as api:
        events = api.stream(run)
        assert [event["event"] for event in events if event["event"].startswith("run.")] == [
            "run.started",
            "run.interrupted",
            "run.resumed",
            "run.finished",
        ]
        assert api.http.post(f"/api/runs/{run}/resume").status_code == 409
