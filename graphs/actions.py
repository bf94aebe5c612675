"""Plans as sequences of small decisions: a transition system in the sense of transition-based parsing.

A plan is built from left to right: a tool, then each of the arguments that a planner may set, then the next tool, until
`End`. `Draft.decision` says what may be decided now, given what was decided before and what the turn offers: tools
whose inputs are there, attachments and earlier results of the right type, places in the request where a text may begin
or end. Whoever decides, whether a parser or a test, cannot leave the types.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, cast, get_args

from graphs.plan import Offer, candidates
from memory.events import PlannedStep
from tools.spec import ToolSpec
from tools.types import MediaKind

TOOL = "tool"
"""The slot in which the next tool is chosen."""
ENDING = "until"
"""The slot in which the last word of a text is chosen."""
EITHER = "either"
"""Stands for the parameters of which a call gives exactly one."""


@dataclass(frozen=True, slots=True)
class End:
    """The plan is complete."""


@dataclass(frozen=True, slots=True)
class Use:
    """The next step calls this tool."""

    tool: str


@dataclass(frozen=True, slots=True)
class Refer:
    """The argument is the result of a step, by its number from 1."""

    step: int


@dataclass(frozen=True, slots=True)
class Take:
    """The argument is an offer, by its index."""

    offer: int


@dataclass(frozen=True, slots=True)
class Begin:
    """The argument is a text of the request that begins with this word, by its index."""

    word: int


@dataclass(frozen=True, slots=True)
class Until:
    """... and ends with this one."""

    word: int


@dataclass(frozen=True, slots=True)
class Choose:
    """The argument is one of a few fixed values."""

    value: str


@dataclass(frozen=True, slots=True)
class Omit:
    """The option is left out."""


Action = End | Use | Refer | Take | Begin | Until | Choose | Omit


@dataclass(frozen=True, slots=True)
class Span:
    """Words of the request, first and last, that stand for an argument."""

    first: int
    last: int


Argument = str | Span
"""``$1``, an offer's name, a fixed value, or words of the request."""


