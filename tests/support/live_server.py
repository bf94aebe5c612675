"""The real server on a free loopback port, with a script for a chat model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from scripted_chat import write_script

from agent.cli.serve import listen
from server.app import create_app

MEDIA = Path(__file__).parents[1] / "media"

HELLO = {"when": "Hello", "answer": "Hello, I am Sensorium."}
PEOPLE = {
    "when": "How many people",
    "calls": [{"tool": "detect_objects", "image": "astronaut.jpg", "target": "person"}],
    "answer": "See: {results}",
}
SLOW = {"when": "slowly", "answer": " ".join(f"word{n}" for n in range(40)), "token_seconds": 0.05}
ENDLESS = {"when": "endlessly", "answer": " ".join(f"word{n}" for n in range(10_000)), "token_seconds": 0.05}


@contextmanager
def serving(
    home: Path, rules: list[dict[str, Any]], *, prepare: Callable[[Path], object] = lambda home: None
) -> Iterator[str]:
    """The server's address. ``SENSORIUM_HOME`` must name ``home``; ``prepare`` adds to it before the server starts."""
    write_script(home, rules)
    prepare(home)
    listener = listen("127.0.0.1", 0, setting="port")
    server = uvicorn.Server(
        uvicorn.Config(create_app(), log_level="warning", timeout_graceful_shutdown=2, ws="none", lifespan="on")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
    assert not thread.is_alive()


class Api:
    """Short words for what tests ask of the server."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.http = httpx.Client(base_url=address, timeout=60, trust_env=False)

    def thread(self) -> str:
        return str(self.http.post("/api/threads").raise_for_status().json()["id"])

    def upload(self, name: str, data: bytes | None = None, mime: str = "application/octet-stream") -> dict[str, Any]:
        data = (MEDIA / name).read_bytes() if data is None else data
        answer = self.http.post("/api/artifacts", files={"file": (name, data, mime)}).raise_for_status()
        artifact: dict[str, Any] = answer.json()
        return artifact

    def start(self, message: str, *files: str, thread: str | None = None) -> str:
        body = {"message": message, "attachments": [self.upload(name)["id"] for name in files]}
        answer = self.http.post(f"/api/threads/{thread or self.thread()}/runs", json=body).raise_for_status()
        return str(answer.json()["run_id"])

    def stream(self, run_id: str, after: int = -1, stop_after: int | None = None) -> list[dict[str, Any]]:
        """Raw server-sent events as ``{"id", "event", "data"}``, to the end or up to so many."""
        headers = {"Last-Event-ID": str(after)} if after >= 0 else {}
        found: list[dict[str, Any]] = []
        with self.http.stream("GET", f"/api/runs/{run_id}/events", headers=headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            for event in _parsed(response.iter_lines()):
                found.append(event)
                if len(found) == stop_after:
                    break
        return found

    def run_to_end(self, message: str, *files: str, thread: str | None = None) -> list[dict[str, Any]]:
        """The data of every event."""
        return [event["data"] for event in self.stream(self.start(message, *files, thread=thread))]


def _parsed(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name in {"id", "event"}:
            event[name] = value
        elif name == "data":
            event["data"] = json.loads(value)
        elif not line and "data" in event:
            yield event
            event = {}
