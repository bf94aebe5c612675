"""A run's events, folded into what the page shows."""

from __future__ import annotations

from typing import Any

from ui.live import RunView

SHA = "0" * 64


def event(seq: int, type_: str, **body: Any) -> dict[str, Any]:
    return {"v": 1, "run_id": "r", "seq": seq, "at": "2026-01-01T00:00:00+00:00", "type": type_, **body}


def artifact(id_: str) -> dict[str, Any]:
    return {"id": id_, "kind": "image", "mime": "image/png", "name": f"{id_}.png", "bytes": 1, "sha256": SHA}


def step(id_: str, tool: str, **args: Any) -> dict[str, Any]:
    return {"id": id_, "tool": tool, "args": args}


def folded(*events: dict[str, Any]) -> RunView:
    view = RunView("r")
    for each in events:
        view.add(each)
    return view


STARTED = event(0, "run.started", thread_id="t", message="Count", attachments=[artifact("a")], model="m")
PLAN = event(
    1,
    "plan.made",
    steps=[step("$1", "detect_objects", image="a"), step("$2", "detect_objects", image="b")],
    edges=[],
    seconds=1.5,
    notes=["One left out."],
)
FINISHED = {"answer": "Two.", "artifacts": [artifact("b")], "receipts": [], "usage": {}, "seconds": 3.0}


def test_the_question_comes_from_the_first_event() -> None:
    view = folded(STARTED)
    assert (view.question, view.model, view.attachments[0]["id"]) == ("Count", "m", "a")
    assert view.headline == "Planning"


def test_words_add_up_and_the_answer_has_the_last_word() -> None:
    view = folded(STARTED, event(1, "message.delta", text="On"), event(2, "message.delta", text="e."))
    assert (view.text, view.headline) == ("One.", "Answering")
    view.add(event(3, "run.finished", **FINISHED))
    assert (view.text, view.state, view.seconds) == ("Two.", "finished", 3.0)


def test_an_event_seen_before_changes_nothing() -> None:
    view = folded(STARTED, event(1, "message.delta", text="One."), event(1, "message.delta", text="One."))
    assert (view.text, view.cursor) == ("One.", 1)


def test_a_call_belongs_to_the_step_it_names_not_to_the_first_of_its_tool() -> None:
    view = folded(STARTED, PLAN, event(2, "tool.started", call_id="r:$2", tool="detect_objects", args={}))
    assert [each.state for each in view.steps] == ["waiting", "running"]
    view.add(event(3, "tool.progress", call_id="r:$2", fraction=0.5, message="half"))
    assert view.steps[1].fraction == 0.5
    done = {
        "call_id": "r:$2",
        "tool": "detect_objects",
        "result": {},
        "summary": "1 dog",
        "seconds": 0.2,
        "receipts": [],
    }
    view.add(event(4, "tool.finished", **done))
    assert (view.steps[1].state, view.steps[1].message, view.headline) == ("done", "1 dog", "Working")


def test_a_failed_step_says_why_and_a_call_nobody_planned_is_shown_all_the_same() -> None:
    view = folded(
        STARTED,
        event(1, "tool.started", call_id="r:$9", tool="speak", args={"text": "x"}),
        event(2, "tool.failed", call_id="r:$9", tool="speak", code="engine-failed", message="No voice."),
    )
    assert [(each.tool, each.state, each.message) for each in view.steps] == [("speak", "failed", "No voice.")]


def test_an_artifact_is_shown_once_however_often_it_is_told_of() -> None:
    told = event(2, "tool.artifact", call_id="r:$1", artifact=artifact("b"))
    view = folded(STARTED, PLAN, told, event(3, "run.finished", **FINISHED))
    assert [each["id"] for each in view.artifacts] == ["b"]


def test_steps_that_never_ran_are_skipped_when_the_run_ends() -> None:
    view = folded(STARTED, PLAN, event(2, "run.cancelled", reason="cancelled by the user"))
    assert view.state == "cancelled"
    assert [each.state for each in view.steps] == ["skipped", "skipped"]


def test_a_loading_model_is_the_headline_until_it_is_there() -> None:
    loading = {"model": "m", "message": "", "seconds": None, "memory_mb": None}
    view = folded(STARTED, event(1, "model.loading", fraction=0.4, **loading))
    assert view.headline == "Loading m"
    view.add(event(2, "model.loading", **{**loading, "fraction": 1.0, "seconds": 2.0}))
    assert view.headline == "Planning"


def test_a_failure_keeps_what_was_wrong_and_what_to_do() -> None:
    view = folded(STARTED, event(1, "run.failed", code="missing-weights", message="Not here.", fix="Run: x"))
    assert view.error == {"message": "Not here.", "fix": "Run: x", "code": "missing-weights"}
    assert view.is_over


def test_an_event_of_a_newer_server_is_passed_over() -> None:
    view = folded(STARTED, event(1, "approval.granted", by="somebody"))
    assert (view.cursor, view.state) == (1, "running")


def test_a_step_counts_the_previews_of_its_work_and_servers_without_them_are_understood() -> None:
    view = folded(STARTED, PLAN, event(2, "tool.started", call_id="r:$1", tool="detect_objects", args={}))
    assert view.steps[0].preview == 0
    view.add(event(3, "tool.progress", call_id="r:$1", fraction=0.5, message="half", preview=2))
    assert view.steps[0].preview == 2
    view.add(event(4, "tool.progress", call_id="r:$1", fraction=0.6, message="more"))
    assert view.steps[0].preview == 0


def test_a_run_that_is_resumed_writes_its_answer_anew() -> None:
    gone = event(3, "run.interrupted", message="The program was stopped.", fix="Resume it.", code="interrupted")
    view = folded(STARTED, PLAN, event(2, "message.delta", text="Two dogs and"), gone)
    assert (view.state, view.is_over) == ("interrupted", True)
    assert view.error
    for each in (event(4, "run.resumed"), event(5, "message.delta", text="Two.")):
        view.add(each)
    assert (view.state, view.text, view.error) == ("running", "Two.", None)
