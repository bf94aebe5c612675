"""Plans as lines: what is written is understood, and the grammar of a turn knows what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_uppercase
from typing import Any

import pytest

from benchmarks.planner.rows import Row, load
from graphs.plan import Offer, literal
from graphs.plan_lines import ANSWER, MOST_CALLS, MOST_OFFERS, asked, grammar, understood, written
from tools.builtin import BUILT_IN

TOOLS = {spec.name: spec for spec in BUILT_IN}
PHOTO = Offer("photo.jpg", "image", "id-1", is_file=True)
MEMO = Offer("memo.wav", "audio", "id-2", is_file=True)
CLIP = Offer("clip.mp4", "video", "id-3", is_file=True)
SAID = Offer("@answer", "text", "It is a dog.", earlier=True)
OFFERS = [PHOTO, MEMO, CLIP, SAID]


def rules(offers: list[Offer]) -> dict[str, str]:
    """The grammar's rule of each call, by tool."""
    lines = dict(line.split(" ::= ", 1) for line in grammar(BUILT_IN, offers).splitlines())
    return {rule.split('"')[1]: rule for name, rule in lines.items() if re.fullmatch(r"call-\d+", name)}


def values(rule: str, parameter: str) -> list[str]:
    found = re.search(rf'" {parameter}=" \( (.*?) \)', rule)
    assert found, f"{parameter} is not in {rule}"
    return found[1].split(" | ")


def calls_of(row: Row) -> list[tuple[str, dict[str, Any]]]:
    return [(call["tool"], {key: value for key, value in call.items() if key != "tool"}) for call in row.calls]


def speaking(text: str) -> list[tuple[str, dict[str, str]]]:
    return [("speak", {"text": text})]


def test_every_worked_request_is_understood_as_it_was_written() -> None:
    def misunderstood() -> Iterator[str]:
        for where, row in load():
            if understood(written(calls_of(row), row.offers, TOOLS), row.offers) != calls_of(row):
                yield where

    assert list(misunderstood()) == []


def test_what_is_asked_names_files_and_earlier_things_by_letters() -> None:
    assert asked("What is it?", OFFERS) == (
        "Files: A image photo.jpg; B audio memo.wav; C video clip.mp4\nEarlier: D text @answer\nRequest: What is it?"
    )
    assert asked("Hello", []) == "Request: Hello"


def test_a_line_is_a_call_with_its_arguments_in_the_order_of_its_signature() -> None:
    calls = [("transcribe_audio", {"audio": "memo.wav"}), ("translate", {"target_language": "French", "text": "$1"})]
    text = written(calls, OFFERS, TOOLS)
    assert text == 'transcribe_audio audio=B\ntranslate text=$1 target_language="French"'
    assert understood(text, OFFERS) == calls


def test_an_amount_in_quotes_is_no_result_of_a_step() -> None:
    assert understood("speak text=$1", OFFERS) == speaking("$1")
    assert understood('speak text="$1"', OFFERS) == speaking(literal("$1"))


def test_no_calls_are_an_answer() -> None:
    assert written([], OFFERS, TOOLS) == ANSWER
    assert understood(ANSWER, OFFERS) == []
    assert understood("", OFFERS) == []


@pytest.mark.parametrize(
    "text",
    [
        'she said "no"',
        "\\",
        '\\"',
        'ends in a backslash \\" audio=B',
        "two\nlines\r\nand\ttabs",
        "speak text=A",
        "\ntranscribe_audio audio=B",
        "«Grüß Gott» 日本語 🦜 \u202eabc",
        "line\u2028and paragraph\u2029separators, \x85 and \x0b",
        "nul \x00 and escape \x1b",
        "A",
        "B=C",
        literal("$12"),
        "$1 is a price",
        "answer",
        " spaces around ",
    ],
)
def test_a_text_comes_back_letter_by_letter(text: str) -> None:
    assert understood(written(speaking(text), OFFERS, TOOLS), OFFERS) == speaking(text)


def test_files_past_the_last_letter_are_not_shown_and_not_named() -> None:
    many = [Offer(f"photo {number}.jpg", "image", f"id-{number}", is_file=True) for number in range(30)]
    shown = asked("What is there?", many)
    assert f"Z image photo {MOST_OFFERS - 1}.jpg" in shown
    assert f"photo {MOST_OFFERS}.jpg" not in shown
    assert values(rules(many)["caption_image"], "image") == [*(f'"{letter}"' for letter in ascii_uppercase), "step"]
    last = [("caption_image", {"image": many[MOST_OFFERS - 1].name})]
    assert understood(written(last, many, TOOLS), many) == last


@pytest.mark.parametrize(
    ("tool", "parameter", "letters"),
    [
        ("caption_image", "image", ['"A"']),
        ("detect_speech", "audio", ['"B"']),
        ("transcribe_audio", "audio", ['"B"']),
        ("track_objects", "video", ['"C"']),
    ],
)
def test_only_what_has_the_right_kind_may_be_named(tool: str, parameter: str, letters: list[str]) -> None:
    assert values(rules(OFFERS)[tool], parameter) == [*letters, "step"]


def test_a_text_is_an_earlier_one_a_result_or_words() -> None:
    assert values(rules(OFFERS)["translate"], "text") == ['"D"', "step", "string"]


def test_every_letter_in_the_grammar_is_of_the_kind_that_its_parameter_takes() -> None:
    kinds = {f'"{letter}"': offer.kind for letter, offer in zip(ascii_uppercase, OFFERS, strict=False)}
    for tool, rule in rules(OFFERS).items():
        for parameter, choices in re.findall(r'" (\w+)=" \( (.*?) \)', rule):
            wanted = TOOLS[tool].media_parameters.get(parameter)
            named = {kinds[choice] for choice in choices.split(" | ") if choice in kinds}
            assert named == ({wanted} if wanted else set()), f"{tool}.{parameter}"


def test_a_permission_is_never_a_models_to_give() -> None:
    for tool, rule in rules(OFFERS).items():
        assert not [name for name in TOOLS[tool].permissions if f'" {name}="' in rule]


def test_a_plan_has_an_end() -> None:
    root = grammar(BUILT_IN, OFFERS).splitlines()[0]
    assert root == f'root ::= "answer" | call ("\\n" call){{0,{MOST_CALLS - 1}}}'