@dataclass(frozen=True, slots=True)
class Call:
    """A step as decided so far."""

    tool: str
    args: tuple[tuple[str, Argument], ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be decided now. ``slot`` names the kind of decision: ``tool``, ``translate.text``, ``until``."""

    slot: str
    allowed: tuple[Action, ...]
    words_from: int | None = None
    """Besides, `Begin` or (in the slot ``until``) `Until` any word from this one on."""

    def allows(self, action: Action) -> bool:
        if isinstance(action, Begin | Until):
            fits = isinstance(action, Until) == (self.slot == ENDING)
            return fits and self.words_from is not None and action.word >= self.words_from
        return action in self.allowed


@dataclass(frozen=True)
class Grammar:
    """What plans may be made of in one turn. ``slots``: those a parser knows; tools that need others are left out."""

    tools: Mapping[str, ToolSpec]
    offers: Sequence[Offer]
    slots: Collection[str] | None = None
    max_steps: int = 8

    @cached_property
    def known(self) -> dict[str, tuple[str, ...]]:
        """Tool -> its slots in order; tools with a required argument that the parser doesn't know are not there."""
        found = {name: tuple(self._slots(spec)) for name, spec in self.tools.items()}
        return {name: slots for name, slots in found.items() if self._is_known(self.tools[name], slots)}

    def _slots(self, spec: ToolSpec) -> Iterable[str]:
        """The parameters of ``one_of`` share a slot, `EITHER`: what is chosen for it says which of them it is."""
        if spec.one_of:
            yield f"{spec.name}.{EITHER}"
        for name in spec.parameters.model_fields:
            if name not in spec.one_of and spec.is_planned(name):
                slot = f"{spec.name}.{name}"
                if self.slots is None or slot in self.slots or name in spec.required:
                    yield slot

    def _is_known(self, spec: ToolSpec, slots: Sequence[str]) -> bool:
        return self.slots is None or (f"use {spec.name}" in self.slots and all(slot in self.slots for slot in slots))


@dataclass(frozen=True)
class Draft:
    """A plan under way. Immutable: `after` gives the next one."""

    grammar: Grammar
    calls: tuple[Call, ...] = ()
    tool: str = ""
    """The tool whose arguments are being decided; empty: between two steps."""
    begun: int | None = None
    """First word of the text being decided."""
    is_complete: bool = False
    _args: tuple[tuple[str, Argument | None], ...] = ()

    @property
    def _open(self) -> str:
        """The parameter, or `EITHER`, that is decided next."""
        slots = self.grammar.known[self.tool]
        return slots[self._decided].partition(".")[2]

    @property
    def _decided(self) -> int:
        return len(self._args)

    @property
    def decision(self) -> Decision | None:
        """None: the plan is complete."""
        if self.is_complete:
            return None
        if not self.tool:
            return Decision(TOOL, self._next_tools())
        if self.begun is not None:
            return Decision(ENDING, (), self.begun)
        return self._argument(self._open)

    def after(self, action: Action) -> Draft:
        """The draft with one more decision. Raises ValueError for one that is not allowed."""
        decision = self.decision
        if decision is None or not decision.allows(action):
            raise ValueError(f"{action} is not allowed here: {decision}")
        match action:
            case End():
                draft = replace(self, is_complete=True)
            case Use(tool):
                draft = self._settled(replace(self, tool=tool, _args=()))
            case Begin(word):
                draft = replace(self, begun=word)
            case Until(word):
                draft = self._with(Span(cast("int", self.begun), word))
            case Refer(step):
                draft = self._with(f"${step}")
            case Take(offer):
                draft = self._with(self.grammar.offers[offer].name)
            case Choose(value):
                draft = self._with(value)
            case Omit():
                draft = self._with(None)
        return draft

    def _with(self, value: Argument | None) -> Draft:
        name = self._open
        if name == EITHER:
            name = self._source_of(cast("Argument", value))
        return self._settled(replace(self, begun=None, _args=(*self._args, (name, value))))

    def _settled(self, draft: Draft) -> Draft:
        """With its last argument decided a call is complete."""
        if len(draft._args) < len(draft.grammar.known[draft.tool]):
            return draft
        given = tuple((name, value) for name, value in draft._args if value is not None)
        return replace(draft, calls=(*draft.calls, Call(draft.tool, given)), tool="", _args=())

    # ------------------------------------------------------------------------------------------- what is allowed

    def _steps(self) -> list[PlannedStep]:
        return [PlannedStep(id=f"${n}", tool=call.tool, args={}) for n, call in enumerate(self.calls, 1)]

    def _next_tools(self) -> tuple[Action, ...]:
        if len(self.calls) >= self.grammar.max_steps:
            return (End(),)
        usable = [Use(name) for name in self.grammar.known if self._has_inputs(self.grammar.tools[name])]
        return (End(), *usable)

    def _has_inputs(self, spec: ToolSpec) -> bool:
        kinds = spec.media_parameters
        return any(
            all(name not in kinds or kinds[name] == "text" or self._named(kinds[name]) for name in form)
            for form in spec.forms
        )

    def _named(self, kind: MediaKind) -> list[Action]:
        """The offers and earlier results of a kind."""
        number = {offer.name: index for index, offer in enumerate(self.grammar.offers)}
        names = candidates(kind, self.grammar.offers, self._steps(), self.grammar.tools)
        return [Refer(int(name[1:])) if name not in number else Take(number[name]) for name in names]

    def _argument(self, name: str) -> Decision:
        spec = self.grammar.tools[self.tool]
        slot = f"{self.tool}.{name}"
        kinds = spec.media_parameters
        if name == EITHER:
            members = [kinds[member] for member in spec.parameters.model_fields if member in spec.one_of]
            named = tuple(dict.fromkeys(action for kind in members for action in self._named(kind)))
            return Decision(slot, named, 0 if "text" in members else None)
        optional: tuple[Action, ...] = () if name in spec.required else (Omit(),)
        if kind := kinds.get(name):
            return Decision(slot, (*self._named(kind), *optional), 0 if kind == "text" else None)
        if values := fixed_values(spec, name):
            return Decision(slot, (*(Choose(value) for value in values), *optional))
        return Decision(slot, optional, 0)

    def _source_of(self, value: Argument) -> str:
        """Which of the parameters that share a slot a value is for."""
        spec = self.grammar.tools[self.tool]
        gives = self._gives(value)
        fitting = [name for name in spec.parameters.model_fields if name in spec.one_of]
        return next(name for name in fitting if spec.media_parameters[name] in gives)

    def _gives(self, value: Argument) -> Collection[MediaKind]:
        if isinstance(value, Span):
            return frozenset[MediaKind](("text",))
        for offer in self.grammar.offers:
            if offer.name == value:
                return frozenset[MediaKind]((offer.kind,))
        return self.grammar.tools[self.calls[int(value[1:]) - 1].tool].gives


def fixed_values(spec: ToolSpec, name: str) -> tuple[str, ...]:
    """The values of a parameter declared as a ``Literal`` of strings; empty: it has none."""
    pending, values = [spec.parameters.model_fields[name].annotation], list[str]()
    while pending:
        annotation = pending.pop()
        if getattr(annotation, "__origin__", None) is Literal:
            values += [value for value in get_args(annotation) if isinstance(value, str)]
        else:
            pending += get_args(annotation)
    return tuple(values)
