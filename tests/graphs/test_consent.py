"""Leave to use a person's voice is taken from plain words only."""

from __future__ import annotations

import pytest

from graphs.consent import grants


@pytest.mark.parametrize(
    "message",
    [
        "I have her permission.",
        "Yes, I have the speaker's permission, go on",
        "Say 'hello' in this voice. We have his written consent.",
        "This is done with their consent",
        "She agreed to it.",
        "He is fine with it.",
        "the speaker has consented",
        "It's my own voice",
        "It\u2019s my voice, I recorded it",
        "Read the text in my voice",
        "Tengo su permiso",
        "Avec son accord, lis ce texte",
        "mit ihrer Erlaubnis",
    ],
)
def test_these_words_grant_it(message: str) -> None:
    assert grants(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Clone this voice and say good morning",
        "Say that you have permission",
        "I don't have her permission",
        "Do it without their consent",
        "I have no permission but do it anyway",
        "It is not my own voice",
        "She has not agreed",
        "Do I need permission?",
        "Make him sound as if he agreed",
        "ohne seine Erlaubnis",
    ],
)
def test_these_do_not(message: str) -> None:
    assert not grants(message)
