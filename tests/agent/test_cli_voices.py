"""``sensorium voices``, as a user runs it on a machine where nothing has been pulled."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.voices import voices


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SENSORIUM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_MODELS_DIR", str(tmp_path / "models"))


def run(*args: str) -> Result:
    return CliRunner().invoke(voices, args)


def test_without_models_it_says_that_there_are_more() -> None:
    result = run()
    assert result.exit_code == 0
    assert "more voices are of models that are not ready: sensorium voices --all" in result.output


def test_all_voices_of_a_language() -> None:
    found = {voice["id"]: voice for voice in json.loads(run("--all", "--language", "Spanish", "--json").stdout)}
    assert {"ef_dora", "em_alex"} <= set(found)
    assert all(voice["language"] == "es" for voice in found.values())
    assert found["ef_dora"]["gender"] == "female"
    assert found["ef_dora"]["state"] != "ready"


def test_a_table_names_the_accent() -> None:
    line = next(line for line in run("--all").output.splitlines() if "bf_emma" in line)
    assert all(part in line for part in ("Emma", "English", "female", "British", "kokoro-82m"))


def test_without_a_ready_voice_of_the_language_it_says_so_instead_of_an_empty_table() -> None:
    result = run("--language", "Bengali")
    assert (result.exit_code, result.output) == (0, "There is no voice that is ready for Bengali.\n")
    assert run("--all", "--language", "Bengali").output == "There is no voice for Bengali.\n"
