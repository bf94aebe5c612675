"""How many tokens of a chat model's window each part of a prompt may take."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Assumed where only the server knows how much its model takes: what the smallest models in use take.
DEFAULT_WINDOW = 8_192

#: Kept free for the answer, but never more than a quarter of the window.
ANSWER_TOKENS = 512

#: What a chat template puts around a message.
MESSAGE_TOKENS = 6

#: Of what system prompt and message leave, in hundredths. The rest is left over: tokens are only estimated here.
RESULTS, HISTORY, SUMMARY, MEMORY = 32, 32, 10, 8

#: A word of this many letters is one token, as a rule; of other scripts than Latin, this many bytes.
_LATIN_CHARS, _OTHER_BYTES = 5, 2.4

#: Words, and what is a token of its own: digits and a space before them, punctuation, line breaks with the next line's
#: indent.
_PARTS = re.compile(r"(?P<latin>[A-Za-z]+)|(?P<other>[^\W\d_]+)|\n\s*|[^\w\s]| (?=\d)|\d|_")


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens for each part of one prompt."""

    results: int
    """For what tools found and attached texts."""
    history: int
    summary: int
    memory: int
    """For what long-term memory recalled."""

    @classmethod
    def divide(cls, window: int, fixed: int = 0, share: float = 1.0) -> Budget:
        """What a window has for the parts that can be cut, when ``fixed`` tokens are taken by those that can't.

        ``share``, in 0..1, is how much of the usual is shown.
        """
        rest = max(window - min(ANSWER_TOKENS, window // 4) - fixed, 0) * share
        results, history, summary, memory = (int(rest * part / 100) for part in (RESULTS, HISTORY, SUMMARY, MEMORY))
        return cls(results, history, summary, memory)


def tokens(text: str) -> int:
    """About how many tokens a text has, rather too many than too few: a tokenizer is another model's, or far away."""
    count = 0
    for part in _PARTS.finditer(text):
        if part["latin"]:
            count += -(-len(part["latin"]) // _LATIN_CHARS)
        else:
            count += math.ceil(len(part[0].encode("utf-8", "replace")) / _OTHER_BYTES) if part["other"] else 1
    return count


def cut(text: str, limit: int) -> str:
    """The text's beginning, of at most ``limit`` tokens; one that is cut says so by its end."""
    size = tokens(text)
    if size <= limit:
        return text
    mark = " ..."
    length = len(text) * max(limit - tokens(mark), 0) // size
    while length and tokens(text[:length]) > limit - tokens(mark):  # its beginning is denser than the rest
        length = length * 9 // 10
    return f"{text[:length]}{mark}" if length else ""


def fit(texts: Sequence[str], limit: int, least: int = 0) -> list[str]:
    """Texts that together have at most ``limit`` tokens: the long ones are cut, to the same length, but none to less
    than ``least``, which may go over the limit.
    """
    room, fitted = max(limit, least * len(texts)), list(texts)
    by_size = sorted(range(len(texts)), key=lambda index: tokens(texts[index]))
    for place, index in enumerate(by_size):
        fitted[index] = cut(texts[index], room // (len(texts) - place))
        room -= tokens(fitted[index])
    return fitted


def newest(sizes: Iterable[int], limit: int) -> int:
    """Of parts of these sizes, newest first, how many fit."""
    count = 0
    for size in sizes:
        limit -= size
        if limit < 0:
            break
        count += 1
    return count
