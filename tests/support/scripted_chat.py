"""A chat engine that follows a script, for tests that are about everything around the model.

It comes in by the door any third party's engine would use: an entry in the user's own catalog. A decision that the
turn's schema would not have let a real model make is an error, so a script can't hide a wrong schema.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import jsonschema

from engines.errors import ContextOverflowError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken
from engines.protocols import ChatReply, ChatRequest

ENTRY = """
[[model]]
id = "scripted"
title = "A script"
capability = "chat"
engine = "scripted_chat:ScriptedChat"
licence = "Apache-2.0"
default = true
concurrency = 4
options = {{ script = {script} }}
"""


class ScriptedChat:
    """``options.script`` is a JSON file: a list of ``{"when", "calls", "answer", "token_seconds"}``.

    The first rule whose ``when`` stands in the user's message is followed: its ``calls`` are the plan, its ``answer``
    is streamed word by word, ``token_seconds`` apart. In ``answer``, ``{results}`` stands for what the tools found.
    """

    capability: ClassVar[str] = "chat"
    context_tokens = 8192

    def __init__(self, context: LoadContext) -> None:
        self._rules: list[dict[str, Any]] = json.loads(Path(context.entry.options["script"]).read_text("utf-8"))

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
        asked = sum(self.count_tokens(turn.content) for turn in request.messages)
        if asked > self.context_tokens:
            raise ContextOverflowError(f"The prompt is {asked} tokens long; the script takes {self.context_tokens}.")
        if request.json_schema is not None:
            return self._reply(request, self._decision(request))
        rule = self._rule(request.messages[-1].content)
        results = request.messages[-1].content.partition("Results of the tools that ran for this message:\n")[2]
        answer = rule.get("answer", "Done.").replace("{results}", results)
        for word in answer.split(" "):
            cancel.check()
            time.sleep(rule.get("token_seconds", 0))
            if on_token:
                on_token(f"{word} ")
        cancel.check()
        return self._reply(request, f"{answer} ")

    def _decision(self, request: ChatRequest) -> str:
        asked = max(i for i, turn in enumerate(request.messages) if "Request: " in turn.content)
        calls = self._rule(request.messages[asked].content.rpartition("Request: ")[2]).get("calls", [])
        step = sum(turn.role == "assistant" for turn in request.messages[asked:])
        decision = calls[step] if step < len(calls) else {"tool": "answer"}
        jsonschema.validate(decision, request.json_schema)
        return json.dumps(decision)

    def _rule(self, message: str) -> dict[str, Any]:
        return next((rule for rule in self._rules if rule["when"] in message), {})

    def _reply(self, request: ChatRequest, text: str) -> ChatReply:
        prompt = sum(self.count_tokens(turn.content) for turn in request.messages)
        return ChatReply(text, "stop", prompt, self.count_tokens(text))


def write_script(home: Path, rules: list[dict[str, Any]]) -> None:
    """Make the script the default chat model of everything that runs with ``SENSORIUM_HOME=home``."""
    script = home / "script.json"
    home.mkdir(parents=True, exist_ok=True)
    script.write_text(json.dumps(rules), "utf-8")
    (home / "catalog.toml").write_text(ENTRY.format(script=json.dumps(str(script))), "utf-8")
