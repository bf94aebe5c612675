"""Stands before a real server and is as unreliable as networks are: busy, silent, or gone in mid-answer."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Proxy:
    """What the next requests meet; afterwards it passes them on."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.address = ""
        self.busy = 0
        """So many requests are answered with 503."""
        self.dropped = 0
        """So many connections are closed without a word."""
        self.silent = threading.Event()
        """While it is set, nothing is answered."""
        self.over = threading.Event()
        self.requests: list[bytes] = []


@contextmanager
def before(target: str) -> Iterator[Proxy]:
    proxy = Proxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    proxy.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        proxy.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:  # noqa: C901 # a class in a function
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            proxy.requests.append(body)
            if proxy.silent.is_set():
                proxy.over.wait(30)
                return
            if proxy.dropped:
                proxy.dropped -= 1
                self.close_connection = True
                return
            if proxy.busy:
                proxy.busy -= 1
                self.send_response(503)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            self._answer(body)

        def _answer(self, body: bytes) -> None:
            onward = http.client.HTTPConnection(str(proxy.target.hostname), proxy.target.port, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
            onward.request(self.command, self.path, body, headers)
            answer = onward.getresponse()
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers.get("content-type", ""))
            self.end_headers()
            try:
                while chunk := answer.read1(4096):
                    self.wfile.write(chunk)
                    self.wfile.flush()
            except OSError:
                pass  # the client went away
            onward.close()

        def log_message(self, *_: Any) -> None: ...

    return Handler
