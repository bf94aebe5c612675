"""Text as a voice can read it: without markup, addresses and emoji, in pieces that are never too long."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

#: Applied to one line at a time, its spaces already single. No two neighbouring repetitions match the same
#: characters, so that no text, however made, takes more than linear time.
_REPLACED: Final = (
    (
        re.compile(r"!?\[([^\]\[]*)\]\((?:[^()\s]|\([^()\s]*\))*(?: \"[^\"]*\")?\)"),
        r"\1",
    ),  # links, pictures: their text
    (re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://(?:www\.)?([^\s/?#:]+)[^\s]*[^\s.,;:!?)\]'\"]", re.IGNORECASE), r"\1"),
    (re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE), " "),  # HTML
    (re.compile(r"^(?:#{1,6}|>+|[-*+]) "), ""),  # headings, quotations, lists
    (re.compile(r" ?\| ?"), ", "),  # cells of a table
    (re.compile(r"(\*\*|__|~~|`)"), ""),
    (re.compile(r"(?<!\w)[*_]([^\s*_](?:[^*_]*[^\s*_])?)[*_](?!\w)"), r"\1"),
    (re.compile(r"\[\[|\]\]"), " "),  # Piper would take what is between for phonemes
)
_FENCE: Final = ("```", "~~~")
_RULE: Final = re.compile(r"[-*_=|: ]+")  # a line across, or the one below a table's head
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*(?=\S)")  # noqa: RUF001 # Chinese and Japanese signs
_CLAUSE_END: Final = re.compile(r"(?<=[,;:—])\s+|(?<=[、，；])(?=\S)")  # noqa: RUF001 # full-width marks are meant
_WORD_END: Final = re.compile(r"\s+")
_SHORTEST_SENTENCE: Final = 20
"""Characters."""


def speakable(text: str) -> str:
    """What is left to read aloud; may be empty. Blocks of code are left out; of a web address, the site is read."""
    lines = [_plain(line) for line in _without_code(text)]
    text = "\n".join(line for line in lines if line)
    return text if any(character.isalnum() for character in text) else ""


def _without_code(text: str) -> Iterator[str]:
    fence = ""
    for line in text.splitlines():
        start = line.strip()[:3]
        if fence:
            fence = "" if start == fence else fence
        elif start in _FENCE:
            fence = start
        else:
            yield line


def _plain(line: str) -> str:
    line = " ".join("".join(" " if _is_mute(character) else character for character in line).split())
    if _RULE.fullmatch(line):
        return ""
    for pattern, replacement in _REPLACED:
        line = pattern.sub(replacement, line)
    return " ".join(line.split()).strip(" ,")


def _is_mute(character: str) -> bool:
    """Emoji with their joiners and skin tones, control characters. Signs such as ° and © are read."""
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return True
    return (category in ("So", "Sk") and ord(character) >= 0x2190) or "\ufe00" <= character <= "\ufe0f"


def pieces(text: str, longest: int) -> Iterator[str]:
    """The text in order, cut at ends of lines, sentences, clauses or words into at most ``longest`` characters."""
    for line in text.splitlines():
        yield from _cut(line, longest, (_SENTENCE_END, _CLAUSE_END, _WORD_END))


def sentences(text: str, longest: int) -> Iterator[str]:
    """The same, but every sentence by itself, so that the first can be heard while the others are made. One of a word
    or two goes with the next: voices hurry over them.
    """
    for line in text.splitlines():
        gathered = ""
        for part in _SENTENCE_END.split(line):
            gathered = f"{gathered} {part}" if gathered else part
            if len(gathered) >= _SHORTEST_SENTENCE:
                yield from _cut(gathered, longest, (_SENTENCE_END, _CLAUSE_END, _WORD_END))
                gathered = ""
        yield from _cut(gathered, longest, (_SENTENCE_END, _CLAUSE_END, _WORD_END))


def _cut(text: str, longest: int, where: tuple[re.Pattern[str], ...]) -> Iterator[str]:
    if len(text) <= longest:
        if text.strip():
            yield text.strip()
        return
    if not where:  # one endless word
        for start in range(0, len(text), longest):
            yield text[start : start + longest]
        return
    gathered = ""
    for part in where[0].split(text):
        if len(gathered) + 1 + len(part) <= longest:
            gathered = f"{gathered} {part}" if gathered else part
            continue
        yield from _cut(gathered, longest, where[1:])
        gathered = part
    yield from _cut(gathered, longest, where[1:])
