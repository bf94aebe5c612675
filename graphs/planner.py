"""The planner: one constrained decision at a time, until the model says that it can answer.

Each decision is a chat completion whose schema holds only what is possible now (`graphs.schema`). The conversation with
the model only ever grows at its end, so a backend that caches prompts pays for the long prefix once.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from engines.errors import PlanError
from engines.text.structured import structured
from graphs.naming import is_named
from graphs.offers import LONG_MESSAGE, WHOLE_MESSAGE
from graphs.plan import STEP_REFERENCE, Offer, Plan, candidates, problems
from graphs.schema import ANSWER, Choices, next_step_schema
from memory.events import PlannedStep, Usage
from tools.spec import ToolSpec

PROMPTS = Path(__file__).with_name("prompts")
MAX_STEPS = 8


@dataclass(frozen=True, slots=True)
class Request:
    """What the planner is asked: the message, what it may use, and a little of what was said before."""

    message: str
    offers: Sequence[Offer] = ()
    before: str = ""


class Planner:
    """Makes plans with any LangChain chat model that decodes to a JSON schema."""

    def __init__(self, tools: Sequence[ToolSpec], choices: Choices) -> None:
        self._tools = {spec.name: spec for spec in tools}
        self._choices = choices
        self._prefix = [SystemMessage(_system_prompt(tools)), *_examples(frozenset(self._tools))]

    async def plan(self, request: Request, model: BaseChatModel) -> tuple[Plan, Usage]:
        """Raises PlanError when the model gives what no check can pass."""
        messages: list[BaseMessage] = [*self._prefix, HumanMessage(_question(request))]
        steps: list[PlannedStep] = []
        notes: list[str] = []
        usage = Usage()
        while len(steps) < MAX_STEPS:
            schema = next_step_schema(self._tools, request.offers, steps, self._choices)
            decision, spent = await self._decide(model, messages, schema)
            usage = _sum(usage, spent)
            step = self._step(decision, f"${len(steps) + 1}", request, steps, notes)
            if step is None:
                break
            steps.append(step)
            messages += [AIMessage(json.dumps(decision, ensure_ascii=False)), HumanMessage("Next?")]
        else:
            notes.append(f"Stopped after {MAX_STEPS} steps.")
        notes += [
            f"Not used: {offer.name}."
            for offer in request.offers
            if steps
            and not offer.earlier
            and offer.kind != "text"  # the answering model reads texts itself
            and not any(offer.name in step.args.values() for step in steps)
        ]
        plan = Plan(steps=tuple(steps), notes=tuple(notes))
        if wrong := problems(plan, request.offers, self._tools):
            raise PlanError(
                f"The model made a plan that can't run: {wrong[0]}", fix="Say it in other words, or use a larger model."
            )
        return plan, usage

    async def _decide(
        self, model: BaseChatModel, messages: Sequence[BaseMessage], schema: dict[str, Any]
    ) -> tuple[dict[str, Any], Usage]:
        reply = await structured(model, schema, include_raw=True, lane="plan", shared=len(self._prefix)).ainvoke(
            list(messages)
        )
        if reply["parsing_error"] or not isinstance(reply["parsed"], dict):
            raise PlanError("The model did not keep to the plan's schema.", fix="Use another chat model: --model ID.")
        counts = reply["raw"].usage_metadata or {}
        return reply["parsed"], Usage(
            prompt_tokens=counts.get("input_tokens", 0), completion_tokens=counts.get("output_tokens", 0)
        )

    def _step(
        self,
        decision: Mapping[str, Any],
        step_id: str,
        request: Request,
        steps: Sequence[PlannedStep],
        notes: list[str],
    ) -> PlannedStep | None:
        """The decision as a step; None ends the plan."""
        tool = decision.get("tool")
        if tool == ANSWER or tool not in self._tools:
            return None
        args = {
            name: value
            for name, value in decision.items()
            if name != "tool" and value is not None and _is_asked_for(self._tools[tool], name, value, request)
        }
        args = self._grounded(self._tools[tool], args, request, steps, notes)
        texts = candidates("text", request.offers, steps, self._tools)
        kinds = self._tools[tool].media_parameters
        if any(kinds.get(k) == "text" and STEP_REFERENCE.match(str(v)) and v not in texts for k, v in args.items()):
            notes.append(f"{tool} was left out: there is no text for it yet.")
            return None
        if any(step.tool == tool and step.args == args for step in steps):
            notes.append(f"A second call of {tool} with the same arguments was left out.")
            return None
        return PlannedStep(id=step_id, tool=tool, args=args)

    def _grounded(
        self,
        spec: ToolSpec,
        args: dict[str, Any],
        request: Request,
        steps: Sequence[PlannedStep],
        notes: list[str],
    ) -> dict[str, Any]:
        """Text must come from somewhere. One that neither the message nor the conversation holds, while an earlier step
        gives text, is a guess of that step's result: refer to the step instead. A reference to a step that is not
        there (text is free, so a schema can't forbid it) becomes one to whatever text there is.
        """
        for name, kind in spec.media_parameters.items():
            value = args.get(name)
            if kind != "text" or not isinstance(value, str):
                continue
            names = candidates("text", request.offers, steps, self._tools)
            dangling = STEP_REFERENCE.match(value) is not None
            if value in names or (not dangling and _holds(f"{request.before} {request.message}", value)):
                continue
            fitting = names if dangling else [name for name in names if STEP_REFERENCE.match(name)]
            if fitting:
                notes.append(f"{spec.name} gets {fitting[0]} for its {name}.")
                args = {**args, name: fitting[0]}
        return args


def _is_asked_for(spec: ToolSpec, name: str, value: object, request: Request) -> bool:
    """Whether an option that must be named is, by its own name or its value's."""
    said = f"{request.before} {request.message}"
    return not spec.must_be_named(name) or is_named(name.rstrip("s"), said) or is_named(str(value), said)


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
    )


