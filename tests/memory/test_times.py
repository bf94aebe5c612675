"""Which days a question's words mean."""

from __future__ import annotations

from datetime import date

import pytest

from memory.longterm.times import days_meant

THURSDAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("question", "day"),
    [
        ("what did I say yesterday?", "20261125"),
        ("the photo I showed you last week", "20261119"),
        ("what happened three days ago", "20261123"),
        ("who called 2 weeks ago?", "20261112"),
        ("the invoice of a month ago", "20261027"),
        ("what did we plan on Monday", "20261123"),
        ("where was I last thursday", "20261119"),
    ],
)
def test_words_for_times_mean_days(question: str, day: str) -> None:
    assert day in days_meant(question, THURSDAY)


@pytest.mark.parametrize("question", ["who is Ann?", "what lasts for a week?", "todays special"])
def test_a_question_without_them_means_no_day(question: str) -> None:
    assert days_meant(question, THURSDAY) == []
