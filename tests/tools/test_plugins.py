"""A package of somebody else adds a model and a tool: the example of docs/extending.md, really installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from engines.catalog import plugin_catalogs
from tools.builtin import BUILT_IN
from tools.offered import offered_tools

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source") / "package"
    target = tmp_path_factory.mktemp("installed")
    subprocess.run(["cp", "-r", ROOT / "docs/examples/sensorium-colours", source], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", target, source], check=True)
    return target


def sensorium(installed: Path, home: Path, *args: str) -> str:
    env = os.environ | {"PYTHONPATH": str(installed), "SENSORIUM_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", *args], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_model_and_its_tool_are_there_and_work(installed: Path, tmp_path: Path) -> None:
    models = {row["id"]: row for row in json.loads(sensorium(installed, tmp_path, "models", "list", "--json"))}
    assert models["median-cut"]["state"] == "ready"
    assert "name_colours" in sensorium(installed, tmp_path, "tools", "list")
    picture = ROOT / "tests/media/astronaut.jpg"
    answer = json.loads(
        sensorium(installed, tmp_path, "tools", "run", "name_colours", f"image={picture}", "most=3", "--json")
    )
    assert len(answer["result"]["colours"]) == 3
    assert answer["receipts"][0]["model"] == "median-cut"


def test_the_planner_and_the_api_know_the_tool(installed: Path, tmp_path: Path) -> None:
    program = """
from agent.app import offered_tools
from graphs.chat_planner import _system_prompt
from server.app import create_app
assert "name_colours(image) -> facts: Name the main colours of a picture." in _system_prompt(offered_tools())
assert "/api/tools/name_colours" in create_app().openapi()["paths"]
"""
    env = os.environ | {"PYTHONPATH": str(installed), "SENSORIUM_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env, check=True)


class Point:
    """An entry point as `importlib.metadata` gives it."""

    def __init__(self, name: str, found: object) -> None:
        self.name = self.value = name
        self._found = found

    def load(self) -> object:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


def test_a_package_that_is_broken_does_not_keep_the_others_from_working(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    points = [Point("bad", ImportError("no such module")), Point("odd", [7]), Point("thief", BUILT_IN[0])]
    points.append(Point("plain", len))
    monkeypatch.setattr(metadata, "entry_points", lambda group: points)
    assert offered_tools() == BUILT_IN
    assert "no such module" in caplog.text
    assert "no tool" in caplog.text
    assert "its name is taken" in caplog.text


@pytest.mark.parametrize("value", ["not_installed_here.catalogs:X", "not_installed_here:X", "json:X"])
def test_a_catalog_that_is_not_there_does_not_keep_the_others_from_working(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    point = metadata.EntryPoint("gone", value, "sensorium.catalogs")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
    assert plugin_catalogs() == ()
    assert f"The catalog of {value} can't be found" in caplog.text
