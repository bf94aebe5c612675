"""Which model answers a turn, and why: pure points over facts."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.need import Need
from agent.switcher import Candidate, choose, rank
from engines.catalog import ChatFacts
from engines.text.chat_facts import facts_by_name, is_for_chat
from evals.switcher import main

USUAL = Candidate("usual", "The usual", ChatFacts(skill=30, context_tokens=8192, languages=("en", "de")), is_usual=True)
STRONG = Candidate("strong", "The strong one", ChatFacts(skill=70, context_tokens=32768), where="server")
SEEING = Candidate("seeing", "The seeing one", ChatFacts(skill=45, vision=True), where="server")


def chosen(need: Need, *candidates: Candidate) -> tuple[str, str]:
    choice = choose(need, candidates)
    assert choice is not None
    return choice.model, choice.reason


def test_when_only_the_usual_model_is_there_it_is_simply_taken() -> None:
    for need in (Need("hard"), Need(vision=True), Need(language="ja"), Need(context_tokens=100_000), Need(tools=True)):
        assert chosen(need, USUAL) == ("usual", "")


def test_an_easy_request_stays_with_the_usual_model_silently() -> None:
    assert chosen(Need("easy"), USUAL, STRONG, SEEING) == ("usual", "")


@pytest.mark.parametrize(
    ("need", "model", "why"),
    [
        (Need("hard"), "strong", "the request looks hard"),
        (Need("easy", vision=True), "seeing", "there is a picture to look at, and The usual can't see"),
        (Need("easy", context_tokens=20_000), "strong", "20,000 tokens have to be read, and The usual takes 8,192"),
        (Need("easy", language="ja"), "seeing", "in Japanese, which The usual is not good at"),
        (Need("easy", tools=True), "strong", "several steps"),
    ],
)
def test_a_need_that_the_usual_model_does_not_meet_takes_another_and_says_why(need: Need, model: str, why: str) -> None:
    found, reason = chosen(need, USUAL, STRONG, SEEING)
    assert found == model
    assert why in reason
    assert reason.startswith("The s")
    assert reason.endswith(".")


def test_a_model_that_rests_is_passed_over_and_taken_only_when_nothing_else_is_left() -> None:
    resting = Candidate("usual", "The usual", USUAL.facts, is_usual=True, failures=3, resting_seconds=40)
    assert chosen(Need("easy"), resting, SEEING)[0] == "seeing"
    assert "failed 3 times in a row" in chosen(Need("easy"), resting, SEEING)[1]
    assert chosen(Need("easy"), resting) == ("usual", "")


def test_a_model_without_room_yields_to_one_that_fits() -> None:
    large = Candidate("usual", "The usual", USUAL.facts, is_usual=True, loaded=False, memory_mb=5000, fits=False)
    light = Candidate("light", "The light one", ChatFacts(skill=15), loaded=False, memory_mb=700)
    model, reason = chosen(Need("easy"), large, light)
    assert model == "light"
    assert "does not fit in the memory that is free" in reason


def test_what_has_failed_in_this_turn_is_not_taken_again() -> None:
    choice = choose(Need("hard"), [USUAL, STRONG, SEEING], besides=["strong"])
    assert choice is not None
    assert choice.model != "strong"
    assert choose(Need(), [USUAL], besides=["usual"]) is None


def test_the_order_does_not_depend_on_the_order_of_the_candidates() -> None:
    assert rank(Need(), [USUAL, STRONG, SEEING]) == rank(Need(), [SEEING, USUAL, STRONG])


@pytest.mark.parametrize(
    ("name", "skill", "vision"),
    [
        ("llama3.2:3b", 45, False),
        ("llama3.2-vision:11b", 60, True),
        ("qwen2.5:14b-instruct-q4_K_M", 70, False),
        ("meta-llama/Llama-3.2-3B-Instruct", 45, False),
        ("gemma3:270m", 5, False),
        ("gemma3:12b", 60, True),
        ("mixtral:8x7b", 80, False),
        ("gpt-4o", 94, True),
        ("somebody-s-own-model", 45, False),
    ],
)
def test_a_name_tells_what_a_served_model_is_good_for(name: str, skill: int, vision: bool) -> None:
    facts = facts_by_name(name)
    assert (facts.skill, facts.vision) == (skill, vision)


def test_models_that_do_not_converse_are_known_by_name() -> None:
    assert not is_for_chat("nomic-embed-text:latest")
    assert is_for_chat("llama3.2:3b")


def test_the_labelled_sets_are_met_about_as_well_as_the_docs_say() -> None:
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 0, result.output
    shares = [float(line.split()[-2]) for line in result.output.splitlines() if line.split()[:1] == ["all"]]
    tuned, held_out, other_words = shares
    assert tuned >= 95
    assert held_out >= 90
    assert other_words >= 75
    rows = tomllib.loads((Path(__file__).parents[2] / "evals" / "switcher.toml").read_text("utf-8"))["request"]
    assert len(rows) >= 160
