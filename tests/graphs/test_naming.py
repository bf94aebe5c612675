"""A label is named in the words people use for it."""

from __future__ import annotations

import pytest

from graphs.naming import OTHER_WORDS, is_named


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        ("person", "How many women are in this picture?"),
        ("person", "Cut me out of it"),
        ("car", "count the cars"),
        ("bus", "two BUSES"),
        ("couch", "where is the sofa?"),
        ("zebra", "a zebra!"),
        ("subtitle", "with subtitles please"),
        ("hot dog", "hot dogs"),
    ],
)
def test_it_is_named(thing: str, said: str) -> None:
    assert is_named(thing, said)


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        ("person", "Which objects are in this photo? Box them."),
        ("car", "remove the scarf and the card"),
        ("cat", "concatenate these"),
        ("srt", "write it down"),
    ],
)
def test_it_is_not(thing: str, said: str) -> None:
    assert not is_named(thing, said)


def test_every_label_names_itself() -> None:
    assert all(is_named(label, label) for label in OTHER_WORDS)
