"""Plans by a request parser whose decisions are given: what its words become, and what happens when it breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from engines.controller import ModelController
from engines.errors import EngineError, SensoriumError, UnavailableError
from engines.progress import NEVER, CancelToken
from engines.protocols.parsing import Next, Parsed, RequestParsing, Symbol, Word
from graphs.actions import ENDING, Grammar
from graphs.parser import ParsedPlans, RequestReader
from graphs.plan import Offer, Request, literal, references
from tools.builtin import BUILT_IN

SPEAK = {spec.name: spec for spec in BUILT_IN if spec.name == "speak"}
CHOICES = {"voice-styles": ["female"]}
ANSWER = Offer("@answer", "text", "It is dear.", earlier=True)


class Reciter:
    """Has the words from ``first`` to ``last`` read aloud."""

    def __init__(self, first: int, last: int) -> None:
        grammar = Grammar(SPEAK, [])
        self.slots = frozenset({"use speak", *(slot for slots in grammar.known.values() for slot in slots)})
        self._words = (first, last)

    def parse(
        self,
        words: Sequence[str],
        items: Sequence[Sequence[str]],
        following: Next,
        *,
        beams: int = 4,
        cancel: CancelToken = NEVER,
    ) -> tuple[Parsed, ...]:
        symbols: tuple[Symbol, ...] = ()
        while options := following(symbols):
            symbol: Symbol = "omit"
            if options.slot == "tool":
                symbol = "end" if symbols else "use speak"
            elif options.slot == "speak.text":
                symbol = Word(self._words[0])
            elif options.slot == ENDING:
                symbol = Word(self._words[1])
            symbols = (*symbols, symbol)
        return (Parsed(symbols, 0.0, 1.0),)


@pytest.mark.parametrize("message", ["Say '$5' aloud", "Say '$1' aloud"])
def test_words_of_the_request_are_never_the_result_of_a_step(message: str) -> None:
    reciter = cast("RequestParsing", Reciter(1, 4))
    (guess,) = RequestReader(SPEAK, CHOICES).guesses(reciter, message, [ANSWER])
    (step,) = guess.steps
    assert step.args == {"text": literal(message[5:7])}
    assert references(step) == ()


@pytest.mark.parametrize("error", [UnavailableError("It is not there."), EngineError("It broke.")])
async def test_where_the_parser_is_not_there_or_breaks_it_has_no_plan(error: SensoriumError) -> None:
    class Broken:
        @asynccontextmanager
        async def use(self, _: Any) -> AsyncIterator[None]:
            raise error
            yield

    plans = ParsedPlans(cast("ModelController", Broken()), RequestReader(SPEAK, CHOICES))
    assert await plans(Request("Say hello")) == []
