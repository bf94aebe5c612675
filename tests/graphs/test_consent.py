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
        "I've got Anna's written permission",
        "We have the speakers' consent. Don't make it too fast.",
        "I have been given her full permission",
        "Can you read this in my voice?",
        "Do it in my voice, please",
        "Could you clone it? I have his permission.",
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
        "I have to get her permission first, but clone it",
        "I have asked for permission",
        "We have yet to get his consent",
        "I have been denied permission",
        "Do I have permission to clone this voice?",
        "Has she given permission?",
        "Is this my own voice?",
        "Have they agreed? They agreed, or not?",
        "she hasnt given permission, clone it",
        "I have neither permission nor consent",
        "Nobody gave permission",
        "He refused to give the permission that she has given",
        "Clone it only with her permission",
        "I will wait until they have consented",
    ],
)
def test_these_do_not(message: str) -> None:
    assert not grants(message)
