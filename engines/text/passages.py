"""Translate a text of any length sentence by sentence, with everything in its place that is no language.

Line breaks, indentation, list marks, headings and quote marks are kept, and so is code between fences. Addresses and
`code` inside a sentence are given to the model with the sentence; if they don't come back as they were, the words
around them are translated instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engines.progress import CancelToken, OnProgress
from engines.text.splitting import parts

#: Indentation, list marks, headings and quote marks: kept as they are, with the space at the end of a line.
_MARK = re.compile(r"\s*(?:(?:[-*+•>]|#{1,6}|\d{1,3}[.)])\s+)*")

#: Begins and ends code that is kept line for line.
FENCE = re.compile(r"^\s*(```|~~~)")

#: What must come back as it was: web and mail addresses, and code in backticks.
_KEPT = re.compile(
    r"`[^`\n]+`|(?:https?://|www\.)[^\s<>\"'）」]*[^\s<>\"'）」.,;:!?)\]]"  # noqa: RUF001 # they mean these characters
    r"|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """``words``: to be translated; otherwise it is kept."""

    text: str
    words: bool


def pieces(text: str, fits: Callable[[str], bool]) -> list[Piece]:
    """Joined they are the text; those with words are as long as ``fits`` allows and have no space around them."""
    made: list[Piece] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = FENCE.match(line)
        if fence or mark:
            fence = "" if mark and mark[1] == fence else fence or (mark[1] if mark else "")
            made.append(Piece(line, words=False))
        else:
            made += _of_line(line, fits)
    return made


def has_words(text: str) -> bool:
    """Whether there is a letter outside addresses and code."""
    return any(char.isalpha() for char in _KEPT.sub(" ", text))


def rewrite(
    text: str,
    translate: Callable[[list[str]], Sequence[str]],
    *,
    fits: Callable[[str], bool],
    batch: int,
    on_progress: OnProgress,
    cancel: CancelToken,
) -> str:
    """The text with each piece of words replaced by its translation.

    ``translate`` gets up to ``batch`` pieces at once and returns as many, in order. Progress is reported, and the
    token is looked at, before each batch.
    """
    found = pieces(text, fits)
    out = [piece.text for piece in found]
    todo = [index for index, piece in enumerate(found) if piece.words]
    total = sum(len(out[index]) for index in todo) or 1
    done = 0
    for start in range(0, len(todo), batch):
        cancel.check()
        on_progress(done / total, f"translated {start} of {len(todo)} parts")
        some = todo[start : start + batch]
        done += sum(len(out[index]) for index in some)
        for index, translated in zip(some, translate([out[index] for index in some]), strict=True):
            cancel.check()
            out[index] = translated if _kept_in(out[index], translated) else _around(out[index], translate)
    on_progress(1.0, "translated")
    return "".join(out)


def _of_line(line: str, fits: Callable[[str], bool]) -> Iterator[Piece]:
    match = _MARK.match(line)
    begin = match.end() if match else 0
    until = max(begin, len(line.rstrip()))
    yield Piece(line[:begin], words=False)
    for part in parts(line[begin:until], fits):
        bare = part.strip()
        lead = part[: len(part) - len(part.lstrip())]
        yield Piece(lead, words=False)
        yield Piece(bare, words=has_words(bare))
        yield Piece(part[len(lead) + len(bare) :], words=False)
    yield Piece(line[until:], words=False)


def _kept_in(given: str, translated: str) -> bool:
    return all(kept in translated for kept in _KEPT.findall(given))


def _around(given: str, translate: Callable[[list[str]], Sequence[str]]) -> str:
    """Translate what is around the things that must be kept."""
    ends = [edge for match in _KEPT.finditer(given) for edge in match.span()]
    out = [given[start:end] for start, end in zip([0, *ends], [*ends, len(given)], strict=True)]
    for index in range(0, len(out), 2):  # every other one is kept
        words = out[index].strip()
        if has_words(words):
            out[index] = out[index].replace(words, translate([words])[0], 1)
    return "".join(out)
