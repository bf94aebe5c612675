"""``sensorium runs`` and the question in ``sensorium chat``, as real processes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from counting_judge import add_counting_judge, entries
from processes import sensorium
from scripted_chat import write_script

SUPPORT = Path(__file__).parents[1] / "support"
BOTH: dict[str, Any] = {
    "when": "Judge",
    "calls": [{"tool": "analyze_sentiment", "text": "one"}],
    "answer": "{results}",
}
ASK = {"SENSORIUM_APPROVAL": json.dumps({"analyze_sentiment": "ask"})}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_script(tmp_path, [BOTH])
    add_counting_judge(tmp_path)
    return tmp_path


def done(home: Path, *args: str) -> tuple[int | None, str, str]:
    with sensorium(home, *args, **ASK) as process:
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


def waiting_run(home: Path) -> str:
    code, _, err = done(home, "chat", "Judge one", "--thread", "talk")
    assert (code, entries(home / "diary.txt")) == (6, []), err
    assert "May analyze_sentiment be run?" in err
    code, out, _ = done(home, "runs", "list", "--json")
    (run,) = json.loads(out)
    assert f"sensorium runs approve {run['id']} --yes" in err
    assert (code, run["status"], run["message"]) == (0, "waiting", "Judge one")
    return str(run["id"])


def test_another_process_approves(home: Path) -> None:
    run = waiting_run(home)
    code, out, err = done(home, "runs", "approve", run, "--yes")
    assert (code, "positive" in out) == (0, True), err
    assert entries(home / "diary.txt") == ["begin one", "end one"]
    code, _, err = done(home, "runs", "approve", run, "--yes")
    assert code == 2
    assert "asks nothing: it is finished" in err


def test_another_process_denies_and_says_why(home: Path) -> None:
    run = waiting_run(home)
    code, out, err = done(home, "runs", "approve", run, "--deny", "--reason", "not now")
    assert (code, "you said no: not now" in out) == (0, True), err
    assert entries(home / "diary.txt") == []


def test_another_process_edits_and_a_bad_edit_changes_nothing(home: Path) -> None:
    run = waiting_run(home)
    for bad, says in (("{", "--args is not JSON"), ('{"words": "x"}', "Parameters: text"), ("[]", "does not fit")):
        code, _, err = done(home, "runs", "approve", run, "--args", bad)
        assert (code, says in err) == (2, True), err
    code, _, err = done(home, "runs", "approve", run, "--args", '{"text": "another"}')
    assert code == 0, err
    assert entries(home / "diary.txt") == ["begin another", "end another"]


def test_on_a_terminal_the_question_is_asked_there(home: Path) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | ASK | {"SENSORIUM_HOME": str(home), "PYTHONPATH": str(SUPPORT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "chat", "Judge one"],
        env=environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        os.write(ours, b"y\n")
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
        os.close(ours)
        os.close(theirs)
    assert (process.returncode, "positive" in out) == (0, True), err
    assert "yes, no, edit, always" in err
