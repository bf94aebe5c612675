"""A model that calls tools natively, and one that prints its calls: both end in the plans of constrained ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel, FakeMessagesListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, InvalidToolCall, ToolCall, ToolMessage
from langchain_core.outputs import ChatResult

from engines.errors import PlanError
from graphs.asking import MAX_STEPS
from graphs.plan import Done, Offer, Plan, Request
from graphs.planner import Planner
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

CHOICES = {
    "translation-languages": ["Spanish", "French"],
    "object-labels": ["person", "dog"],
    "voice-styles": ["female", "British female"],
}
MEMO = Offer("memo.wav", "audio", "id-1")
PHOTO = Offer("photo.jpg", "image", "id-2")
TRANSCRIBE = {"tool": "transcribe_audio", "audio": "memo.wav"}
TRANSLATE = {"tool": "translate", "text": "$1", "target_language": "French"}


class Caller(FakeMessagesListChatModel):
    """Gives the replies one after the other; keeps what it was asked, and with which functions."""

    planning: str = "tools"
    asked: list[list[BaseMessage]]
    functions: list[dict[str, Any]]

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
        self.functions.append({tool["function"]["name"]: tool["function"]["parameters"] for tool in tools})
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(messages)
        return super()._generate(messages, *args, **kwargs)


class Printer(FakeListChatModel):
    planning: str = "text"


def calling(*decisions: dict[str, Any]) -> AIMessage:
    calls = [
        ToolCall(name=item["tool"], args={k: v for k, v in item.items() if k != "tool"}, id=f"call-{n}")
        for n, item in enumerate(decisions)
    ]
    return AIMessage("", tool_calls=calls)


def caller(*replies: AIMessage) -> Caller:
    return Caller(responses=[*replies, AIMessage("done")], asked=[], functions=[])


def printer(*replies: str) -> Printer:
    return Printer(responses=[*replies, '{"tool": "answer"}'])


async def planned(model: Any, message: str, *offers: Offer) -> Plan:
    plan, _ = await Planner(BUILT_IN, CHOICES).plan(Request(message, offers), model)
    return plan


class TestCallingNatively:
    async def test_a_plan_grows_round_by_round_until_nothing_is_called(self) -> None:
        plan = await planned(caller(calling(TRANSCRIBE), calling(TRANSLATE)), "Put the memo into French", MEMO)
        assert [(step.id, step.tool, step.args) for step in plan.steps] == [
            ("$1", "transcribe_audio", {"audio": "memo.wav"}),
            ("$2", "translate", {"text": "$1", "target_language": "French"}),
        ]
        assert plan.edges == ((0, 1),)

    async def test_calls_of_one_reply_are_side_by_side(self) -> None:
        detect = {"tool": "detect_objects", "image": "photo.jpg"}
        plan = await planned(caller(calling(TRANSCRIBE, detect)), "Write it down; what is there?", MEMO, PHOTO)
        assert [step.tool for step in plan.steps] == ["transcribe_audio", "detect_objects"]
        assert plan.edges == ()

    async def test_calls_of_one_reply_may_need_each_other(self) -> None:
        plan = await planned(caller(calling(TRANSCRIBE, TRANSLATE)), "Put the memo into French", MEMO)
        assert plan.edges == ((0, 1),)

    async def test_each_call_is_answered_by_the_name_of_its_result(self) -> None:
        model = caller(calling(TRANSCRIBE, {"tool": "fly"}))
        await planned(model, "Write the memo down", MEMO)
        planned_as, refused = model.asked[1][-2:]
        assert isinstance(planned_as, ToolMessage)
        assert isinstance(refused, ToolMessage)
        assert (planned_as.tool_call_id, refused.tool_call_id) == ("call-0", "call-1")
        assert '"$1"' in planned_as.text
        assert "no such tool" in refused.text

    async def test_media_arguments_are_choices_among_what_is_there(self) -> None:
        model = caller(calling({"tool": "speak", "text": "hello"}))
        await planned(model, "Say hello. Then write the memo down", MEMO)
        first, second = model.functions
        assert first["transcribe_audio"]["properties"]["audio"] == {"type": "string", "enum": ["memo.wav"]}
        assert second["transcribe_audio"]["properties"]["audio"] == {"type": "string", "enum": ["$1", "memo.wav"]}
        assert "detect_objects" not in first, "there is no picture"

    async def test_calls_that_are_printed_are_understood_and_answered(self) -> None:
        printed = f"```json\n{json.dumps({'name': 'transcribe_audio', 'arguments': {'audio': 'memo.wav'}})}\n```"
        model = caller(AIMessage(printed))
        plan = await planned(model, "Write the memo down", MEMO)
        assert [step.tool for step in plan.steps] == ["transcribe_audio"]
        assert isinstance(model.asked[1][-1], HumanMessage)
        assert '"$1"' in model.asked[1][-1].text

    async def test_arguments_that_are_no_strict_json_are_read(self) -> None:
        broken = InvalidToolCall(name="transcribe_audio", args="{'audio': 'memo.wav',}", id="call-0", error=None)
        plan = await planned(caller(AIMessage("", invalid_tool_calls=[broken])), "Write the memo down", MEMO)
        assert [step.args for step in plan.steps] == [{"audio": "memo.wav"}]

    async def test_a_round_that_adds_nothing_ends_the_plan(self) -> None:
        plan = await planned(caller(*[calling(TRANSCRIBE)] * 5), "Write the memo down", MEMO)
        assert len(plan.steps) == 1
        assert plan.notes == ("A second call of transcribe_audio with the same arguments was left out.",)

    async def test_a_plan_has_an_end(self) -> None:
        calls = [{"tool": "speak", "text": f"number {number}"} for number in range(50)]
        plan = await planned(caller(calling(*calls)), " ".join(call["text"] for call in calls))
        assert len(plan.steps) == MAX_STEPS

    async def test_what_has_been_done_is_gone_on_from(self) -> None:
        done = [Done(PlannedStep(id="$1", tool="transcribe_audio", args={"audio": "memo.wav"}), "no speech", False)]
        model = caller(calling({"tool": "detect_speech", "audio": "memo.wav"}))
        plan, _ = await Planner(BUILT_IN, CHOICES).plan(Request("Write it down", (MEMO,), done=done), model)
        assert [(step.id, step.tool) for step in plan.steps] == [("$1", "transcribe_audio"), ("$2", "detect_speech")]
        call, outcome = model.asked[0][-2:]
        assert isinstance(call, AIMessage)
        assert isinstance(outcome, ToolMessage)
        assert call.tool_calls[0]["id"] == outcome.tool_call_id
        assert "no speech" in outcome.text

    async def test_calls_that_were_cut_off_are_refused(self) -> None:
        cut = calling(TRANSCRIBE)
        cut.response_metadata["finish_reason"] = "length"
        with pytest.raises(PlanError, match="cut off"):
            await planned(caller(cut), "Write the memo down", MEMO)

    async def test_prose_that_ran_on_is_no_loss(self) -> None:
        long = AIMessage("Once upon a time there was", response_metadata={"finish_reason": "length"})
        assert (await planned(caller(long), "Tell me a story")).steps == ()

    async def test_a_model_that_cannot_be_told_of_tools_is_named_a_way_out(self) -> None:
        model = FakeListChatModel(responses=["hello"])
        object.__setattr__(model, "planning", "tools")
        with pytest.raises(PlanError, match="schema"):
            await planned(model, "Hello")


class TestPrinting:
    async def test_calls_are_read_one_reply_after_the_other(self) -> None:
        replies = [
            '```json\n{"name": "transcribe_audio", "arguments": {"audio": "memo.wav"}}\n```',
            json.dumps(TRANSLATE),
        ]
        plan = await planned(printer(*replies), "Put the memo into French", MEMO)
        assert plan.edges == ((0, 1),)

    async def test_several_in_one_reply_are_all_steps(self) -> None:
        plan = await planned(printer(f"{json.dumps([TRANSCRIBE, TRANSLATE])}"), "Put the memo into French", MEMO)
        assert [step.tool for step in plan.steps] == ["transcribe_audio", "translate"]

    async def test_words_end_the_plan(self) -> None:
        assert (await planned(printer("I could transcribe_audio for you."), "Hello", MEMO)).steps == ()

    @pytest.mark.parametrize(
        ("call", "args"),
        [
            (TRANSCRIBE | {"audio": "/tmp/Memo.wav"}, {"audio": "memo.wav"}),
            (TRANSCRIBE | {"audio": "memo"}, {"audio": "memo.wav"}),
            (TRANSCRIBE | {"volume": 11}, {"audio": "memo.wav"}),
            (TRANSCRIBE | {"video": None}, {"audio": "memo.wav"}),
            (
                TRANSLATE | {"text": "good day", "target_language": "fr"},
                {"text": "good day", "target_language": "French"},
            ),
        ],
    )
    async def test_arguments_are_spelt_as_the_schema_spells_them(
        self, call: dict[str, Any], args: dict[str, Any]
    ) -> None:
        (step,) = (await planned(printer(json.dumps(call)), "memo, and good day in French", MEMO)).steps
        assert step.args == args

    @pytest.mark.parametrize(
        ("call", "says"),
        [
            (TRANSCRIBE | {"audio": "other.wav"}, "its audio can't be 'other.wav'"),
            ({"tool": "translate", "text": "good day"}, "it needs target_language"),
            ({"tool": "detect_objects", "image": "photo.jpg"}, "nothing yet that it could work on"),
            (TRANSLATE | {"target_language": ["French"]}, "its target_language can't be ['French']"),
        ],
    )
    async def test_a_call_that_cannot_be_made_is_left_out_with_the_reason(
        self, call: dict[str, Any], says: str
    ) -> None:
        plan = await planned(printer(json.dumps(call)), "good day", MEMO)
        assert plan.steps == ()
        assert any(says in note for note in plan.notes)

    async def test_a_permission_is_never_taken_from_a_model(self) -> None:
        (granting,) = {spec for spec in BUILT_IN if spec.name == "clone_voice"}
        permission = granting.permissions[0]
        call = {"tool": "clone_voice", "text": "hello", "reference": "memo.wav", permission: True}
        (step,) = (await planned(printer(json.dumps(call)), "Say hello in this voice", MEMO)).steps
        assert permission not in step.args
