"""Cut a long text into parts that fit, at the best place there is: a line, a sentence, a clause, a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

#: After the end of a sentence, of a clause, and between words. What they match stays with the part before it.
_CUTS = (
    re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])[」』”’]*"),  # noqa: RUF001 # they mean these characters
    re.compile(r"(?<=[,;:–—])\s+|(?<=[、，；：])"),  # noqa: RUF001 # as above
    re.compile(r"\s+"),
)

#: A full stop after these ends no sentence.
_ABBREVIATED = re.compile(r"(?:\b(?:Mrs?|Ms|Drs?|Prof|St|Sr|Sra|vs|Nr|Fig|e\.g|i\.e|z\.B|d\.h|p\.ej)|\b[A-Z])\.\s*$")


def sentences(line: str) -> list[str]:
    """The sentences of one line, each with the space after it."""
    return _cut(line, 0)


def parts(line: str, fits: Callable[[str], bool]) -> Iterator[str]:
    """Parts of one line, each as long as ``fits`` allows; joined they are the line again."""
    return _parts(line, fits, 0)


def _parts(text: str, fits: Callable[[str], bool], depth: int) -> Iterator[str]:
    if fits(text) or len(text) < 2:
        yield text
        return
    pieces = _cut(text, depth) if depth < len(_CUTS) else [text[: len(text) // 2], text[len(text) // 2 :]]
    held = ""
    for piece in pieces:
        if held and fits(held + piece):
            held += piece
            continue
        if held:
            yield held
        held = ""
        if fits(piece):
            held = piece
        else:
            yield from _parts(piece, fits, min(depth + 1, len(_CUTS)))
    if held:
        yield held


def _cut(text: str, depth: int) -> list[str]:
    ends = [match.end() for match in _CUTS[depth].finditer(text)]
    if depth == 0:
        ends = [end for end in ends if not _ABBREVIATED.search(text, max(0, end - 12), end)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if start < end]
