"""Worked requests as training sequences: each call of a row becomes decisions of `graphs.actions`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.protocols.parsing import Options, Symbol
from graphs.actions import EITHER, Action, Begin, Choose, Draft, End, Grammar, Omit, Refer, Take, Until, Use
from graphs.naming import OTHER_WORDS
from graphs.parser import options, symbol
from graphs.plan import Offer
from graphs.reading import Reading, read
from tools.builtin import BUILT_IN

TOOLS = {spec.name: spec for spec in BUILT_IN}
#: Options that the parser leaves to their defaults.
LEFT_OUT = frozenset({"edit_image.mode", "upscale_image.factor"})
#: What the parser learns: the tools, and their arguments.
SLOTS = (
    frozenset(slot for slots in Grammar(TOOLS, ()).known.values() for slot in slots) | {f"use {name}" for name in TOOLS}
) - LEFT_OUT
KNOWN = Grammar(TOOLS, (), SLOTS).known
REQUESTS = Path(__file__).with_name("requests")


@dataclass
class Row:
    """A request with its files (name, kind), what is there from earlier, and the calls that answer it."""

    request: str
    files: list[tuple[str, str]]
    earlier: list[tuple[str, str]]
    calls: list[dict[str, Any]]

    @property
    def offers(self) -> list[Offer]:
        new = [Offer(name, kind, name, is_file=True) for name, kind in self.files]  # type: ignore[arg-type] # a kind read from JSON
        return new + [Offer(name, kind, name, earlier=True) for name, kind in self.earlier]  # type: ignore[arg-type] # a kind read from JSON


@dataclass
class Example:
    """What the parser reads, and each decision it should take with what was allowed there."""

    reading: Reading
    steps: list[tuple[Options, Symbol]] = field(default_factory=list)


class UnfitRowError(ValueError):
    """A row that says what the plan's language can't."""


def load(folder: Path = REQUESTS) -> Iterator[tuple[str, Row]]:
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if line.strip():
                data = json.loads(line)
                files, earlier = ([(n, k) for n, k in data.get(key, [])] for key in ("files", "earlier"))
                yield f"{path.name}:{number}", Row(data["request"], files, earlier, data["calls"])


def split(rows: Sequence[tuple[str, Row]]) -> tuple[list[Row], list[Row]]:
    """Rows to learn from and rows held out: the last tenth of each file."""
    files: dict[str, list[Row]] = {}
    for where, row in rows:
        files.setdefault(where.partition(":")[0], []).append(row)
    learn = [row for some in files.values() for row in some[: len(some) * 9 // 10]]
    return learn, [row for some in files.values() for row in some[len(some) * 9 // 10 :]]


def example(row: Row) -> Example:
    """Raises UnfitRowError."""
    reading = read(row.request, row.offers)
    made = Example(reading)
    draft = Draft(Grammar(TOOLS, row.offers, SLOTS))
    for act in _actions(row, reading):
        decision = draft.decision
        if decision is None or not decision.allows(act):
            raise UnfitRowError(f"{act} is not allowed in {decision.slot if decision else 'a complete plan'}")
        made.steps.append((options(decision), symbol(act)))
        draft = draft.after(act)
    return made


def _actions(row: Row, reading: Reading) -> Iterator[Action]:
    names = [offer.name for offer in row.offers]
    for call in row.calls:
        args = {key: value for key, value in call.items() if key != "tool"}
        spec = TOOLS.get(call["tool"])
        if spec is None:
            raise UnfitRowError(f"no tool {call['tool']}")
        yield Use(spec.name)
        for slot in KNOWN[spec.name]:
            name = slot.partition(".")[2]
            if name == EITHER:
                name = next((given for given in args if given in spec.one_of), "")
            value = args.pop(name, None)
            if value is None:
                yield Omit()
            elif re.fullmatch(r"\$\d+", str(value)):
                yield Refer(int(value[1:]))
            elif value in names:
                yield Take(names.index(value))
            elif name in ("control", "part", "subtitles"):
                yield Choose(value)
            else:
                first, last = _place(str(value), name, reading)
                yield Begin(first)
                yield Until(last)
        if args:
            raise UnfitRowError(f"{spec.name} is given {sorted(args)}")
    yield End()


def _place(value: str, name: str, reading: Reading) -> tuple[int, int]:
    if found := reading.find(value):
        return found
    lowered = Reading(reading.message.lower(), reading.words, reading.places, ())
    if found := lowered.find(value.lower()):
        return found
    if name == "target" and (words := OTHER_WORDS.get(value.lower())):
        match = re.search(rf"\b(?:{words})\b", reading.message, re.IGNORECASE)
        if match and (found := reading.find(match[0])):
            return found
    raise UnfitRowError(f"{name} {value!r} does not stand in the request")
