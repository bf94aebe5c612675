"""A scripted chat model with a small window that counts tokens strictly, keeps notes, and tells what it was shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripted_chat import ScriptedChat

from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken
from engines.protocols import ChatReply, ChatRequest

ENTRY = """
[[model]]
id = "small"
title = "A script with a small window"
capability = "chat"
engine = "small_chat:SmallChat"
licence = "Apache-2.0"
default = true
concurrency = 4
options = {{ script = {script}, context_tokens = {window}, shown = {shown}, notes = {notes} }}
"""

_TOKEN = re.compile(r"\w{1,5}|[^\w\s]")


class SmallChat(ScriptedChat):
    """Notes are the lines in which ``options.notes`` stands; where that is empty it breaks instead of taking notes.

    Every prompt becomes a line of the file ``options.shown``: ``{"lane", "tokens", "text"}``.
    """

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        self.context_tokens = int(context.entry.options["context_tokens"])  # type: ignore[misc]  # the parent's is fixed
        self._shown = Path(context.entry.options["shown"])
        self._notes = str(context.entry.options["notes"])

    def count_tokens(self, text: str) -> int:
        return len(_TOKEN.findall(text))

    def complete(
        self,
        request: ChatRequest,
        *,
        on_token: Callable[[str], None] | None = None,
        cancel: CancelToken = NEVER,
    ) -> ChatReply:
        text = "\n".join(turn.content for turn in request.messages)
        with self._shown.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"lane": request.lane, "tokens": self.count_tokens(text), "text": text}) + "\n")
        if request.lane != "condense":
            return super().complete(request, on_token=on_token, cancel=cancel)
        if not self._notes:
            raise RuntimeError("out of order")
        notes = [line for line in request.messages[-1].content.splitlines() if self._notes in line]
        return self._reply(request, "\n".join(dict.fromkeys(line.removeprefix("user: ") for line in notes)))


def write_small_script(home: Path, rules: list[dict[str, Any]], *, window: int, notes: str) -> Path:
    """Make it the default chat model of what runs with ``SENSORIUM_HOME=home``; returns the file of its prompts."""
    script, shown = home / "script.json", home / "shown.jsonl"
    script.write_text(json.dumps(rules), "utf-8")
    paths = {"script": json.dumps(str(script)), "shown": json.dumps(str(shown))}
    (home / "catalog.toml").write_text(ENTRY.format(window=window, notes=json.dumps(notes), **paths), "utf-8")
    return shown


def prompts(shown: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shown.read_text("utf-8").splitlines()]
