"""Stand-ins, on loopback, for servers that can't be had in a test. They are not the real ones: they speak as much of
LibreTranslate's API, and of the page that deep-translator reads, as those projects document or parse.

Both "translate" by writing in capitals, with the target language before the text.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LANGUAGES = [
    {"code": "en", "name": "English", "targets": ["en", "es", "de", "nb", "zh-Hans"]},
    {"code": "es", "name": "Spanish", "targets": ["en", "es"]},
    {"code": "de", "name": "German", "targets": ["en", "de"]},
    {"code": "nb", "name": "Norwegian", "targets": ["en"]},
    {"code": "zh-Hans", "name": "Chinese", "targets": ["en"]},
]


@dataclass
class StandIn:
    """``key``: it refuses requests without it. ``hangs``: it never answers. ``broken``: it answers with nonsense."""

    url: str = ""
    key: str = ""
    hangs: bool = False
    status: int = 200
    broken: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    """What it was asked to translate."""
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Both of them at one address."""
    state = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: StandIn

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/languages":
            self._answer(200, json.dumps("?" if self.state.broken else LANGUAGES))
            return
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        self.state.asked.append(query)
        if not self._refused():
            said = escape(_translated(query["q"], query["tl"]))
            self._answer(200, "" if self.state.broken else f'<div class="result-container">{said}</div>')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.state.asked.append(body)
        if self.state.key and body.get("api_key") != self.state.key:
            self._answer(403, json.dumps({"error": "Invalid API key"}))
        elif not self._refused():
            said = [_translated(text, body["target"]) for text in body["q"]]
            self._answer(200, "<html>" if self.state.broken else json.dumps({"translatedText": said}))

    def _refused(self) -> bool:
        if self.state.hangs:
            self.state.over.wait()
            return True
        if self.state.status != 200:
            self._answer(self.state.status, json.dumps({"error": "Slow down."}))
        return self.state.status != 200

    def _answer(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def _translated(text: str, target: str) -> str:
    return f"{target}: {text.upper()}"
