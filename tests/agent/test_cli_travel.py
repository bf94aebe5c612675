"""``sensorium history``, ``fork``, ``replay`` and ``compare``, as real processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from counting_judge import entries
from diary_painter import add_painters
from processes import sensorium
from scripted_chat import write_script

from agent.cli.travel import _is_message
from agent.history import History, Moment

PAINT = {"tool": "generate_image", "prompt": "a cat"}
RULES: list[dict[str, Any]] = [
    {"when": "twice", "calls": [PAINT, {"tool": "upscale_image", "image": "$1", "factor": 2}], "answer": "Twice."},
    {"when": "thrice", "calls": [PAINT, {"tool": "upscale_image", "image": "$1", "factor": 3}], "answer": "Thrice."},
    {"when": "Grüß", "answer": "Grüß dich!"},
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_script(tmp_path, RULES)
    add_painters(tmp_path)
    return tmp_path


def done(home: Path, *args: str) -> tuple[str, str]:
    with sensorium(home, *args) as process:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return out, err


def moments(home: Path, thread: str, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done(home, "history", thread, "--json", *more)[0])["runs"]
    return found


def test_a_conversation_is_told_forked_and_changed(home: Path) -> None:
    done(home, "chat", "Grüß Gott 数", "--thread", "talk")
    done(home, "chat", "A cat, twice as large", "--thread", "talk")
    first, second = moments(home, "talk")
    assert (first["message"], second["tools"]) == ("Grüß Gott 数", ["generate_image", "upscale_image"])

    out, err = done(home, "fork", "talk", str(second["message_id"]))
    forked = out.strip()
    assert f"sensorium chat --thread {forked}" in err
    assert [moment["message"] for moment in moments(home, forked)] == ["Grüß Gott 数"]

    out, err = done(home, "fork", "talk", second["run_id"], "--text", "A cat, thrice as large")
    assert out.strip() == "Thrice."
    assert f"generate_image taken from run {second['run_id']}" in err
    assert len(list((home / "media").glob("*/enlarged.png"))) == 2  # of the conversation and of the fork
    assert [line.split()[0] for line in entries(home / "diary.txt")] == ["paint", "enlarge", "enlarge"]

    shown, _ = done(home, "history", "talk", "--all")
    for part in ("Grüß Gott 数", "generate_image, upscale_image", f"forked: {forked}", "next: nothing"):
        assert part in shown
    assert len(moments(home, "talk", "--all")[1]["forks"]) == 2


@pytest.mark.parametrize(
    ("named", "expected"),
    [("3", True), ("12", False), ("12345678", False), ("4", True), ("9" * 40, False), ("ab", False)],
)
def test_digits_may_be_a_message_or_the_beginning_of_a_run(named: str, expected: bool) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    run = Moment.model_construct(run_id="12345678abcd", message_id=3, at=at)
    assert _is_message(named, History.model_construct(runs=(run,))) == expected


def test_a_fork_for_programs_is_a_line_and_then_events(home: Path) -> None:
    done(home, "chat", "A cat, twice as large", "--thread", "talk")
    (moment,) = moments(home, "talk")
    out, _ = done(home, "fork", "talk", moment["run_id"][:8], "--text", "Grüß dich", "--json")
    made, *events = [json.loads(line) for line in out.splitlines()]
    assert {event["run_id"] for event in events} == {made["run_id"]}
    assert events[0]["thread_id"] == made["thread_id"]
    assert events[-1]["type"] == "run.finished"


def test_a_run_is_replayed_and_compared(home: Path) -> None:
    done(home, "chat", "A cat, twice as large", "--thread", "talk")
    run = moments(home, "talk")[0]["run_id"]
    out, _ = done(home, "replay", run)
    assert "Plan: the same. Answer: the same." in out
    found = json.loads(done(home, "replay", run, "--json")[0])
    assert (found["same"], found["a"]["run_id"]) == (True, run)
    assert [(step["same_args"], step["same_output"]) for step in found["steps"]] == [(True, True)] * 2

    write_script(home, [{"when": "twice", "answer": "Something else."}])
    add_painters(home)
    out, _ = done(home, "replay", run)  # whatever comes of it, it has been compared
    assert "Answer: different." in out
    assert "Something else." in out
    again = json.loads(done(home, "compare", run, found["b"]["run_id"], "--json")[0])
    assert again == found


def test_what_is_not_there_is_said_with_what_to_do(home: Path) -> None:
    done(home, "chat", "Grüß Gott", "--thread", "talk")
    for args, says in (
        (("history", "größe"), "There is no conversation 'größe'"),
        (("fork", "talk", "99"), "See: sensorium history talk"),
        (("fork", "talk", "nope"), "See: sensorium history talk"),
        (("replay", "nope"), "There is no run 'nope'"),
        (("compare", "nope", "nope"), "There is no run 'nope'"),
    ):
        with sensorium(home, *args) as process:
            _, err = process.communicate(timeout=120)
            assert (process.returncode, says in err) == (2, True), (args, err)
