"""Planning without a language model: a small parser turns the request into a typed plan in some tens of milliseconds.

The parser (`engines.text.pointer_parser`) only ever chooses among what `graphs.actions` allows, so its plans are right
in type as those of a constrained chat model are. How sure it is decides whether a chat model is asked at all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from engines.controller import ModelController
from engines.errors import EngineError, InputError, NotFoundError, UnavailableError
from engines.progress import NEVER, CancelToken
from engines.protocols.parsing import Item, Options, RequestParsing, Symbol, Word
from engines.text.languages import language_code, language_name
from graphs.actions import (
    ENDING,
    Action,
    Argument,
    Begin,
    Call,
    Choose,
    Decision,
    Draft,
    End,
    Grammar,
    Omit,
    Refer,
    Span,
    Take,
    Until,
    Use,
)
from graphs.naming import is_named
from graphs.plan import Offer, Request, literal
from graphs.reading import Reading, read
from graphs.schema import Choices
from memory.events import PlannedStep
from tools.spec import ToolSpec

logger = logging.getLogger(__name__)


def symbol(action: Action) -> Symbol:
    """An action as the parser's symbol."""
    made: Symbol
    match action:
        case Use(tool):
            made = f"use {tool}"
        case Refer(step):
            made = f"${step}"
        case Choose(value):
            made = f"={value}"
        case Take(offer):
            made = Item(offer)
        case Begin(word) | Until(word):
            made = Word(word)
        case End():
            made = "end"
        case Omit():
            made = "omit"
    return made


def action(given: Symbol, decision: Decision) -> Action:
    """The action that a symbol stands for where ``decision`` is to be taken."""
    if isinstance(given, Item):
        return Take(given.index)
    if isinstance(given, Word):
        return Until(given.index) if decision.slot == ENDING else Begin(given.index)
    return next(allowed for allowed in decision.allowed if symbol(allowed) == given)


def options(decision: Decision) -> Options:
    """A decision as the parser is asked for it."""
    return Options(decision.slot, tuple(symbol(action) for action in decision.allowed), decision.words_from)


@dataclass(frozen=True, slots=True)
class Guess:
    """A plan that the parser thinks likely. ``certainty`` is the probability of its least certain decision, 0..1."""

    steps: tuple[PlannedStep, ...]
    certainty: float
    unknown: frozenset[str] = frozenset()
    """Tools on offer that the parser has not learned."""


class RequestReader:
    """Makes plans with a request parser, for the tools that it has learned."""

    def __init__(self, tools: Mapping[str, ToolSpec], choices: Choices) -> None:
        self._tools = tools
        self._choices = choices

    def guesses(
        self, parser: RequestParsing, message: str, offers: Sequence[Offer], cancel: CancelToken = NEVER
    ) -> list[Guess]:
        """The likeliest plans, best first; none for a message without words. Blocking: some tens of milliseconds."""
        reading = read(message, offers)
        if not reading.words:
            return []
        grammar = Grammar(self._tools, offers, parser.slots)
        drafts: dict[tuple[Symbol, ...], Draft] = {(): Draft(grammar)}

        def draft_of(symbols: tuple[Symbol, ...]) -> Draft:
            if symbols not in drafts:
                before = draft_of(symbols[:-1])
                drafts[symbols] = before.after(action(symbols[-1], cast("Decision", before.decision)))
            return drafts[symbols]

        def following(symbols: tuple[Symbol, ...]) -> Options | None:
            decision = draft_of(symbols).decision
            return options(decision) if decision else None

        found = parser.parse(reading.words, reading.items, following, cancel=cancel)
        return [
            Guess(
                tuple(self._steps(draft_of(one.symbols).calls, reading)),
                one.least,
                frozenset(self._tools.keys() - grammar.known.keys()),
            )
            for one in found
        ]

    def _steps(self, calls: Sequence[Call], reading: Reading) -> Iterator[PlannedStep]:
        for number, call in enumerate(calls, 1):
            spec = self._tools[call.tool]
            args = {name: _said(spec, name, value, reading, self._choices) for name, value in call.args}
            given = {name: value for name, value in args.items() if value is not None}
            yield PlannedStep(id=f"${number}", tool=call.tool, args=given)


def _said(spec: ToolSpec, name: str, value: Argument, reading: Reading, choices: Choices) -> str | None:
    if not isinstance(value, Span):
        return value
    said = in_tools_words(spec, name, reading.text(value.first, value.last), choices)
    return literal(said) if said else said


def in_tools_words(spec: ToolSpec, name: str, said: str, choices: Choices) -> str | None:
    """An argument as the tool takes it. None: the words name none of the values that the engines know."""
    source = spec.choices(name)
    return said if source is None or source.free else named_value(said, choices[source.choices])


def named_value(said: str, values: Sequence[str]) -> str | None:
    """The value that some words name: ``couches`` names ``couch``, ``Brazilian Portuguese`` names ``Portuguese``."""
    for value in values:
        if value.lower() == said.lower():
            return value
    named = [value for value in values if is_named(value, said)]
    if named:
        return max(named, key=len)
    try:
        language = language_name(language_code(said))
    except InputError:
        return None
    return language if language in values else None


class ParsedPlans:
    """`RequestReader` over the request parser that the controller lends. Used as the planner's `Guesser`."""

    def __init__(self, controller: ModelController, reader: RequestReader) -> None:
        self._controller = controller
        self._reader = reader

    async def __call__(self, request: Request) -> Sequence[Guess]:
        """Empty where the parser's weights are not there, or it breaks: then the chat model plans."""
        try:
            async with self._controller.use(RequestParsing) as lease:
                return await lease.run(
                    lambda parser, cancel: self._reader.guesses(parser, request.message, request.offers, cancel)
                )
        except (NotFoundError, UnavailableError, EngineError) as error:
            logger.info("planning without the parser: %s", error)
            return []
