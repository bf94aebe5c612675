"""What of a tool's result outlives its turn: a line of facts and the names of what was made, instead of all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphs.plan import StepResult

#: A summary of up to this many characters is a line of facts already.
SHORT_SUMMARY = 300

#: Of a long text so many words stay.
FIRST_WORDS = 40

#: Of a list, and of the facts of one result, so many stay.
FIRST_ITEMS = 6
FIRST_FACTS = 10

_LABELS = ("label", "name", "emotion", "text")


def compact(result: StepResult) -> str:
    """``detect_objects: counts: person 2, dog 1 [made objects.png = 3f2a...]``; a failure is its error."""
    if result["error"]:
        return f"{result['tool']} failed: {result['error']}"
    made = {artifact["id"]: artifact["name"] for artifact in result["artifacts"]}
    names = ", ".join(f"{name} = {id_}" for id_, name in list(made.items())[:FIRST_ITEMS])
    more = f" and {len(made) - FIRST_ITEMS} more" if len(made) > FIRST_ITEMS else ""
    files = f" [made {names}{more}]" if made else ""
    if len(result["summary"]) <= SHORT_SUMMARY:
        return f"{result['summary']}{files}"
    fields = {name: value for name, value in result["fields"].items() if value not in (None, "", [], {}, *made)}
    facts = [f"{name}: {_fact(value)}" for name, value in list(fields.items())[:FIRST_FACTS]]
    return f"{result['tool']}: {'; '.join(facts) or _first_words(result['summary'])}{files}"


def _fact(value: Any) -> str:
    match value:
        case str():
            return _first_words(value)
        case float():
            return f"{value:.3g}"
        case Mapping():
            return _listed([f"{key} {_fact(inner)}" for key, inner in list(value.items())[:FIRST_ITEMS]], len(value))
        case Sequence():
            return _listed([_item(item) for item in value[:FIRST_ITEMS]], len(value))
        case _:
            return str(value)


def _item(item: Any) -> str:
    """Of an object in a list, what it is called."""
    if isinstance(item, Mapping):
        return next((_fact(item[name]) for name in _LABELS if item.get(name)), _fact(item))
    return _fact(item)


def _listed(shown: Sequence[str], count: int) -> str:
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"{', '.join(shown)}{more}"


def _first_words(text: str) -> str:
    words = text.split()
    if len(words) <= FIRST_WORDS:
        return " ".join(words)[: FIRST_WORDS * 10]  # a language without spaces is one word
    return f"{' '.join(words[:FIRST_WORDS])} ... ({len(words):,} words)"
