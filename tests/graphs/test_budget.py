"""How a window is divided, and how texts are made to fit."""

from __future__ import annotations

import pytest

from graphs.budget import Budget, cut, fit, newest, tokens


@pytest.mark.parametrize("window", [512, 2_048, 8_192, 131_072])
def test_the_parts_and_the_answer_fit_into_the_window(window: int) -> None:
    budget = Budget.divide(window, fixed=100)
    assert budget.results + budget.history + budget.summary + budget.memory <= window - 100 - min(512, window // 4)
    assert min(budget.results, budget.history, budget.summary, budget.memory) > 0


def test_a_message_that_fills_the_window_leaves_nothing_to_divide() -> None:
    assert Budget.divide(8_192, fixed=9_000) == Budget(0, 0, 0, 0)


def test_half_a_share_is_half_of_everything() -> None:
    assert Budget.divide(8_192, share=0.5).history == Budget.divide(8_192).history // 2


@pytest.mark.parametrize(
    ("text", "real"),  # counted by the tokenizer of Qwen 2.5
    [
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("Call me on 0151 2345678 before 17:30.", 24),
        ("def add(a: int, b: int) -> int:\n    return a + b\n", 19),
        ("Heute ist das Wetter schön, wir gehen im Park spazieren.", 16),
        ("आज मौसम बहुत अच्छा है, चलो पार्क में टहलते हैं।", 45),
        ("Сегодня хорошая погода, пойдём гулять в парк.", 20),
        ("", 0),
    ],
)
def test_tokens_are_counted_rather_too_high_than_too_low(text: str, real: int) -> None:
    assert real <= tokens(text) <= real * 2


@pytest.mark.parametrize("text", ["word " * 1_000, "字" * 1_000, "1234567890" * 100 + "word " * 500])
@pytest.mark.parametrize("limit", [0, 1, 10, 100])
def test_a_text_is_cut_to_the_limit(text: str, limit: int) -> None:
    shown = cut(text, limit)
    assert tokens(shown) <= limit
    assert limit < 10 or shown.endswith(" ...")


def test_short_texts_stay_whole_and_long_ones_share_what_is_left() -> None:
    short, *long = fit(["short", "a " * 1_000, "b " * 900], 300)
    assert short == "short"
    assert abs(tokens(long[0]) - tokens(long[1])) < 10
    assert sum(tokens(text) for text in (short, *long)) <= 300


def test_what_fits_is_counted_from_the_newest_on() -> None:
    assert newest([10, 10, 10], 25) == 2
    assert newest([30, 1], 25) == 0
