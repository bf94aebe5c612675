"""What engines that turn a request into a structure promise (semantic parsing with pointers into the request)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from engines.progress import NEVER, CancelToken
from engines.protocols.engine import Engine


@dataclass(frozen=True, slots=True)
class Word:
    """Points at a word of the request, by its index."""

    index: int


@dataclass(frozen=True, slots=True)
class Item:
    """Points at one of the things listed beside the request, by its index."""

    index: int


Symbol = str | Word | Item
"""One decision: a fixed one by its name, or a pointer."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may come next. ``slot`` names the kind of decision; besides ``symbols``, any word from ``words_from`` on."""

    slot: str
    symbols: tuple[Symbol, ...]
    words_from: int | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A complete sequence of decisions. ``log_probability`` is the sum over its decisions, each among what was allowed;
    ``least`` is the probability of the least certain one, in 0..1.
    """

    symbols: tuple[Symbol, ...]
    log_probability: float
    least: float


#: Given the decisions so far: what may come next; None: they are complete.
Next = Callable[[tuple[Symbol, ...]], Options | None]


class RequestParsing(Engine, Protocol):
    capability: ClassVar[str] = "request-parsing"

    @property
    def slots(self) -> frozenset[str]:
        """The kinds of decision it has learned, and the fixed symbols it knows."""
        ...

    def parse(
        self,
        words: Sequence[str],
        items: Sequence[Sequence[str]],
        following: Next,
        *,
        beams: int = 4,
        cancel: CancelToken = NEVER,
    ) -> tuple[Parsed, ...]:
        """The likeliest sequences, best first, by beam search. Words that a long request leaves no room for can't be
        pointed at. Raises InputError for a request without words.
        """
        ...
