"""Text as a voice can read it: without markup, addresses and emoji, in pieces that are never too long."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_REPLACED: Final = (
    (re.compile(r"^\s*(```|~~~).*?^\s*\1\s*$", re.DOTALL | re.MULTILINE), " "),  # blocks of code
    (
        re.compile(r"!?\[([^\]\[]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)"),
        r"\1",
    ),  # links and pictures: their text
    (re.compile(r"\b[a-z][a-z0-9+.-]*://(?:www\.)?([^\s/?#:]+)[^\s]*[^\s.,;:!?)\]'\"]", re.IGNORECASE), r"\1"),
    (re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE), " "),  # HTML
    (re.compile(r"^\s*\|?[\s:|-]*-{3,}[\s:|-]*$", re.MULTILINE), ""),  # rules, and the line below a table's head
    (re.compile(r"^\s*(?:#{1,6}|>+|[-*+])\s+", re.MULTILINE), ""),  # headings, quotations, lists
    (re.compile(r"[^\S\n]*\|[^\S\n]*"), ", "),  # cells of a table
    (re.compile(r"(\*\*|__|~~|`)"), ""),
    (re.compile(r"(?<!\w)[*_](\S(?:[^*_\n]*\S)?)[*_](?!\w)"), r"\1"),
    (re.compile(r"\[\[|\]\]"), " "),  # Piper would take what is between for phonemes
)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…。])\s+")
_CLAUSE_END: Final = re.compile(r"(?<=[,;:—])\s+")
_WORD_END: Final = re.compile(r"\s+")


def speakable(text: str) -> str:
    """What is left to read aloud; may be empty. Of a web address, the name of the site is."""
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    text = "".join(" " if _is_mute(character) else character for character in text)
    lines = (re.sub(r"[^\S\n]+", " ", line).strip(" ,") for line in text.splitlines())
    text = "\n".join(line for line in lines if line)
    return text if any(character.isalnum() for character in text) else ""


def _is_mute(character: str) -> bool:
    """Emoji and their joiners, control characters. Signs such as ° and © are read."""
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return character != "\n"
    return (category == "So" and ord(character) >= 0x2190) or category == "Sk" or "\ufe00" <= character <= "\ufe0f"


def pieces(text: str, longest: int) -> Iterator[str]:
    """The text in order, cut at ends of lines, sentences, clauses or words into at most ``longest`` characters."""
    for line in text.splitlines():
        yield from _cut(line, longest, (_SENTENCE_END, _CLAUSE_END, _WORD_END))


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
