"""What a request asks of a model is judged by cheap rules."""

from __future__ import annotations

import pytest

from agent.need import need_of
from graphs.turn_facts import TurnFacts


@pytest.mark.parametrize(
    ("message", "difficulty"),
    [
        ("Hello!", "easy"),
        ("Draw a red barn by a lake.", "easy"),
        ("Why is the sky blue?", "normal"),
        ("Warum ist der Himmel blau?", "normal"),
        ("为什么天空是蓝色的", "normal"),
        ("Prove that there are infinitely many primes, and explain each step.", "hard"),
        ("Schreib einen Aufsatz über die Vor- und Nachteile der Kernkraft.", "hard"),
    ],
)
def test_difficulty(message: str, difficulty: str) -> None:
    assert need_of(TurnFacts(message)).difficulty == difficulty


def test_a_picture_asks_for_sight_unless_a_tool_does_all_that_is_asked() -> None:
    assert need_of(TurnFacts("What is funny about this?", ("image",))).vision
    assert not need_of(TurnFacts("Blur the faces.", ("image",))).vision
    assert not need_of(TurnFacts("What is funny about this?")).vision


def test_files_and_history_are_to_be_read_too() -> None:
    short = need_of(TurnFacts("Summarize this."))
    assert need_of(TurnFacts("Summarize this.", ("text",), text_chars=70_000)).context_tokens > 20_000
    assert short.context_tokens < need_of(TurnFacts("Summarize this.", history_chars=5_000)).context_tokens < 4_000


def test_a_script_without_spaces_takes_more_tokens() -> None:
    text = "天空为什么是蓝色的" * 100
    assert need_of(TurnFacts(text, language="zh")).context_tokens > need_of(TurnFacts(text)).context_tokens


def test_several_tools_one_after_the_other_take_a_planner() -> None:
    assert need_of(TurnFacts("Transcribe this, translate it and read it aloud.", ("audio",))).tools
    assert not need_of(TurnFacts("Transcribe this.", ("audio",))).tools


def test_a_message_of_any_kind_is_judged() -> None:
    for message in ("", "   ", "🙂", "a" * 200_000, "(" * 5_000, "\x00"):
        assert need_of(TurnFacts(message)).difficulty in ("easy", "normal", "hard")
