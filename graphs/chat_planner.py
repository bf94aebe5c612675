"""Planning with a chat model: one constrained decision at a time, until it says that it can answer.

Each decision is a chat completion whose schema holds only what is possible now (`graphs.schema`). The conversation with
the model only ever grows at its end, so a backend that caches prompts pays for the long prefix once. A model whose
server can't constrain decoding is asked the same, and what it prints is read (`graphs.printed_calls`) and brought to
the same schema (`graphs.fitting`).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from engines.errors import PlanError
from engines.text.structured import structured, with_call_options
from graphs.asking import MAX_STEPS, asked_again, question_text, require_whole, shown_outcome, with_usage_of
from graphs.fitting import UnfitError, fitted
from graphs.grounding import Grounding
from graphs.plan import Plan, Request
from graphs.printed_calls import printed_calls
from graphs.schema import ANSWER, Choices, next_step_schema
from memory.events import PlannedStep, Usage
from tools.spec import ToolSpec

PROMPTS = Path(__file__).with_name("prompts")


class ChatPlanner:
    """Makes plans with any LangChain chat model."""

    def __init__(self, tools: Sequence[ToolSpec], choices: Choices) -> None:
        self._tools = {spec.name: spec for spec in tools}
        self._choices = choices
        self._prefix = [SystemMessage(_system_prompt(tools)), *_examples(frozenset(self._tools))]

    async def plan(
        self, request: Request, model: BaseChatModel, *, constrained: bool = True, wrong: str = ""
    ) -> tuple[Plan, Usage]:
        """``wrong``: what was wrong with the plan before.

        Raises PlanError when the model does not keep to the schema, or its calls were cut off.
        """
        messages: list[BaseMessage] = [*self._prefix, HumanMessage(asked_again(request, wrong))]
        steps = [item.step for item in request.done]
        for item in request.done:
            call = json.dumps({"tool": item.step.tool, **item.step.args}, ensure_ascii=False)
            messages += [AIMessage(call), HumanMessage(f"Outcome: {shown_outcome(item.outcome)}\nNext?")]
        grounding = Grounding(self._tools, request)
        usage = Usage()
        goes_on = True
        while goes_on and len(steps) < MAX_STEPS:
            schema = self._schema(request, steps)
            decisions, reply = await (self._decide if constrained else self._read)(model, messages, schema)
            usage = with_usage_of(usage, reply)
            for decision in decisions[: MAX_STEPS - len(steps)]:
                fit = decision if constrained else self._fitted(decision, request, steps, grounding.notes)
                step = grounding.step(fit, steps)
                if step is None:
                    goes_on = False
                    break
                steps.append(step)
                messages += [AIMessage(json.dumps(fit, ensure_ascii=False)), HumanMessage("Next?")]
        if goes_on:
            grounding.notes.append(f"Stopped after {MAX_STEPS} steps.")
        return Plan(steps=tuple(steps), notes=tuple(grounding.notes)), usage

    def _schema(self, request: Request, steps: Sequence[PlannedStep]) -> dict[str, Any]:
        return next_step_schema(self._tools, request.offers, request.usable(steps), self._choices)

    async def _decide(
        self, model: BaseChatModel, messages: Sequence[BaseMessage], schema: dict[str, Any]
    ) -> tuple[Sequence[Mapping[str, Any]], AIMessage]:
        """The next call, from constrained decoding."""
        reply = await structured(model, schema, include_raw=True, lane="plan", shared=len(self._prefix)).ainvoke(
            list(messages)
        )
        if reply["parsing_error"] or not isinstance(reply["parsed"], dict):
            raise PlanError("The model did not keep to the plan's schema.", fix="Use another chat model: --model ID.")
        return [reply["parsed"]], reply["raw"]

    async def _read(
        self, model: BaseChatModel, messages: Sequence[BaseMessage], _: dict[str, Any]
    ) -> tuple[Sequence[Mapping[str, Any]], AIMessage]:
        """The next calls, from what the model prints. A text that calls nothing is an answer."""
        reply = await with_call_options(model, model, lane="plan", shared=len(self._prefix)).ainvoke(list(messages))
        require_whole(reply)
        calls = printed_calls(reply.text, {*self._tools, ANSWER})
        return [{**call.args, "tool": call.tool} for call in calls] or [{"tool": ANSWER}], reply

    def _fitted(
        self, decision: Mapping[str, Any], request: Request, steps: Sequence[PlannedStep], notes: list[str]
    ) -> Mapping[str, Any]:
        """The call as the schema would have it. One that can't be brought there ends the plan."""
        try:
            return fitted(decision, self._schema(request, steps), notes)
        except UnfitError as error:
            notes.append(str(error))
            return {"tool": ANSWER}


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
        asked = question_text(example.get("files", ""), "", example["request"])
        for call in calls:
            messages += [HumanMessage(asked), AIMessage(call)]
            asked = "Next?"
        messages += [HumanMessage(asked), AIMessage(json.dumps({"tool": ANSWER}, separators=(",", ":")))]
    return messages
