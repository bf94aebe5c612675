"""From what a chat model decided to a step of the plan: every argument comes from somewhere, nothing is done twice.

Shared by every way of asking a model (`graphs.chat_planner`, `graphs.native_planner`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphs.naming import is_named, spaced_words
from graphs.plan import STEP_REFERENCE, Request, candidates, literal
from graphs.schema import ANSWER
from memory.events import PlannedStep
from tools.spec import ToolSpec


class Grounding:
    """Turns decisions about one request into steps. ``notes`` says what was mended or left out on the way."""

    def __init__(self, tools: Mapping[str, ToolSpec], request: Request) -> None:
        self._tools = tools
        self._request = request
        self.notes: list[str] = []

    def step(self, decision: Mapping[str, Any], steps: Sequence[PlannedStep]) -> PlannedStep | None:
        """``{"tool": ..., argument: ...}`` as the step after ``steps``; None: it is the end, or was left out."""
        tool = str(decision.get("tool"))
        if tool == ANSWER or tool not in self._tools:
            return None
        spec = self._tools[tool]
        args = {
            name: value
            for name, value in decision.items()
            if name != "tool" and value is not None and _is_asked_for(spec, name, value, self._request)
        }
        args = self._grounded(spec, args, steps)
        texts = candidates("text", self._request.offers, self._request.usable(steps), self._tools)
        kinds = spec.media_parameters
        if any(kinds.get(k) == "text" and STEP_REFERENCE.match(str(v)) and v not in texts for k, v in args.items()):
            self.notes.append(f"{tool} was left out: there is no text for it yet.")
            return None
        if any(step.tool == tool and step.args == args for step in steps):
            self.notes.append(f"A second call of {tool} with the same arguments was left out.")
            return None
        return PlannedStep(id=f"${len(steps) + 1}", tool=tool, args=args)

    def _grounded(self, spec: ToolSpec, args: dict[str, Any], steps: Sequence[PlannedStep]) -> dict[str, Any]:
        """Text must come from somewhere. One that neither the message nor the conversation holds, while an earlier step
        gives text, is a guess of that step's result: refer to the step instead. A reference to a step that is not
        there (text is free, so a schema can't forbid it) becomes one to whatever text there is.
        """
        request = self._request
        for name, kind in spec.media_parameters.items():
            value = args.get(name)
            if kind != "text" or not isinstance(value, str):
                continue
            names = candidates("text", request.offers, request.usable(steps), self._tools)
            dangling = STEP_REFERENCE.match(value) is not None
            if dangling and value not in names and value in request.message:  # "$5" is an amount there, and no step
                args = {**args, name: literal(value)}
                continue
            if value in names or (not dangling and _holds(f"{request.before} {request.message}", value)):
                continue
            fitting = names if dangling else [name for name in names if STEP_REFERENCE.match(name)]
            if fitting:
                self.notes.append(f"{spec.name} gets {fitting[0]} for its {name}.")
                args = {**args, name: fitting[0]}
        return args


def _is_asked_for(spec: ToolSpec, name: str, value: object, request: Request) -> bool:
    """Whether an option that must be named is, by its own name or its value's."""
    said = f"{request.before} {request.message}"
    return not spec.must_be_named(name) or is_named(name.rstrip("s"), said) or is_named(str(value), said)


def _holds(text: str, part: str) -> bool:
    """Whether ``part`` stands in ``text``, apart from case, spaces and punctuation."""
    return spaced_words(part) in spaced_words(text)
