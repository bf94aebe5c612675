"""``sensorium me``, ``usage`` and ``feedback``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from homes import scripted_app, turn

from agent.cli.feedback import feedback
from agent.cli.me import me, usage
from engines.errors import InputError, NotFoundError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


@pytest.fixture
def run_id(tmp_path: Path) -> str:
    async def converse() -> str:
        async with scripted_app(tmp_path, [{"when": "Hello", "answer": "Hello."}]) as app:
            return (await turn(app, "Hello"))[-1].run_id

    return asyncio.run(converse())


def run(command: click.Command, *args: str) -> str:
    result = CliRunner().invoke(command, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_choices_are_shown_changed_and_taken_back() -> None:
    assert "Chat model: as the settings say" in run(me)
    shown = run(me, "--name", "Ada", "--model", "auto", "--approval", "speak=ask", "--approval", "clone_voice=auto")
    assert shown.startswith("Ada\nChat model: auto\n")
    (line,) = [line for line in shown.splitlines() if line.startswith("speak ")]
    assert "when you have agreed" in line
    assert line.split()[-1] == "you"
    run(me, "--model", "default", "--approval", "speak=default")
    again = json.loads(run(me, "--json"))
    assert (again["name"], again["model"]) == ("Ada", None)
    chosen = {each["tool"]: each["policy"] for each in again["approval"] if each["chosen_by"] == "user"}
    assert chosen == {"clone_voice": "auto"}


@pytest.mark.parametrize("given", ["speak", "speak=perhaps", "=ask", "fly=ask"])
def test_an_approval_that_can_not_be_read_is_refused(given: str) -> None:
    with pytest.raises(InputError):
        run(me, "--approval", given)


def test_usage_is_added_up_by_model(run_id: str) -> None:
    (total,) = json.loads(run(usage, "--json"))
    assert (total["model"], total["runs"]) == ("scripted", 1)
    assert total["completion_tokens"] > 0
    assert "scripted" in run(usage)
    assert run(usage, "--since", "2999-01-01") == "No run has finished in that time.\n"
    assert json.loads(run(usage, "--until", "2999-01-01", "--json")) == [total]


def test_usage_of_nothing_says_so() -> None:
    assert run(usage) == "No run has finished yet.\n"


def test_feedback_is_given_listed_and_taken_back(run_id: str) -> None:
    assert run(feedback, "list") == "Nothing has been said yet.\n"
    assert run(feedback, "give", run_id, "down", "--comment", "Too short.") == f"{run_id}: down\n"
    assert "Too short." in run(feedback, "list")
    assert json.loads(run(feedback, "list", "--rating", "up", "--json")) == []
    assert json.loads(run(feedback, "give", run_id, "up", "--json"))["rating"] == "up"
    (said,) = json.loads(run(feedback, "list", "--json"))
    assert (said["rating"], said["comment"]) == ("up", "")
    run(feedback, "take-back", run_id)
    with pytest.raises(NotFoundError):
        run(feedback, "take-back", run_id)


def test_feedback_on_a_run_that_there_is_not_is_refused() -> None:
    with pytest.raises(NotFoundError):
        run(feedback, "give", "nope", "up")
