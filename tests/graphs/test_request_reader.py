"""Requests as a parser reads them."""

from __future__ import annotations

import pytest

from graphs.plan import Offer
from graphs.reading import read

PHOTO = Offer("9f3a_IMG-2.png", "image", "id-1", is_file=True)
BEACH = Offer("beach day.jpg", "image", "id-2", is_file=True)
ANSWER = Offer("@answer", "text", "It is a dog.", earlier=True)


def test_files_are_read_by_kind_and_number() -> None:
    reading = read("Cut the cat out of 9F3A_img-2.PNG, then compare it with beach day.jpg", [PHOTO, BEACH])
    assert " ".join(reading.words) == "Cut the cat out of image1 , then compare it with image2"
    assert reading.items == (("image1", "IMG"), ("image2", "beach", "day"))


def test_a_name_is_found_whose_letters_have_no_single_small_form() -> None:
    turkish = Offer("\u0130stanbul.jpg", "image", "id-1", is_file=True)
    assert read("describe istanbul.jpg, then beach DAY.jpg", [turkish, BEACH]).words[1:] == (
        "image1",
        ",",
        "then",
        "image2",
    )


def test_a_word_that_only_begins_like_a_file_is_a_word() -> None:
    assert "memo.wave" in read("memo.wave", [Offer("memo.wav", "audio", "id")]).message
    assert read("memo.wave", [Offer("memo.wav", "audio", "id")]).words == ("memo", ".", "wave")


def test_what_is_there_from_earlier_says_so() -> None:
    assert read("translate that", [ANSWER]).items == (("earlier", "answer"),)


def test_words_give_back_the_message_letter_by_letter() -> None:
    message = "Say «Grüß  Gott!» twice"
    reading = read(message, [])
    first, last = reading.words.index("Grüß"), reading.words.index("!")
    assert reading.text(first, last) == "Grüß  Gott!"
    assert reading.text(first - 1, last + 1) == "Grüß  Gott!"


@pytest.mark.parametrize("marks", ['""', "''", "\u201c\u201d", "\u2018\u2019", "\u00ab\u00bb", "\u201e\u201c"])
def test_quotes_around_a_text_are_not_part_of_it(marks: str) -> None:
    reading = read(f"read {marks[0]}see you{marks[1]} aloud", [])
    assert reading.text(1, 4) == "see you"


def test_the_words_of_a_part_are_found() -> None:
    reading = read("two red kites, please", [])
    assert reading.find("red kites") == (1, 2)
    assert reading.find("kite") == (2, 2)
    assert reading.find("hawks") is None
    assert reading.find("") is None
