"""Texts are taken apart for translation, and put together again, whatever they hold."""

from __future__ import annotations

import pytest

from engines.text.passages import has_words, pieces


@pytest.mark.parametrize("text", ["a" * 1_000_000, "1" * 1_000_000, f"a{' ' * 1_000_000}b", "a.b-" * 250_000])
def test_a_long_run_of_the_same_takes_no_longer_than_other_text(text: str) -> None:
    """With time that grows with the square of the length, this would take an hour."""
    assert has_words(text) is not text.isdigit()
    assert "".join(piece.text for piece in pieces(text, lambda _: True)) == text


def test_what_is_kept_and_what_is_words() -> None:
    text = "  > - Hello  there. \n\n1. anna.b+c@example.org\n \t\n# `code`  \n"
    found = pieces(text, lambda _: True)
    assert "".join(piece.text for piece in found) == text
    assert [piece.text for piece in found if piece.words] == ["Hello  there."]
