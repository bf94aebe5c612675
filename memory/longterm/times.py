"""Which days a question means when it says "yesterday" or "last week"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_AGO = re.compile(r"\b(\d{1,3}|an?|one|two|three|four|five|six|a few|few) (day|week|month)s? ago\b")
_LAST_WEEKDAY = re.compile(rf"\b(?:last|on|this) ({'|'.join(_WEEKDAYS)})\b")

#: Phrase -> first and last day, in days before today. Both ends are generous: "last week" is said loosely.
_SPANS = {
    "today": (0, 0),
    "this morning": (0, 0),
    "yesterday": (1, 1),
    "last night": (0, 1),
    "this week": (0, 6),
    "the other day": (1, 10),
    "last week": (3, 14),
    "past week": (0, 7),
    "last month": (14, 62),
    "recently": (0, 14),
}


def days_meant(question: str, today: date) -> list[str]:
    """Every day the question's words for times may mean, as ``20260131``; none when it has no such words."""
    days = {today - timedelta(days=back) for back in _days_back(question.lower(), today)}
    return [f"{day:%Y%m%d}" for day in sorted(days)]


def _days_back(question: str, today: date) -> Iterator[int]:
    for phrase, (first, last) in _SPANS.items():
        if re.search(rf"\b{phrase}\b", question):
            yield from range(first, last + 1)
    for count, unit in _AGO.findall(question):
        number = int(count) if count.isdigit() else _NUMBERS.get(count, 3)
        length, slack = {"day": (1, 1 if "few" in count else 0), "week": (7, 3), "month": (30, 10)}[unit]
        yield from range(max(0, number * length - slack), number * length + slack + 1)
    for name in _LAST_WEEKDAY.findall(question):
        yield (today.weekday() - _WEEKDAYS.index(name)) % 7 or 7
