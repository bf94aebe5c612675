"""Planning by native tool calling, for chat models that are good at it: round by round, until a reply calls nothing.

Calls of one reply become steps side by side; each is answered by the name of its result, which later calls refer to.
A model that prints its calls instead (`graphs.printed_calls`) is understood all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

from engines.errors import PlanError
from engines.text.structured import with_call_options
from graphs.asking import MAX_STEPS, asked_again, require_whole, shown_outcome, with_usage_of
from graphs.fitting import UnfitError, fitted
from graphs.grounding import Grounding
from graphs.plan import Done, Plan, Request
from graphs.printed_calls import arguments_of, printed_calls
from graphs.schema import ANSWER, Choices, next_step_schema
from memory.events import PlannedStep, Usage
from tools.spec import ToolSpec

PROMPT = Path(__file__).with_name("prompts") / "plan_tools.md"


@dataclass(frozen=True, slots=True)
class _Called:
    """A call of a reply. ``id`` is None for one that was printed."""

    decision: dict[str, Any]
    id: str | None


class NativePlanner:
    """Makes plans with any LangChain chat model that has ``bind_tools``."""

    def __init__(self, tools: Sequence[ToolSpec], choices: Choices) -> None:
        self._tools = {spec.name: spec for spec in tools}
        self._choices = choices
        self._system = SystemMessage(PROMPT.read_text("utf-8").strip())

    async def plan(self, request: Request, model: BaseChatModel, *, wrong: str = "") -> tuple[Plan, Usage]:
        """``wrong``: what was wrong with the plan before.

        Raises PlanError when the model can't be told of tools, or its calls were cut off.
        """
        messages: list[BaseMessage] = [self._system, HumanMessage(asked_again(request, wrong)), *_history(request.done)]
        grounding = Grounding(self._tools, request)
        steps = [item.step for item in request.done]
        usage = Usage()
        while len(steps) < MAX_STEPS:
            reply = await self._ask(model, messages, self._schema(request, steps))
            usage = with_usage_of(usage, reply)
            before = len(steps)
            answers = [
                (call, self._answer(call.decision, request, grounding, steps))
                for call in _calls(reply, self._tools.keys())
            ]
            if len(steps) == before:
                break  # it called nothing, or nothing new
            messages += [reply, *_messages(answers)]
        else:
            grounding.notes.append(f"Stopped after {MAX_STEPS} steps.")
        return Plan(steps=tuple(steps), notes=tuple(grounding.notes)), usage

    def _schema(self, request: Request, steps: Sequence[PlannedStep]) -> dict[str, Any]:
        return next_step_schema(self._tools, request.offers, request.usable(steps), self._choices)

    async def _ask(self, model: BaseChatModel, messages: list[BaseMessage], schema: Mapping[str, Any]) -> AIMessage:
        functions = list(functions_of(schema, self._tools))
        if not functions:
            return AIMessage("")
        try:
            told = model.bind_tools(functions)
        except NotImplementedError as error:
            raise PlanError(
                "This chat model can't be told of tools.",
                fix='Let it plan by "schema" or "text": the setting planning.',
            ) from error
        reply = await with_call_options(model, told, lane="plan").ainvoke(messages)
        require_whole(reply)
        return reply

    def _answer(
        self, decision: Mapping[str, Any], request: Request, grounding: Grounding, steps: list[PlannedStep]
    ) -> str:
        """Add the call to ``steps`` if it fits; what the model is told of it."""
        if len(steps) == MAX_STEPS:
            return "Left out: the plan is long enough."
        known = len(grounding.notes)
        try:
            step = grounding.step(fitted(decision, self._schema(request, steps), grounding.notes), steps)
        except UnfitError as error:
            grounding.notes.append(str(error))
            step = None
        if step is None:
            return " ".join(grounding.notes[known:]) or "Left out."
        steps.append(step)
        return f'Planned as {step.id}. Where a later call works on its result, write "{step.id}".'


def functions_of(schema: Mapping[str, Any], tools: Mapping[str, ToolSpec]) -> Iterator[dict[str, Any]]:
    """The next step's schema as functions for ``bind_tools``: one a tool, also where it has several forms."""
    forms: dict[str, list[Mapping[str, Any]]] = {}
    for form in schema["anyOf"]:
        forms.setdefault(form["properties"]["tool"]["const"], []).append(form)
    forms.pop(ANSWER, None)
    for name, of_tool in forms.items():
        properties = {
            key: _property(value) for form in of_tool for key, value in form["properties"].items() if key != "tool"
        }
        required = [key for key in properties if all(key in form["required"] for form in of_tool)]
        purpose = tools[name].purpose
        if one_of := [key for key in properties if key in tools[name].one_of and key not in required]:
            purpose += f" Give either {' or '.join(one_of)}."
        parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        yield {"type": "function", "function": {"name": name, "description": purpose, "parameters": parameters}}


def _history(done: Sequence[Done]) -> Iterator[BaseMessage]:
    """Steps that have run, as calls of the model's own, each answered by what came of it."""
    for item in done:
        name = f"done_{item.step.id.lstrip('$')}"
        yield AIMessage("", tool_calls=[ToolCall(name=item.step.tool, args=dict(item.step.args), id=name)])
        told = f"Planned as {item.step.id}, and carried out: {shown_outcome(item.outcome)}"
        yield ToolMessage(told, tool_call_id=name, name=item.step.tool)


def _property(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter as models know them from their training: it has a type, and no alternatives; small ones copy those
    into the call. `graphs.fitting` checks what they write against the schema itself.
    """
    names = [name for option in schema.get("anyOf", ()) for name in option.get("enum", ())]
    if names:
        longest = next(option["maxLength"] for option in schema["anyOf"] if "maxLength" in option)
        told = f"the text itself, or a name that stands for it: {', '.join(names)}"
        return {"type": "string", "maxLength": longest, "description": told}
    return {"type": "string", **schema} if "enum" in schema else dict(schema)


def _calls(reply: AIMessage, tools: Collection[str]) -> list[_Called]:
    """The calls of a reply, native ones first; those whose arguments are no strict JSON are read tolerantly."""
    called = [_Called({**call["args"], "tool": call["name"]}, call["id"]) for call in reply.tool_calls]
    for call in reply.invalid_tool_calls:
        args = arguments_of(call["args"] or "{}") or {}
        called.append(_Called({**args, "tool": call["name"]}, call["id"]))
    if called:
        return called
    return [_Called({**call.args, "tool": call.tool}, None) for call in printed_calls(reply.text, tools)]


def _messages(answers: Sequence[tuple[_Called, str]]) -> Iterator[BaseMessage]:
    """A message for each native call, as their protocol wants it; one for all that were printed."""
    printed = [f"{call.decision['tool']}: {told}" for call, told in answers if call.id is None]
    for call, told in answers:
        if call.id is not None:
            yield ToolMessage(told, tool_call_id=call.id, name=str(call.decision["tool"]))
    if printed:
        yield HumanMessage("\n".join([*printed, "Next?"]))
