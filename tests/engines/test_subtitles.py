"""Subtitles: what the formats want, and what people can read."""

from __future__ import annotations

from engines.audio.subtitles import subtitles
from engines.protocols import Segment, Word


def spoken(text: str, start: float = 0.0, each: float = 0.4) -> Segment:
    """A segment whose words take the same time."""
    words = [Word(start + n * each, start + (n + 1) * each, f" {word}", 0.9) for n, word in enumerate(text.split())]
    return Segment(start, start + len(words) * each, text, tuple(words))


def cues(file: str) -> list[list[str]]:
    """Lines of each block."""
    return [block.splitlines() for block in file.strip().split("\n\n")]


def test_subrip() -> None:
    file = subtitles([Segment(0.5, 2.25, "Hello there."), Segment(3_661.0, 3_662.5, "Bye.")], "srt")
    assert cues(file) == [
        ["1", "00:00:00,500 --> 00:00:02,250", "Hello there."],
        ["2", "01:01:01,000 --> 01:01:02,500", "Bye."],
    ]


def test_webvtt_has_a_header_and_escapes_markup() -> None:
    file = subtitles([Segment(0.0, 1.0, "1 < 2 & 3 --> 4")], "vtt")
    assert cues(file) == [["WEBVTT"], ["00:00:00.000 --> 00:00:01.000", "1 &lt; 2 &amp; 3 -&gt; 4"]]


def test_an_arrow_in_the_text_ends_no_cue() -> None:
    assert "a -> b" in subtitles([Segment(0.0, 1.0, "a --> b\n\nc")], "srt")


def test_nothing_said() -> None:
    assert subtitles([], "srt") == ""
    assert subtitles([], "vtt").strip() == "WEBVTT"


def test_long_speech_is_cut_into_cues_that_can_be_read() -> None:
    text = "We came to the river in the evening, and nobody had told us that the old bridge was gone. " * 4
    blocks = cues(subtitles([spoken(text.strip())], "srt"))
    assert len(blocks) > 4
    assert all(len(block) <= 4 and max(map(len, block[2:])) <= 46 for block in blocks)
    assert " ".join(" ".join(block[2:]) for block in blocks) == " ".join(text.split())


def test_a_cue_ends_at_a_comma_rather_than_in_the_middle() -> None:
    text = "And so my fellow Americans, ask not what your country, can do for you ask what you can do for it"
    first = cues(subtitles([spoken(text)], "srt"))[0]
    assert " ".join(first[2:]).endswith("country,")


def test_a_sentence_ends_its_cue() -> None:
    blocks = cues(subtitles([spoken("This is the first sentence. This is the second one.")], "srt"))
    assert [block[2] for block in blocks] == ["This is the first sentence.", "This is the second one."]


def test_writing_without_spaces_is_joined_without_them() -> None:
    words = tuple(Word(n, n + 1.0, sign, 0.9) for n, sign in enumerate("今日は良い"))
    assert "今日は良い" in subtitles([Segment(0.0, 5.0, "今日は良い", words)], "srt")


def test_rounding_never_gives_a_thousandth_too_many() -> None:
    assert "00:00:59,999 --> 00:01:00,000" in subtitles([Segment(59.9994, 59.9996, "x")], "srt")
