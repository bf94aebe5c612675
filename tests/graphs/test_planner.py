"""The planner with a model whose decisions are given: what it shows the model, grounds, stops and refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable

from engines.errors import PlanError
from graphs.asking import MAX_STEPS
from graphs.offers import offers_of_turn
from graphs.parser import Guess
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


class Decider(FakeListChatModel):
    """Gives the decisions one after the other; keeps what it was asked."""

    asked: list[list[BaseMessage]]
    schemas: list[dict[str, Any]]

    def constrained(self, schema: Mapping[str, Any], **call: Any) -> Runnable[Any, Any]:
        self.schemas.append(dict(schema))
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(messages)
        return super()._generate(messages, *args, **kwargs)


def decider(*decisions: dict[str, Any]) -> Decider:
    return Decider(responses=[json.dumps(item) for item in (*decisions, {"tool": "answer"})], asked=[], schemas=[])


async def planned(model: Decider, message: str, *offers: Offer, before: str = "") -> Plan:
    plan, _ = await Planner(BUILT_IN, CHOICES).plan(Request(message, offers, before), model)
    return plan


TRANSCRIBE = {"tool": "transcribe_audio", "audio": "memo.wav"}


async def test_a_plan_grows_step_by_step_until_the_model_can_answer() -> None:
    model = decider(TRANSCRIBE, {"tool": "translate", "text": "$1", "target_language": "French"})
    plan = await planned(model, "Put the memo into French", MEMO)
    assert [(step.id, step.tool) for step in plan.steps] == [("$1", "transcribe_audio"), ("$2", "translate")]
    assert plan.edges == ((0, 1),)


async def test_each_decision_continues_the_same_conversation_so_that_caches_hold() -> None:
    model = decider(TRANSCRIBE)
    await planned(model, "Write the memo down", MEMO)
    first, second = model.asked
    assert second[: len(first)] == first
    assert [message.content for message in second[len(first) :]] == [json.dumps(TRANSCRIBE), "Next?"]


async def test_results_are_on_offer_only_once_they_are_there() -> None:
    model = decider(TRANSCRIBE)
    await planned(model, "Write the memo down", MEMO)
    assert '"$1"' not in json.dumps(model.schemas[0])
    assert '"$1"' in json.dumps(model.schemas[1])


async def test_a_guess_of_an_earlier_result_becomes_a_reference_to_it() -> None:
    model = decider(TRANSCRIBE, {"tool": "translate", "text": "the recording", "target_language": "French"})
    plan = await planned(model, "Put the memo into French", MEMO)
    assert plan.steps[1].args["text"] == "$1"
    assert plan.notes == ("translate gets $1 for its text.",)


async def test_a_reference_to_nothing_becomes_whatever_text_there_is() -> None:
    letter = Offer("letter.txt", "text", "id-3")
    plan = await planned(decider({"tool": "speak", "text": "$1"}), "Read it aloud", letter)
    assert plan.steps[0].args["text"] == "letter.txt"


async def test_an_amount_that_the_request_says_is_no_reference() -> None:
    letter = Offer("letter.txt", "text", "id-3")
    plan = await planned(decider({"tool": "speak", "text": "$5"}), "Say '$5' aloud", letter)
    assert plan.steps[0].args["text"].strip() == "$5"
    assert plan.edges == ()


async def test_a_reference_to_nothing_with_no_text_at_all_leaves_the_question_to_the_answer() -> None:
    plan = await planned(decider({"tool": "speak", "text": "$1"}), "Read it aloud")
    assert plan.steps == ()
    assert plan.notes == ("speak was left out: there is no text for it yet.",)


async def test_a_reference_to_a_step_without_text_is_left_out() -> None:
    spoken = {"tool": "speak", "text": "Good morning"}
    translated = {"tool": "translate", "text": "$1", "target_language": "French"}
    plan = await planned(decider(spoken, translated), "Say Good morning")
    assert [step.tool for step in plan.steps] == ["speak"]


async def test_text_from_the_message_stays_as_it_is() -> None:
    speak = {"tool": "speak", "text": "Dinner is ready!"}
    plan = await planned(decider(TRANSCRIBE, speak), "Write the memo down and say “dinner is ready”", MEMO)
    assert plan.steps[1].args["text"] == "Dinner is ready!"


async def test_text_from_the_conversation_stays_as_it_is() -> None:
    speak = {"tool": "speak", "text": "The answer is four."}
    plan = await planned(decider(speak), "Say that aloud", before="assistant: The answer is four.")
    assert plan.steps[0].args["text"] == "The answer is four."


async def test_a_repeated_call_ends_the_plan() -> None:
    plan = await planned(decider(TRANSCRIBE, TRANSCRIBE, TRANSCRIBE), "Write the memo down", MEMO)
    assert len(plan.steps) == 1
    assert "left out" in plan.notes[0]


async def test_a_plan_has_an_end() -> None:
    calls = [{"tool": "speak", "text": f"number {number}"} for number in range(50)]
    plan = await planned(decider(*calls), " ".join(call["text"] for call in calls))
    assert len(plan.steps) == MAX_STEPS
    assert plan.notes == (f"Stopped after {MAX_STEPS} steps.",)


async def test_an_attachment_that_is_not_used_is_mentioned() -> None:
    plan = await planned(decider(TRANSCRIBE), "Write the memo down", MEMO, Offer("photo.jpg", "image", "id-2"))
    assert plan.notes == ("Not used: photo.jpg.",)


async def test_the_whole_of_a_long_message_is_there_by_name() -> None:
    message = "Is this positive? " + "I love it. " * 1_000
    offers = [Offer(**offer) for offer in offers_of_turn(message, [], [])]
    model = decider({"tool": "analyze_sentiment", "text": "@message"})
    plan = await planned(model, message, *offers)
    assert plan.steps[0].args == {"text": "@message"}
    assert len(str(model.asked[0][-1].content)) < 3_000


async def test_a_recording_that_is_not_there_becomes_the_one_that_is() -> None:
    plan = await planned(decider({"tool": "transcribe_audio", "audio": "other.wav"}), "Write it down", MEMO)
    assert plan.steps[0].args == {"audio": "memo.wav"}
    assert plan.notes == ("transcribe_audio gets memo.wav for its audio.",)


async def test_an_answer_that_is_no_plan_is_refused() -> None:
    model = Decider(responses=["I think you should use a tool"], asked=[], schemas=[])
    with pytest.raises(PlanError, match="did not keep to the plan's schema"):
        await planned(model, "Hello")


async def test_an_option_that_must_be_named_is_dropped_where_the_request_does_not_name_it() -> None:
    with_subtitles = TRANSCRIBE | {"subtitles": "srt"}
    (unasked,) = (await planned(decider(with_subtitles), "Write the memo down", MEMO)).steps
    assert "subtitles" not in unasked.args
    for request in ("Write the memo down with subtitles", "I need an SRT of the memo"):
        (asked,) = (await planned(decider(with_subtitles), request, MEMO)).steps
        assert asked.args["subtitles"] == "srt"


async def test_a_target_that_nobody_named_is_dropped() -> None:
    photo = Offer("a.jpg", "image", "id-a")
    boxed = {"tool": "detect_objects", "image": "a.jpg", "target": "person"}
    (unasked,) = (await planned(decider(boxed), "Which objects are in this photo? Box them.", photo)).steps
    assert "target" not in unasked.args
    (asked,) = (await planned(decider(boxed), "How many women are there?", photo)).steps
    assert asked.args["target"] == "person"


class Guesses:
    """A parser that gives what it is told to."""

    def __init__(self, *given: Guess) -> None:
        self.given = given
        self.asked: list[Request] = []

    async def __call__(self, request: Request) -> Sequence[Guess]:
        self.asked.append(request)
        return self.given


def guess(*steps: PlannedStep, certainty: float = 0.9, unknown: frozenset[str] = frozenset()) -> Guess:
    return Guess(steps, certainty, unknown)


WRITE_DOWN = PlannedStep(id="$1", tool="transcribe_audio", args={"audio": "memo.wav"})


async def by(guesses: Guesses, model: Decider, message: str, *offers: Offer, **options: Any) -> Plan:
    plan, _ = await Planner(BUILT_IN, CHOICES, guess=guesses, **options).plan(Request(message, offers), model)
    return plan


async def test_where_the_parser_is_sure_the_chat_model_is_not_asked() -> None:
    model = decider({"tool": "speak", "text": "hello"})
    assert (await by(Guesses(guess(WRITE_DOWN)), model, "Write it down", MEMO)).steps == (WRITE_DOWN,)
    assert model.asked == []


async def test_where_the_parser_doubts_the_chat_model_plans() -> None:
    model = decider({"tool": "speak", "text": "hello"})
    plan = await by(Guesses(guess(WRITE_DOWN, certainty=0.2)), model, "Say hello", MEMO)
    assert [step.tool for step in plan.steps] == ["speak"]


async def test_parser_and_chat_model_can_be_had_alone() -> None:
    doubtful = Guesses(guess(WRITE_DOWN, certainty=0.1))
    assert (await by(doubtful, decider(), "Write it down", MEMO, means="parser")).steps == (WRITE_DOWN,)
    model = decider({"tool": "speak", "text": "hello"})
    plan = await by(Guesses(guess(WRITE_DOWN)), model, "Say hello", MEMO, means="chat")
    assert [step.tool for step in plan.steps] == ["speak"]


async def test_a_tool_that_the_parser_has_not_learned_is_left_to_the_chat_model() -> None:
    unknown = frozenset({"speak"})
    model = decider({"tool": "speak", "text": "hello"})
    plan = await by(Guesses(guess(unknown=unknown)), model, "Please speak: hello")
    assert [step.tool for step in plan.steps] == ["speak"]
    assert (await by(Guesses(guess(unknown=unknown)), decider(), "Good morning")).steps == ()


async def test_media_that_a_request_is_about_and_nobody_attached_are_asked_for() -> None:
    class Absent(Guesses):
        async def __call__(self, request: Request) -> Sequence[Guess]:
            if any(offer.name == "?audio" for offer in request.offers):
                return [guess(PlannedStep(id="$1", tool="transcribe_audio", args={"audio": "?audio"}))]
            return [guess()]

    plan = await by(Absent(), decider(), "Write down the recording")
    assert plan.steps == ()
    assert plan.question.startswith("I need a recording for that: write down what is said")


async def test_what_has_been_done_is_thought_over_by_the_chat_model() -> None:
    guesses = Guesses(guess(WRITE_DOWN))
    done = [Done(WRITE_DOWN, "no speech was found", is_usable=False)]
    model = decider({"tool": "detect_speech", "audio": "memo.wav"})
    request = Request("Write it down", (MEMO,), done=done)
    plan, _ = await Planner(BUILT_IN, CHOICES, guess=guesses).plan(request, model)
    assert [step.tool for step in plan.steps] == ["transcribe_audio", "detect_speech"]
    assert guesses.asked == []
