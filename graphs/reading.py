"""A request as a parser reads it: words, with files by kind and number instead of their names.

``Cut the cat out of 9f3a_IMG.png`` is read as ``Cut the cat out of image1``: what a file is called says little, and
the pieces of such names are noise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from graphs.plan import Offer

_WORD = re.compile(r"\w+|[^\w\s]")
#: Of a file's name so many words are shown, and only letters.
_NAME_WORDS = 4
_LETTERS = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Reading:
    """``words`` of the request and where each stands in the message; ``items``: each offer in words."""

    message: str
    words: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    items: tuple[tuple[str, ...], ...]

    def text(self, first: int, last: int) -> str:
        """What the message says from one word to another, letter by letter; quotes around it are not part of it."""
        return _unquoted(self.message[self.places[first][0] : self.places[last][1]])

    def find(self, part: str) -> tuple[int, int] | None:
        """First and last word of ``part`` where the message holds it, else None."""
        start = self.message.find(part)
        if start < 0 or not part:
            return None
        inside = [i for i, (begin, end) in enumerate(self.places) if begin < start + len(part) and end > start]
        return (inside[0], inside[-1]) if inside else None


def read(message: str, offers: Sequence[Offer]) -> Reading:
    """The request as words, and the offers as items in the same order."""
    names = _placeholders(offers)
    words, places = list[str](), list[tuple[int, int]]()
    for start, end, name in _mentions(message, names):
        if name:
            words.append(name)
            places.append((start, end))
            continue
        for match in _WORD.finditer(message, start, end):
            words.append(match[0])
            places.append(match.span())
    return Reading(message, tuple(words), tuple(places), tuple(_item(offer, names) for offer in offers))


def _placeholders(offers: Sequence[Offer]) -> dict[str, str]:
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    for offer in offers:
        if offer.name.startswith("@"):
            names[offer.name] = offer.name.removeprefix("@")
            continue
        counts[offer.kind] = counts.get(offer.kind, 0) + 1
        names[offer.name] = f"{offer.kind}{counts[offer.kind]}"
    return names


def _item(offer: Offer, names: dict[str, str]) -> tuple[str, ...]:
    stem = offer.name.rpartition(".")[0] or offer.name
    shown = () if offer.name.startswith("@") else tuple(_LETTERS.findall(stem)[:_NAME_WORDS])
    return (*(("earlier",) if offer.earlier else ()), names[offer.name], *shown)


def _mentions(message: str, names: dict[str, str]) -> list[tuple[int, int, str]]:
    """The message in pieces: ``(start, end, placeholder)``, the placeholder empty for what names no file."""
    files = sorted((name for name in names if not name.startswith("@")), key=len, reverse=True)
    if not files:
        return [(0, len(message), "")]
    pattern = re.compile("|".join(rf"(?<!\w)({re.escape(name)})(?!\w)" for name in files), re.IGNORECASE)
    pieces, at = list[tuple[int, int, str]](), 0
    for match in pattern.finditer(message):
        # By its group: case folds in more ways than ``lower`` knows, as in the Turkish \u0130.
        named = files[cast("int", match.lastindex) - 1]
        pieces += [(at, match.start(), ""), (*match.span(), names[named])]
        at = match.end()
    return [*pieces, (at, len(message), "")]


#: Opening and closing marks: straight, curled, as in French and as in German.
_QUOTES = (
    ('"', '"'),
    ("'", "'"),
    ("\u201c", "\u201d"),
    ("\u2018", "\u2019"),
    ("\u00ab", "\u00bb"),
    ("\u201e", "\u201c"),
)


def _unquoted(text: str) -> str:
    for left, right in _QUOTES:
        if len(text) > 2 and text.startswith(left) and text.endswith(right):  # the quotes alone
            return text[1:-1].strip()
    return text
