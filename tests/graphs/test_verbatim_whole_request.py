"""A translation is the whole answer only where a translation is the whole request."""

from __future__ import annotations

import pytest

from graphs.plan import Plan, StepResult
from graphs.verbatim import verbatim
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

SPEC_OF = {spec.name: spec for spec in BUILT_IN}.__getitem__


def answer(message: str, text: str = "good morning", language: str = "French") -> str:
    step = PlannedStep(id="$1", tool="translate", args={"text": text, "target_language": language})
    result = StepResult(
        tool="translate",
        fields={"text": "Bonjour"},
        summary="",
        artifacts=[],
        receipts=[],
        error="",
        error_fix="",
        error_code="",
    )
    return verbatim(message, Plan(steps=(step,)), {"$1": result}, SPEC_OF)


@pytest.mark.parametrize(
    "message",
    [
        "Translate 'good morning' into French. What is the capital of Italy?",
        "Translate 'good morning' into French and write a haiku about it",
        "Translate 'good morning' into French, then list three other greetings",
        "Translate 'good morning' into French; is it formal?",
        "Who would say 'good morning' in French?",
        "How do you say 'good morning' in French, in German and in Dutch?",
        "Translate 'good morning' into French, German",
        "Translate 'good morning' into French. What is this?",
    ],
)
def test_the_second_half_of_a_request_is_not_dropped(message: str) -> None:
    assert answer(message) == ""


@pytest.mark.parametrize(
    "message",
    [
        "Translate 'good morning' into French.",
        "And in French?",
        "Could you please translate this English phrase into French: \u201cGood morning!\u201d",
        "Hi! Translate from English into French: good morning",
        "What is 'good morning' in French?",
        "Please put good  morning into French",
        "Übersetze bitte «good morning» von English auf French",
        "¿Cómo se dice «good morning» en français?",
    ],
)
def test_one_request_for_one_translation_is_answered_with_it(message: str) -> None:
    assert answer(message) == "Bonjour"


def test_a_text_that_asks_is_no_request() -> None:
    asked = "How do you say 'Where is the station? I must hurry.' in Italian?"
    assert answer(asked, "Where is the station? I must hurry.", "Italian") == "Bonjour"
    assert answer("How do you say 'Why? And then?' in Italian", "Why? And then?", "Italian") == "Bonjour"
