"""Text on the page: what was typed is what is shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ui.words import arguments, duration, literal, one_line, safe_markdown, since, size


def test_a_dollar_is_a_dollar_but_code_stays_code() -> None:
    assert safe_markdown("$5 and $6, `x = $1`") == r"\$5 and \$6, `x = $1`"
    assert safe_markdown("```sh\necho $HOME\n```\n$5") == "```sh\necho $HOME\n```\n" + r"\$5"
    assert safe_markdown("```sh\necho $HOME") == "```sh\necho $HOME"  # a fence that is still being written


def test_a_picture_from_elsewhere_does_not_load_by_itself() -> None:
    assert safe_markdown("![x](https://elsewhere.example/?q=secret)").startswith(r"\![x](")


def test_literal_text_has_no_markup_left() -> None:
    assert literal("*a* [b](c) `d` $e$ :red[f]") == r"\*a\* \[b\]\(c\) \`d\` \$e\$ \:red\[f\]"


def test_a_long_line_is_cut() -> None:
    assert one_line("a\n  b") == "a b"
    assert one_line("x" * 300) == "x" * 237 + "..."
    assert one_line("y" + "x" * 300, keep_end=True) == "..." + "x" * 237


@pytest.mark.parametrize(("number", "words"), [(12, "12 B"), (81_234, "81 kB"), (1_234_567, "1.2 MB"), (2e9, "2.0 GB")])
def test_sizes(number: int, words: str) -> None:
    assert size(int(number)) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.42, "0.4 s"), (12.3, "12 s"), (75.9, "1 min 15 s")])
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("when", "words"),
    [("12:00:30", "just now"), ("11:56:00", "5 min ago"), ("09:00:00", "3 h ago")],
)
def test_times(when: str, words: str) -> None:
    now = datetime(2026, 5, 12, 12, 1, tzinfo=UTC)
    assert since(f"2026-05-12T{when}+00:00", now) == words
    assert since("2026-05-01T00:00:00+00:00", now) == "1 May"


def test_arguments_name_files_and_steps() -> None:
    args = {"image": "abc", "text": "$2", "languages": ["es", "fr"], "voice": None}
    assert arguments(args, {"abc": "dog.jpg"}) == "image dog.jpg, text result of step 2, languages es, fr"
