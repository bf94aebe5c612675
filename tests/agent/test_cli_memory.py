"""``sensorium memory``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.memory import memory
from engines.errors import InputError, NotFoundError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


def run(*args: str, says: str | None = None) -> str:
    result = CliRunner().invoke(memory, args, input=says, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_memory_is_added_listed_corrected_and_forgotten() -> None:
    short = run("add", "Lena plays the cello.", "--about", "Lena", "--pin").split()[0]
    listed = run("list")
    assert short in listed
    assert "Lena plays the cello." in listed
    assert "pinned" in listed
    run("edit", short, "--text", "Lena plays the viola.", "--unpin")
    (shown,) = json.loads(run("list", "--json"))
    assert (shown["text"], shown["pinned"]) == ("Lena plays the viola.", False)
    assert "said_at" in run("show", short)
    assert run("forget", short) == "Forgot 1 memory.\n"
    assert run("list") == "Nothing is remembered yet.\n"


def test_a_question_lists_what_would_be_found_for_it() -> None:
    run("add", "The bins go out on Thursday.")
    run("add", "Tea is in the tin.")
    assert [each["text"] for each in json.loads(run("list", "when do bins go out", "--json"))] == [
        "The bins go out on Thursday."
    ]


def test_everything_is_exported_as_lines_or_as_one_list() -> None:
    run("add", "One thing.")
    run("add", "Another matter.")
    lines = [json.loads(line)["text"] for line in run("export").splitlines()]
    assert lines == ["One thing.", "Another matter."]
    assert [each["text"] for each in json.loads(run("export", "--json"))] == lines


def test_everything_is_forgotten_only_after_a_yes() -> None:
    run("add", "One thing.")
    refused = CliRunner().invoke(memory, ["forget", "--all"], input="n\n")
    assert refused.exit_code == 1
    assert len(run("export").splitlines()) == 1
    run("forget", "--all", says="y\n")
    assert run("export") == ""


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["forget"], InputError),
        (["edit", "abc"], InputError),
        (["add", "  "], InputError),
        (["show", "abc"], NotFoundError),
        (["forget", "abc"], NotFoundError),
    ],
)
def test_what_can_not_be_done_says_why(args: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        CliRunner().invoke(memory, args, catch_exceptions=False)
