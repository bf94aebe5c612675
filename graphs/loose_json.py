"""Values as language models print them: JSON, with what people and Python allow besides.

Read are also single quotes, bare keys, trailing commas, comments, line breaks in strings and Python's ``True``,
``False`` and ``None``. What was cut off or is anything else is refused: a mended guess would pass for what was meant.
"""

from __future__ import annotations

import math
import re
from typing import Any

DEEPEST = 32
"""Levels of nesting; what is deeper is no call."""

_SPACE = re.compile(r"(?:\s|//[^\n]*|#[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"[^\W\d]\w*")
_PIECE = {quote: re.compile(rf"[^{quote}\\]*") for quote in "\"'"}
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_WORDS: dict[str, Any] = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}


def read_value(text: str, start: int = 0, level: int = 0) -> tuple[Any, int]:
    """The value that begins at ``start`` (after spaces and comments), and where it ends. Raises ValueError."""
    at = skip_space(text, start)
    if level > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST} at {at}")
    first = text[at : at + 1]
    if first == "{":
        return _read_object(text, at, level)
    if first == "[":
        return _read_list(text, at, level)
    if first in ('"', "'") and first:
        return _read_string(text, at)
    if number := _NUMBER.match(text, at):
        return _number(number[0]), number.end()
    word = _WORD.match(text, at)
    if word and word[0] in _WORDS:
        return _WORDS[word[0]], word.end()
    raise ValueError(f"no value at {at}")


def skip_space(text: str, at: int) -> int:
    """The next place that is neither space nor comment."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def read_name(text: str, start: int) -> tuple[str, int]:
    """A bare word, such as a key or a parameter's name. Raises ValueError."""
    found = _WORD.match(text, start)
    if found is None:
        raise ValueError(f"no name at {start}")
    return found[0], found.end()


def next_item(text: str, at: int, closing: str) -> tuple[bool, int]:
    """After an item: whether another one follows, and where the list goes on. Raises ValueError."""
    at = skip_space(text, at)
    if text[at : at + 1] == ",":
        at = skip_space(text, at + 1)
        return (False, at + 1) if text[at : at + 1] == closing else (True, at)
    if text[at : at + 1] == closing:
        return False, at + 1
    raise ValueError(f"neither a comma nor {closing} at {at}")


def _read_object(text: str, at: int, level: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    at = skip_space(text, at + 1)
    more, at = (False, at + 1) if text[at : at + 1] == "}" else (True, at)
    while more:
        key, at = _read_string(text, at) if text[at : at + 1] in ('"', "'") else read_name(text, at)
        at = skip_space(text, at)
        if text[at : at + 1] != ":":
            raise ValueError(f"no colon at {at}")
        found[key], at = read_value(text, at + 1, level + 1)
        more, at = next_item(text, at, "}")
    return found, at


def _read_list(text: str, at: int, level: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = skip_space(text, at + 1)
    more, at = (False, at + 1) if text[at : at + 1] == "]" else (True, at)
    while more:
        value, at = read_value(text, at, level + 1)
        found.append(value)
        more, at = next_item(text, at, "]")
    return found, at


def _read_string(text: str, at: int) -> tuple[str, int]:
    quote = text[at]
    pieces: list[str] = []
    at += 1
    while at < len(text):
        piece = _PIECE[quote].match(text, at)
        if piece:
            pieces.append(piece[0])
            at = piece.end()
        if text[at : at + 1] == quote:
            return _whole("".join(pieces)), at + 1
        escaped = text[at + 1 : at + 2]
        at += 2
        if escaped == "u" and (digits := _HEX.match(text, at)):
            pieces.append(chr(int(digits[0], 16)))
            at = digits.end()
        else:
            pieces.append(_ESCAPES.get(escaped, escaped))
    raise ValueError("a string has no end")


def _whole(text: str) -> str:
    """Pairs of UTF-16 escapes joined; half a pair, which no file could hold, becomes the replacement sign."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _number(written: str) -> int | float:
    try:
        return int(written)
    except ValueError:
        value = float(written)
    if not math.isfinite(value):
        raise ValueError(f"{written[:20]} is too large")
    return value
