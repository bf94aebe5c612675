"""A stand-in for an Ollama server: /api/tags, /api/chat and /api/pull over the embedded model. It is not Ollama.

It speaks Ollama's protocol. A request with tools is decoded to their schema, because the embedded model calls no tools
by itself: it must call one, and once a call has been answered it may say something instead. Pictures are taken in and
not looked at; a pull moves no bytes, it only counts them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from engines.errors import SensoriumError
from engines.protocols import Chat, ChatReply, ChatRequest, ChatTurn

MODEL = "stand-in:latest"
LAYERS = {"sha256:weights": 4_000_000, "sha256:template": 1_000}


class Seen:
    """What was asked of the server."""

    def __init__(self) -> None:
        self.models = [MODEL]
        self.images = 0


@contextmanager
def serve(engine: Chat, seen: Seen | None = None) -> Iterator[str]:
    """The server's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(engine, seen or Seen()))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(engine: Chat, seen: Seen) -> type[BaseHTTPRequestHandler]:  # noqa: C901 # a class in a function
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._json(200, {"models": [{"name": name, "model": name} for name in seen.models]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/api/pull":
                self._pull(asked["model"])
                return
            seen.images += sum(len(turn.get("images") or ()) for turn in asked["messages"])
            if asked["model"] != MODEL:
                self._json(404, {"error": f"model {asked['model']!r} not found"})
                return
            try:
                if asked.get("tools"):
                    reply = engine.complete(_request(asked))
                    self._line(_tool_call(reply) | _done(reply))
                    return
                reply = engine.complete(_request(asked), on_token=lambda piece: self._line(_message(piece)))
            except SensoriumError as error:
                self._json(error.http_status, {"error": str(error).replace("tokens long", "tokens: context length")})
            except OSError:
                return  # the client went away
            else:
                self._line(_message("") | _done(reply))

        def _pull(self, name: str) -> None:
            if name == "no-such":
                self._line({"error": "pull model manifest: file does not exist"})
                return
            self._line({"status": "pulling manifest"})
            for digest, size in LAYERS.items():
                for done in (0, size // 2, size):
                    self._line({"status": f"pulling {digest}", "digest": digest, "total": size, "completed": done})
            self._line({"status": "success"})
            seen.models.append(f"{name}:latest")

        def log_message(self, *_: Any) -> None: ...

        _begun = False

        def _line(self, row: dict[str, Any]) -> None:
            if not self._begun:
                self._begun = True
                self.send_response(200)
                self.send_header("content-type", "application/x-ndjson")
                self.end_headers()
            self.wfile.write(json.dumps(row).encode() + b"\n")
            self.wfile.flush()

        def _json(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _request(asked: dict[str, Any]) -> ChatRequest:
    options = asked.get("options", {})
    return ChatRequest(
        messages=_turns(asked),
        max_tokens=options["num_predict"],
        temperature=options["temperature"],
        seed=options["seed"],
        stop=options.get("stop", ()),
        json_schema=_schema_of_tools(asked) if asked.get("tools") else asked.get("format"),
    )


def _printed(turn: dict[str, Any]) -> str:
    """The calls of an earlier reply, as the model wrote them."""
    return "\n".join(json.dumps(call["function"]) for call in turn.get("tool_calls") or ())


def _turns(asked: dict[str, Any]) -> list[ChatTurn]:
    turns = [ChatTurn(turn["role"], turn.get("content") or _printed(turn)) for turn in asked["messages"]]
    if tools := "\n".join(json.dumps(tool["function"]) for tool in asked.get("tools") or ()):
        turns.insert(0, ChatTurn("system", f"Tools:\n{tools}"))
    return turns


def _schema_of_tools(asked: dict[str, Any]) -> dict[str, Any]:
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool["function"]["name"]}, "arguments": tool["function"]["parameters"]},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in asked["tools"]
    ]
    said = {"type": "object", "properties": {"content": {"const": "done"}}, "required": ["content"]}
    has_answers = any(turn["role"] == "tool" for turn in asked["messages"])
    return {"anyOf": [*calls, said] if has_answers else calls}


def _tool_call(reply: ChatReply) -> dict[str, Any]:
    written = json.loads(reply.text)
    row = _message(written.get("content", ""))
    if "name" in written:
        row["message"]["tool_calls"] = [{"function": written}]
    return row


def _message(text: str) -> dict[str, Any]:
    return {
        "model": MODEL,
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": text},
        "done": False,
    }


def _done(reply: ChatReply) -> dict[str, Any]:
    return {
        "done": True,
        "done_reason": reply.finish_reason,
        "prompt_eval_count": reply.prompt_tokens,
        "eval_count": reply.completion_tokens,
    }