def _system_prompt(tools: Sequence[ToolSpec]) -> str:
    template = (PROMPTS / "plan.md").read_text("utf-8")
    return template.replace("{tools}", "\n".join(_signature(spec) for spec in tools)).strip()


def _signature(spec: ToolSpec) -> str:
    """``translate(text, target_language) -> text: Translate a text into another language.``"""
    names = _parameters(spec)
    gives = " and ".join(spec.produces) or "facts"
    return f"- {spec.name}({names}) -> {gives}: {spec.purpose}"


def _parameters(spec: ToolSpec) -> str:
    """``audio or video, language?``"""
    of = " or ".join(name for name in spec.parameters.model_fields if name in spec.one_of)
    shown = [name for name in spec.parameters.model_fields if spec.is_planned(name)]
    names = [name if name in spec.required else f"{name}?" for name in shown]
    return ", ".join([of, *names] if of else names)


def _examples(known: frozenset[str]) -> list[BaseMessage]:
    """The worked examples whose tools are all on offer, as a conversation."""
    messages: list[BaseMessage] = []
    for example in tomllib.loads((PROMPTS / "examples.toml").read_text("utf-8"))["example"]:
        calls: list[str] = example["calls"]
        if not {json.loads(call)["tool"] for call in calls} <= known:
            continue
        asked = _question_text(example.get("files", ""), "", example["request"])
        for call in calls:
            messages += [HumanMessage(asked), AIMessage(call)]
            asked = "Next?"
        messages += [HumanMessage(asked), AIMessage(json.dumps({"tool": ANSWER}, separators=(",", ":")))]
    return messages


def _question(request: Request) -> str:
    def listed(earlier: bool) -> str:
        return ", ".join(f"{offer.name} ({offer.kind})" for offer in request.offers if offer.earlier is earlier)

    before = "\n".join(part for part in (listed(True), request.before) if part)
    return _question_text(listed(False), before, _shortened(request.message))


def _question_text(files: str, before: str, message: str) -> str:
    lines = [f"Files: {files}"] if files else []
    if before:
        lines.append(f"Before:\n{before}")
    return "\n".join([*lines, f"Request: {message}"])


def _shortened(message: str) -> str:
    if len(message) <= LONG_MESSAGE:
        return message
    head, tail = message[: LONG_MESSAGE // 2], message[-LONG_MESSAGE // 2 :]
    return f"{head}\n[... the middle is left out; {WHOLE_MESSAGE} is the whole text ...]\n{tail}"


def _holds(text: str, part: str) -> bool:
    """Whether ``part`` stands in ``text``, apart from case, spaces and punctuation."""
    return _words(part) in _words(text)


def _words(text: str) -> str:
    words = re.findall(r"\w+", text.lower())
    return f" {' '.join(words)} "
