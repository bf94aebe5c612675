"""Decisions that nothing constrained, brought to what the next step's schema admits, or refused with the reason.

The schema (`graphs.schema`) is the one that decoding is held to elsewhere, so every way of asking a model ends in the
same plans. What it does not name, such as a permission that only users give, never passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from graphs.parser import named_value
from graphs.schema import ANSWER

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


class UnfitError(ValueError):
    """Why a call can't be a step, as a sentence."""


def fitted(decision: Mapping[str, Any], schema: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The decision with its arguments spelt as the schema spells them; arguments that it does not know are left out,
    with a note. Raises UnfitError.
    """
    tool = str(decision.get("tool"))
    if tool == ANSWER:
        return {"tool": ANSWER}
    forms = [form for form in schema["anyOf"] if form["properties"]["tool"]["const"] == tool]
    if not forms:
        raise UnfitError(f"{tool} was left out: there is no such tool, or nothing yet that it could work on.")
    given = {name: value for name, value in decision.items() if name != "tool" and value not in (None, "")}
    # Of a tool that works on one of several kinds, the form whose inputs were given.
    form = max(forms, key=lambda form: len(given.keys() & set(form["required"])))
    args: dict[str, Any] = {}
    for name, value in given.items():
        if name not in form["properties"]:
            notes.append(f"{tool} has no {name}: it was left out.")
            continue
        fit = _fit(value, form["properties"][name])
        if fit is not None:
            args[name] = fit
        elif name in form["required"]:
            raise UnfitError(f"{tool} was left out: its {name} can't be {_short(value)}.")
        else:
            notes.append(f"{tool}'s {name} can't be {_short(value)}: it was left out.")
    if missing := [name for name in form["required"] if name != "tool" and name not in args]:
        raise UnfitError(f"{tool} was left out: it needs {' and '.join(missing)}.")
    return {"tool": tool, **args}


def _fit(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value as the schema has it; None: nothing in the schema is meant by it."""
    for option in schema.get("anyOf", ()):
        if (fit := _fit(value, option)) is not None:
            return fit
    if "const" in schema:
        return value if value == schema["const"] else None
    if "enum" in schema:
        return value if value in schema["enum"] else _meant(value, schema["enum"])
    return _of_type(value, schema) if "type" in schema else None


def _meant(value: Any, names: Sequence[Any]) -> str | None:
    """The one of ``names`` that is meant: a file by its path or without its ending, a language by its code."""
    if not isinstance(value, str):
        return None
    texts = [name for name in names if isinstance(name, str)]
    said = PurePosixPath(value.strip()).name.lower()
    for spelt in (str.lower, lambda name: PurePosixPath(name).stem.lower()):
        meant = [name for name in texts if spelt(name) == said]
        if len(meant) == 1:
            return meant[0]
    words = [name for name in texts if "." not in name and not name.startswith(("$", "@"))]
    return named_value(value, words) if words else None


def _of_type(value: Any, schema: Mapping[str, Any]) -> Any:
    kind = schema["type"]
    if isinstance(value, str) and kind in ("integer", "number"):
        try:
            value = int(value) if kind == "integer" else float(value)
        except ValueError:
            return None
    if not isinstance(value, _TYPES.get(kind, ())) or (isinstance(value, bool) and kind != "boolean"):
        return None
    if isinstance(value, str):
        return value if schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)) else None
    return value if schema.get("minimum", value) <= value <= schema.get("maximum", value) else None


def _short(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
