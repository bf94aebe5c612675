"""A chat model that was tuned to plan is asked in its own way, for what it has learned; else in the ordinary way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult

from benchmarks.planner.rows import load
from engines.errors import PlanError
from graphs.plan import Done, Offer, Plan, Request
from graphs.plan_lines import SYSTEM, asked, grammar
from graphs.planner import Planner
from graphs.tuned_planner import ADAPTER, LEARNED, LONGEST, TunedPlanner
from memory.events import PlannedStep
from tools.builtin import BUILT_IN
from tools.spec import ToolSpec

CHOICES = {
    "translation-languages": ["Spanish", "French"],
    "object-labels": ["person", "dog"],
    "voice-styles": ["female", "British female"],
}
KNOWN = [spec for spec in BUILT_IN if spec.name in LEARNED]
MEMO = Offer("memo.wav", "audio", "id-1", is_file=True)
PHOTO = Offer("photo.jpg", "image", "id-2", is_file=True)
LINES = 'transcribe_audio audio=A\ntranslate text=$1 target_language="french"'
ANSWER = json.dumps({"tool": "answer"})


class Tuned(FakeMessagesListChatModel):
    """Gives the replies one after the other; keeps what it was asked, and with which call options."""

    planning: str = "lines"
    asked: list[list[BaseMessage]]
    options: list[dict[str, Any]]
    refusing: bool = False

    def constrained(self, schema: Any, **call: Any) -> Any:
        return self.bind(json_schema=schema, **call)

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **call: Any
    ) -> ChatResult:
        self.asked.append(messages)
        self.options.append(call)
        if self.refusing and "adapter" in call:
            raise PlanError("Another model has taken over.")
        return super()._generate(messages, stop, run_manager)


def tuned(*replies: str | AIMessage, planning: str = "lines", refusing: bool = False) -> Tuned:
    said = [reply if isinstance(reply, AIMessage) else AIMessage(reply) for reply in replies]
    return Tuned(responses=said, asked=[], options=[], planning=planning, refusing=refusing)


async def planned(model: Tuned, request: Request, tools: list[ToolSpec] = KNOWN) -> Plan:
    plan, _ = await Planner(tools, CHOICES).plan(request, model)
    return plan


def ways(model: Tuned) -> list[str]:
    return ["lines" if "adapter" in call else "schema" for call in model.options]


def test_it_knows_the_tools_that_stand_in_the_worked_requests() -> None:
    assert {call["tool"] for _, row in load() for call in row.calls} == LEARNED
    assert {spec.name for spec in BUILT_IN} >= LEARNED


async def test_it_is_asked_once_with_its_adapter_and_the_turns_grammar() -> None:
    model = tuned(LINES)
    request = Request("Put the memo into French", [MEMO])
    plan = await planned(model, request)
    assert [(step.id, step.tool, step.args) for step in plan.steps] == [
        ("$1", "transcribe_audio", {"audio": "memo.wav"}),
        ("$2", "translate", {"text": "$1", "target_language": "French"}),
    ]
    (messages,), (options,) = model.asked, model.options
    assert [(message.type, message.text) for message in messages] == [
        ("system", SYSTEM),
        ("human", asked(request.message, request.offers)),
    ]
    assert options["adapter"] == ADAPTER
    assert options["lane"] == "plan"
    assert options["grammar"] == grammar(KNOWN, request.offers)


async def test_no_tool_is_a_plan_too() -> None:
    assert (await planned(tuned("answer"), Request("How are you?"))).steps == ()


async def test_words_that_name_none_of_the_values_are_left_out() -> None:
    model = tuned('translate text="hello" target_language="Klingon"')
    plan, _ = await TunedPlanner(KNOWN, CHOICES).plan(Request("hello in Klingon"), model)
    assert [step.args for step in plan.steps] == [{"text": "hello"}]


async def test_its_tokens_are_counted() -> None:
    usage = {"input_tokens": 90, "output_tokens": 12, "total_tokens": 102}
    model = tuned(AIMessage("answer", usage_metadata=usage))  # type: ignore[arg-type] # a TypedDict
    _, used = await Planner(KNOWN, CHOICES).plan(Request("Hello"), model)
    assert (used.prompt_tokens, used.completion_tokens) == (90, 12)


async def test_a_model_that_refuses_is_asked_in_the_ordinary_way() -> None:
    model = tuned(ANSWER, refusing=True)
    assert (await planned(model, Request("Hello"))).steps == ()
    assert ways(model) == ["lines", "schema"]


async def test_a_model_without_the_adapter_is_asked_in_the_ordinary_way() -> None:
    model = tuned(ANSWER, planning="schema")
    await planned(model, Request("Hello"))
    assert ways(model) == ["schema"]


@pytest.mark.parametrize(("message", "way"), [("Tell me the weather in Rome", "schema"), ("Hello", "lines")])
async def test_for_a_tool_that_it_has_not_learned_it_is_asked_in_the_ordinary_way(message: str, way: str) -> None:
    weather = replace(KNOWN[0], name="look_up_weather", purpose="Forecast rain and sun.")
    model = tuned("answer" if way == "lines" else ANSWER)
    await planned(model, Request(message), [*KNOWN, weather])
    assert ways(model) == [way]


async def test_thinking_again_was_not_learned() -> None:
    done = [Done(PlannedStep(id="$1", tool="transcribe_audio", args={"audio": "memo.wav"}), "no speech", False)]
    model = tuned(ANSWER)
    await planned(model, Request("Write it down", [MEMO], done=done))
    assert ways(model) == ["schema"]


async def test_a_message_longer_than_those_it_learned_from_is_asked_about_in_the_ordinary_way() -> None:
    model = tuned(ANSWER)
    await planned(model, Request("word " * LONGEST))
    assert ways(model) == ["schema"]


async def test_lines_that_were_cut_off_are_no_plan() -> None:
    cut = AIMessage('speak text="once upon a', response_metadata={"finish_reason": "length"})
    with pytest.raises(PlanError, match="cut off"):
        await TunedPlanner(KNOWN, CHOICES).plan(Request("Read me a story"), tuned(cut))


async def test_a_plan_that_cannot_run_is_thought_over_in_the_ordinary_way() -> None:
    model = tuned('translate text=$7 target_language="French"', ANSWER)
    await planned(model, Request("Put it into French", [PHOTO, MEMO]))
    assert ways(model)[0] == "lines"
    assert set(ways(model)[1:]) <= {"schema"}


@pytest.mark.parametrize("line", ["summon_demon image=A", 'translate text="hi" language="French"'])
async def test_what_no_tool_takes_is_asked_for_again_in_the_ordinary_way(line: str) -> None:
    model = tuned(line, ANSWER)
    with pytest.raises(PlanError, match="no tool takes"):
        await TunedPlanner(KNOWN, CHOICES).plan(Request("Do it", [PHOTO]), model)
    plan, _ = await Planner(KNOWN, CHOICES, means="chat").plan(Request("Do it", [PHOTO]), tuned(line, ANSWER))
    assert plan.steps == ()
