"""A chat engine that breaks, before its first word or after some, until a file says that it is mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from engines.errors import EngineError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken
from engines.protocols import ChatReply, ChatRequest

ENTRY = """
[[model]]
id = "broken"
title = "The broken one"
capability = "chat"
engine = "broken_chat:BrokenChat"
licence = "Apache-2.0"
chat = {{ skill = 90 }}
planning = {planning}
options = {{ mended = {mended}, words = {words} }}
"""


class BrokenChat:
    """``options.words`` are said first; once the file ``options.mended`` is there, it answers "Mended."."""

    capability: ClassVar[str] = "chat"
    context_tokens = 8192

    def __init__(self, context: LoadContext) -> None:
        self._words: list[str] = context.entry.options["words"]
        self._mended = Path(context.entry.options["mended"])

    def close(self) -> None:
        """Nothing to free."""

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def complete(
        self,
        request: ChatRequest,
        *,
        on_token: Callable[[str], None] | None = None,
        cancel: CancelToken = NEVER,
    ) -> ChatReply:
        if request.json_schema is not None and (self._words or self._mended.exists()):
            return ChatReply('{"tool": "answer"}', "stop", 1, 1)
        said = ["Mended. "] if self._mended.exists() else self._words
        for word in said:
            if on_token:
                on_token(word)
        if not self._mended.exists():
            raise EngineError("the cable is cut.")
        return ChatReply("".join(said), "stop", 1, 1)


def add_broken(home: Path, *, words: list[str] | None = None, planning: str = "schema") -> Path:
    """Add it to the catalog that `scripted_chat.write_script` wrote. Returns the file that mends it."""
    mended = home / "mended"
    with (home / "catalog.toml").open("a", encoding="utf-8") as catalog:
        values = {"mended": str(mended), "words": words or [], "planning": planning}
        catalog.write(ENTRY.format(**{name: json.dumps(value) for name, value in values.items()}))
    return mended
