"""Subtitles out of a transcript: SubRip (``.srt``) and WebVTT (``.vtt``, W3C)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from engines.protocols import Segment, Word

SubtitleFormat = Literal["srt", "vtt"]

#: What viewers can read: two lines, for some seconds (Netflix's and the BBC's guides agree within a little).
_LINE: Final = 42
_LONGEST_SECONDS: Final = 7.0
_ENDS: Final = (".", "!", "?", "…", "。", "！", "？")  # noqa: RUF001 # Chinese and Japanese signs
_PAUSES: Final = (*_ENDS, ",", ";", ":", "，", "、")  # noqa: RUF001 # full-width marks are meant


def subtitles(segments: Iterable[Segment], form: SubtitleFormat) -> str:
    """The file's text; of an empty transcript, what the format has before the first cue.

    Segments with words are cut into cues of at most two lines and seven seconds; others stay whole.
    """
    cues = [cue for segment in segments for cue in _cues(segment)]
    if form == "srt":
        blocks = [
            f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{_lines(cue.text)}\n"
            for number, cue in enumerate(cues, 1)
        ]
        return "\n".join(blocks)
    shown = [f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_escaped(_lines(cue.text))}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *shown])


def _cues(segment: Segment) -> Iterator[Segment]:
    gathered: list[Word] = []
    for word in segment.words:
        if gathered and _is_full([*gathered, word]):
            cut = _last_pause(gathered)
            yield _joined(gathered[:cut])
            gathered = gathered[cut:]
        gathered.append(word)
        if word.text.rstrip().endswith(_ENDS) and len(_text(gathered)) > _LINE / 2:
            yield _joined(gathered)
            gathered = []
    if gathered:
        yield _joined(gathered)
    elif not segment.words:
        yield segment


def _last_pause(words: Sequence[Word]) -> int:
    """How many of the words go into the cue: up to a comma or the like in its second half, or else all."""
    for count in range(len(words), 0, -1):
        if len(_text(words[:count])) < _LINE / 2:
            break
        if words[count - 1].text.rstrip().endswith(_PAUSES):
            return count
    return len(words)


def _is_full(words: Sequence[Word]) -> bool:
    return len(_text(words)) > 2 * _LINE or words[-1].end - words[0].start > _LONGEST_SECONDS


def _joined(words: Sequence[Word]) -> Segment:
    return Segment(words[0].start, words[-1].end, _text(words))


def _text(words: Sequence[Word]) -> str:
    """Words carry their own spaces: Chinese and Japanese have none."""
    return "".join(word.text for word in words).strip()


def _lines(text: str) -> str:
    """On one line, or on two of about the same length. No arrow and no empty line: they would end the cue."""
    text = " ".join(text.replace("-->", "->").split())
    if len(text) <= _LINE or " " not in text:
        return text
    middle = len(text) / 2
    cut = min((at for at, sign in enumerate(text) if sign == " "), key=lambda at: abs(at - middle))
    return f"{text[:cut]}\n{text[cut + 1 :]}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, mark: str) -> str:
    """``hh:mm:ss,mmm``."""
    rest, milliseconds = divmod(max(0, round(seconds * 1000)), 1000)
    minutes, second = divmod(rest, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{mark}{milliseconds:03}"
