"""What of a tool's result later turns still see."""

from __future__ import annotations

from typing import Any

from graphs.compact import compact
from graphs.plan import StepResult


def result(
    summary: str, fields: dict[str, Any] | None = None, *artifacts: tuple[str, str], error: str = ""
) -> StepResult:
    made = [{"id": id_, "name": name} for id_, name in artifacts]
    return StepResult(
        tool="look", fields=fields or {}, summary=summary, artifacts=made, receipts=[], error=error, error_fix="",
        error_code="",
    )  # fmt: skip


def test_a_short_summary_is_fact_enough_and_names_what_was_made() -> None:
    assert compact(result("1 person.", {}, ("a1", "objects.png"))) == "1 person. [made objects.png = a1]"


def test_of_a_long_text_the_first_words_and_its_language_stay() -> None:
    text = " ".join(f"word{n}" for n in range(2_000))
    fact = compact(result(f"It says: {text}", {"text": text, "language": "en", "file": "a1"}, ("a1", "text.srt")))
    assert fact.startswith("look: text: word0 word1")
    assert "(2,000 words)" in fact
    assert "language: en" in fact
    assert fact.endswith("[made text.srt = a1]")
    assert "file:" not in fact  # the name is there already
    assert len(fact) < 600


def test_of_many_things_counts_and_labels_stay() -> None:
    things = [{"label": "person", "box": [0.12345, 1, 2, 3]}] * 50
    fact = compact(result("x" * 1_000, {"counts": {"person": 50, "dog": 2}, "objects": things, "score": 0.123456}))
    assert "counts: person 50, dog 2" in fact
    assert "objects: person, person, person, person, person, person and 44 more" in fact
    assert "score: 0.123" in fact


def test_a_text_without_spaces_is_shortened_too() -> None:
    assert len(compact(result("x" * 1_000, {"text": "字" * 5_000}))) < 500


def test_a_failure_stays_as_its_error() -> None:
    assert compact(result("", error="No voice.")) == "look failed: No voice."
