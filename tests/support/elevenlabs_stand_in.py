"""A stand-in for ElevenLabs on this machine: it speaks the few routes of its API that the engines use.

It is not the service: what it answers was written down from the service's documentation and its Python library.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

KEY = "sk_0123456789abcdef"


@dataclass
class StandIn:
    """What it was asked, what it keeps, and how it fails: ``failures`` maps a route's name to (code, detail)."""

    url: str = ""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    cloned: dict[str, bytes] = field(default_factory=dict)
    failures: dict[str, tuple[int, Any]] = field(default_factory=dict)
    silent_after: int | None = None
    """Chunks after which the stream stops coming, without ending."""
    chunks: int = 5
    verification: bool = False
    loses_answers: bool = False
    """It makes a voice, and the connection breaks before it says so."""
    titles: dict[str, str] = field(default_factory=dict)
    """What the cloned voices are called."""
    ended: threading.Event = field(default_factory=threading.Event)

    def names(self) -> list[str]:
        return [name for name, _, _ in self.asked]


@contextmanager
def stand_in() -> Iterator[StandIn]:
    state = StandIn()

    class Handler(_Handler):
        service = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    service: StandIn

    def do_GET(self) -> None:
        if self._begins("voices", None):
            labels = {"gender": "female", "accent": "british", "language": "en"}
            voices = [
                {"voice_id": "v1", "name": "Alice", "labels": labels},
                {"voice_id": "v2", "name": "Pablo", "labels": {"gender": "male", "language": "es"}},
            ]
            cloned = [{"voice_id": key, "name": self.service.titles[key]} for key in self.service.cloned]
            self._answer(200, {"voices": voices + cloned})

    def do_DELETE(self) -> None:
        voice = self.path.rpartition("/")[2]
        if self._begins("delete", voice):
            self._answer(200 if self.service.cloned.pop(voice, None) else 404, {"status": "ok"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/v1/voices/add"):
            if self._begins("add", None):
                voice = f"clone{len(self.service.cloned)}"
                self.service.cloned[voice] = self._upload(body)
                self.service.titles[voice] = (re.findall(rb'name="name"\r\n\r\n(.*?)\r\n', body) or [b""])[0].decode()
                if self.service.loses_answers:
                    self.close_connection = True
                    return
                self._answer(200, {"voice_id": voice, "requires_verification": self.service.verification})
        elif found := re.match(r"/v1/text-to-speech/(\w+)/stream\?output_format=pcm_24000$", self.path):
            if self._begins("speak", {"voice": found[1], **json.loads(body)}):
                self._stream()
        else:
            self._answer(404, {"detail": {"status": "not_found", "message": "no such route"}})

    def _begins(self, name: str, what: Any) -> bool:
        """Whether the request goes on: its key is right, and no failure was ordered for it."""
        self.service.asked.append((name, self.path, what))
        if self.headers.get("xi-api-key") != KEY:
            message = f"Invalid API key {self.headers.get('xi-api-key')}"
            self._answer(401, {"detail": {"status": "invalid_api_key", "message": message}})
            return False
        if name in self.service.failures:
            code, detail = self.service.failures[name]
            self._answer(code, {"detail": detail})
            return False
        return True

    def _upload(self, body: bytes) -> bytes:
        """The file in a form."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(head + body).get_payload()
        files = [part for part in parts if part.get_filename()]  # type: ignore[union-attr]  # a form has parts
        data: bytes = files[0].get_payload(decode=True)  # type: ignore[union-attr,assignment]  # and they are bytes
        return data

    def _stream(self) -> None:
        """Half a second of a tone in pieces that cut samples in two."""
        tone = (np.sin(np.arange(12_000) * 440 * 2 * np.pi / 24_000) * 12_000).astype("<i2").tobytes()
        self.send_response(200)
        self.end_headers()
        step = len(tone) // self.service.chunks + 1
        for number in range(self.service.chunks):
            if number == self.service.silent_after:
                self.service.ended.wait()
                return
            self.wfile.write(tone[number * (step | 1) : (number + 1) * (step | 1)])
            self.wfile.flush()
            time.sleep(0.005)

    def _answer(self, code: int, what: Any) -> None:
        data = json.dumps(what).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Quiet."""
