"""A translation that was all that was asked for is the answer, word for word."""

from __future__ import annotations

import pytest

from graphs.plan import Plan, StepResult
from graphs.verbatim import verbatim
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

SPEC_OF = {spec.name: spec for spec in BUILT_IN}.__getitem__
TRANSLATE = PlannedStep(id="$1", tool="translate", args={"text": "where is the station", "target_language": "Italian"})


def done(tool: str, text: str, error: str = "") -> StepResult:
    return StepResult(
        tool=tool,
        fields={"text": text},
        summary=text,
        artifacts=[],
        receipts=[],
        error=error,
        error_fix="",
        error_code="",
    )


def answer(message: str, *steps: PlannedStep, error: str = "") -> str:
    results = {step.id: done(step.tool, f"result of {step.id}", error) for step in steps}
    return verbatim(message, Plan(steps=steps), results, SPEC_OF)


@pytest.mark.parametrize(
    "message",
    ["How do you say 'where is the station' in Italian?", "Translate into Italian: where is the station"],
)
def test_a_translation_is_given_as_it_is(message: str) -> None:
    assert answer(message, TRANSLATE) == "result of $1"


def test_so_is_one_at_the_end_of_a_chain() -> None:
    first = PlannedStep(id="$1", tool="transcribe_audio", args={"audio": "memo.wav"})
    last = PlannedStep(id="$2", tool="translate", args={"text": "$1", "target_language": "French"})
    assert answer("What does she say, in French?", first, last) == "result of $2"


@pytest.mark.parametrize(
    "message",
    [
        "Translate into Italian and explain the grammar: where is the station",
        "Why is it 'dove'? Translate: where is the station",
        "where is the station " + "and another thing " * 10,
    ],
)
def test_a_model_answers_where_more_is_asked(message: str) -> None:
    assert answer(message, TRANSLATE) == ""


def test_a_model_answers_where_something_failed_or_the_result_is_no_answer() -> None:
    assert answer("Translate: where is the station", TRANSLATE, error="no") == ""
    speak = PlannedStep(id="$2", tool="speak", args={"text": "$1"})
    assert answer("Say it in Italian", TRANSLATE, speak) == ""
    assert answer("Hello") == ""
