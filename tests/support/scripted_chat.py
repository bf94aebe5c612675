"""A chat engine that follows a script, for tests that are about everything around the model.

It comes in by the door any third party's engine would use: an entry in the user's own catalog. A decision that the
turn's schema would not have let a real model make is an error, so a script can't hide a wrong schema.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
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
    """``options.script`` is a JSON file: a list of ``{"when", "calls", "again", "answer", "token_seconds"}``.

    The first rule whose ``when`` stands in the user's message is followed: its ``calls`` are the plan, its ``answer``
    is streamed word by word, ``token_seconds`` apart. ``again`` are the calls of the second plan, the third ..., which
    are made when a step came to nothing. In ``answer``, ``{results}`` stands for what the tools found, ``{memory}`` for
    what memory held. ``memories`` is what is read out of the turn afterwards; ``relation``, what a new memory does to
    an old one, for a rule whose ``when`` stands in the two.
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
            return self._reply(request, self._constrained(request, request.json_schema))
        rule = self._rule(request.messages[-1].content)
        results = request.messages[-1].content.partition("Results of the tools that ran for this message:\n")[2]
        known = request.messages[-1].content.partition("What you remember that may matter:\n")[2]
        answer = rule.get("answer", "Done.").replace("{results}", results).replace("{memory}", known)
        for word in answer.split(" "):
            cancel.check()
            time.sleep(rule.get("token_seconds", 0))
            if on_token:
                on_token(f"{word} ")
        cancel.check()
        return self._reply(request, f"{answer} ")

    def _constrained(self, request: ChatRequest, schema: Mapping[str, Any]) -> str:
        for key, nothing in (("memories", []), ("relation", "both")):
            if key in schema.get("properties", {}):
                reply = {key: self._rule(request.messages[-1].content).get(key, nothing)}
                jsonschema.validate(reply, schema)
                return json.dumps(reply)
        return self._decision(request)

    def _decision(self, request: ChatRequest) -> str:
        asked = max(i for i, turn in enumerate(request.messages) if "Request: " in turn.content)
        rule = self._rule(request.messages[asked].content.rpartition("Request: ")[2])
        plans = [rule.get("calls", []), *rule.get("again", [])]
        done = sum(turn.content.startswith("Outcome: ") for turn in request.messages[asked:])
        while done and plans:
            done -= len(plans.pop(0))
        calls = plans[0] if plans and not done else []
        last = max(i for i, turn in enumerate(request.messages) if "Outcome: " in turn.content or i == asked)
        step = sum(turn.role == "assistant" for turn in request.messages[last:])
        decision = calls[step] if step < len(calls) else {"tool": "answer"}
        jsonschema.validate(decision, request.json_schema)
        return json.dumps(decision)

    def _rule(self, message: str) -> dict[str, Any]:
        return next((rule for rule in self._rules if rule["when"] in message), {})

    def _reply(self, request: ChatRequest, text: str) -> ChatReply:
        prompt = sum(self.count_tokens(turn.content) for turn in request.messages)
        return ChatReply(text, "stop", prompt, self.count_tokens(text))


def write_script(home: Path, rules: list[dict[str, Any]]) -> None:
    """Make the script the default chat model, and the planner, of everything that runs with ``SENSORIUM_HOME=home``."""
    script = home / "script.json"
    home.mkdir(parents=True, exist_ok=True)
    script.write_text(json.dumps(rules), "utf-8")
    (home / "catalog.toml").write_text(ENTRY.format(script=json.dumps(str(script))), "utf-8")
    config = home / "sensorium.toml"
    if not config.exists():
        config.write_text('planner = "chat"\n', "utf-8")
