"""Worked requests in tokens: the conversation that a chat model reads, and the lines it should write then."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.planner.augment import augmented
from benchmarks.planner.gguf_weights import Gguf, tokenizer_of
from benchmarks.planner.rows import TOOLS, Row, UnfitRowError, example
from graphs.plan import Offer
from graphs.plan_lines import SYSTEM, asked, written

START, END = "<|im_start|>", "<|im_end|>"


@dataclass(frozen=True)
class Turn:
    """``plan`` ends with `END`."""

    prompt: list[int]
    plan: list[int]

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.plan)


class Scribe:
    """Writes rows in a model's tokens, as llama.cpp's server does with the model's chat template (ChatML)."""

    def __init__(self, file: Gguf) -> None:
        self._tokenizer = tokenizer_of(file)
        self._start = file.tokens.index(START)
        self.end = file.tokens.index(END)

    def turn(self, row: Row) -> Turn:
        calls = [(call["tool"], {key: value for key, value in call.items() if key != "tool"}) for call in row.calls]
        plan = self._ids(written(calls, row.offers, TOOLS))
        return Turn(self._prompt(row.request, row.offers), [*plan, self.end])

    def _prompt(self, request: str, offers: Sequence[Offer]) -> list[int]:
        said = (f"system\n{SYSTEM}", f"user\n{asked(request, offers)}")
        whole = [token for text in said for token in (self._start, *self._ids(text), self.end, *self._ids("\n"))]
        return [*whole, self._start, *self._ids("assistant\n")]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text).ids)


@dataclass(frozen=True)
class Turns:
    """Everything that is learned and looked at, in a vocabulary of the tokens that occur in it, numbered anew.

    Of a vocabulary of 152,000 tokens the rows need 20,000: the rest would only cost memory and time.
    """

    epochs: list[list[Turn]]
    """Each with noise and joins of its own."""
    held: list[Turn]
    tokens: list[int]
    """The model's number of each token."""
    end: int


def turns_of(file: Gguf, learn: Sequence[Row], held: Sequence[Row], *, epochs: int, seed: int) -> Turns:
    scribe = Scribe(file)
    learned = [
        _turns(scribe, augmented(learn, random.Random(1000 * seed + number)))  # noqa: S311 # not a secret
        for number in range(epochs)
    ]
    kept = _turns(scribe, held)
    tokens = sorted({token for turn in (*kept, *(turn for some in learned for turn in some)) for token in _all(turn)})
    number = {token: index for index, token in enumerate(tokens)}

    def numbered(turns: Iterable[Turn]) -> list[Turn]:
        return [Turn([number[t] for t in turn.prompt], [number[t] for t in turn.plan]) for turn in turns]

    return Turns([numbered(some) for some in learned], numbered(kept), tokens, number[scribe.end])


def _turns(scribe: Scribe, rows: Iterable[Row]) -> list[Turn]:
    return [scribe.turn(row) for row in rows if _is_fit(row)]


def _all(turn: Turn) -> list[int]:
    return [*turn.prompt, *turn.plan]


def _is_fit(row: Row) -> bool:
    """Whether it says nothing that the plan's language can't: noise may have parted an argument from the request."""
    try:
        example(row)
    except UnfitRowError:
        return False
    return True
