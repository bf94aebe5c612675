"""``sensorium models``, driven as a user does, with a tiny model of the user's own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from live_server import serving

from agent.cli.models import models

DATA = os.urandom(1000)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SENSORIUM_HOME whose catalog has ``tiny``, copied from a folder in two names."""
    for name in [name for name in os.environ if name.startswith("SENSORIUM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    (tmp_path / "origin").mkdir()
    (tmp_path / "origin" / "weights").write_bytes(DATA)
    (tmp_path / "catalog.toml").write_text(
        f"""
[[model]]
id = "tiny"
title = "A tiny model"
capability = "chat"
engine = "nowhere:Nothing"
licence = "MIT"
licence_note = "Nothing to mind."
memory_mb = 7
extra = "none-such"
quality = {{ figure = "1 of 1", where = "measured at home" }}

[[model.files]]
name = "model.bin"
bytes = 1000
sha256 = "{hashlib.sha256(DATA).hexdigest()}"

[[model.sources]]
kind = "path"
folder = "origin"
files = {{ "model.bin" = "weights" }}
""",
        "utf-8",
    )
    return tmp_path


def run(*args: str, answer: str = "") -> Result:
    return CliRunner().invoke(models, args, input=answer)


def state_of(model_id: str) -> str:
    rows = json.loads(run("list", "--json").output)
    return next(row["state"] for row in rows if row["id"] == model_id)


def test_list_says_what_each_model_needs(home: Path) -> None:
    assert state_of("tiny") == "needs weights"
    assert state_of("openai-compatible") == "needs setting"
    assert state_of("qwen2.5-coder-1.5b") == "needs weights"
    assert state_of("nanodet-416") == "ready"


def test_list_is_a_table_for_people(home: Path) -> None:
    line = next(line for line in run("list").output.splitlines() if " tiny " in line)
    assert line.split() == ["chat", "tiny", "1.0", "kB", "7", "MB", "MIT", "needs", "weights"]


def test_a_missing_extra_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["no-such-package>=1 ; extra == 'none-such'"])
    run("pull", "tiny")
    assert state_of("tiny") == "needs extra"
    assert "needs extra: none-such" in run("list").output


def test_show_tells_licence_quality_and_sources(home: Path) -> None:
    shown = run("show", "tiny").output
    for fact in ("A tiny model", "MIT", "Nothing to mind.", "1 of 1 (measured at home)", "origin", "sha256"):
        assert fact in shown
    data = json.loads(run("show", "tiny", "--json").output)
    assert data["quality"] == {"figure": "1 of 1", "where": "measured at home"}
    assert data["state"] == "needs weights"


def test_pull_verify_damage_mend_remove(home: Path) -> None:
    pulled = run("pull", "tiny")
    assert pulled.exit_code == 0
    assert "ready in" in pulled.output
    assert state_of("tiny") == "ready"
    assert {"nanodet-416: ok", "tiny: ok"} <= set(run("verify").output.splitlines())

    path = home / "models" / "tiny" / "model.bin"
    path.write_bytes(DATA[::-1])
    damaged = run("verify", "tiny")
    assert "Run: sensorium models pull tiny" in str(damaged.exception)
    assert run("pull", "tiny").exit_code == 0
    assert path.read_bytes() == DATA

    assert run("remove", "tiny", answer="n\n").exit_code == 1
    assert path.exists()
    assert "1.0 kB freed" in run("remove", "tiny", "--yes").output
    assert not path.exists()


def test_one_model_that_fails_does_not_hold_up_the_others(home: Path) -> None:
    (home / "catalog.toml").write_text(
        (home / "catalog.toml").read_text("utf-8")
        + (home / "catalog.toml").read_text("utf-8").replace('"tiny"', '"lost"').replace('"origin"', '"nowhere"'),
        "utf-8",
    )
    result = run("pull", "lost", "tiny")
    assert "lost could not be fetched" in str(result.exception)
    assert state_of("tiny") == "ready"


def test_nothing_is_fetched_for_a_remote_model(home: Path) -> None:
    assert "nothing to fetch" in run("pull", "ollama").output


def test_files_that_ship_with_the_project_are_not_removed(home: Path) -> None:
    assert "left alone" in run("remove", "nanodet-416", "--yes").output
    assert state_of("nanodet-416") == "ready"


def test_a_folder_of_the_users_own_is_not_called_verified(home: Path) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "model_index.json").write_text("{}")
    with (home / "catalog.toml").open("a") as catalog:
        catalog.write(
            '[[model]]\nid = "mine"\ntitle = "Mine"\ncapability = "draw"\nengine = "x:Y"\nlicence = "MIT"\n'
            'snapshot = { folder = "mine" }\n'
        )
    assert run("verify", "mine").output == f"mine: {home}/mine is a folder of yours, nothing to compare it with\n"


def test_ps_says_plainly_when_no_server_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SENSORIUM_PORT", str(free.getsockname()[1]))
        result = run("ps")
    assert "No server runs at" in str(result.exception)
    assert "sensorium serve" in str(result.exception)


@contextlib.contextmanager
def server_that_answers(body: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("SENSORIUM_PORT", str(server.server_address[1]))
        yield asked
        server.shutdown()
        thread.join()


def test_ps_shows_what_the_server_has_loaded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"model": "tiny", "capability": "chat", "state": "ready", "users": 2}
    row |= {"memory_mb": 1850.4, "pinned": True, "idle_seconds": 3.2}
    with server_that_answers(json.dumps({"models": [row]}).encode(), monkeypatch) as asked:
        line = next(line for line in run("ps").output.splitlines() if "tiny" in line)
        assert line.split() == ["tiny", "chat", "ready", "(pinned)", "2", "1850", "MB", "3", "s"]
        assert json.loads(run("ps", "--json").output) == [row]
    assert asked == ["/api/models/loaded"] * 2


def test_ps_understands_the_real_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(home, []) as address:
        monkeypatch.setenv("SENSORIUM_PORT", address.rpartition(":")[2])
        assert run("ps").output == "The server has no model loaded.\n"
        assert json.loads(run("ps", "--json").output) == []


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"tools": []}', b'"models"'])
def test_ps_with_another_program_on_the_port_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    with server_that_answers(answer, monkeypatch):
        assert "is not this version's server" in str(run("ps").exception)
