"""How many times something is to be done or enlarged: numbers that a request says and small planners leave out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from graphs.plan import Plan
from tools.spec import ToolSpec

_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_WORDS = {"twice": 2, "double": 2, "thrice": 3, "triple": 3, "treble": 3, "quadruple": 4}
_FORMS = re.compile(
    rf"\b(?P<number>\d+(?:\.\d+)?|{'|'.join(_NUMBERS)})(?:\s+times|\s?[x\u00d7](?!\s?\d)(?!\w)|-?fold)"
    rf"|(?<![\w.])[x\u00d7](?P<after>\d+(?:\.\d+)?)\b"
    rf"|\b(?P<word>{'|'.join(_WORDS)})d?\b",
    re.IGNORECASE,
)


def said_multiple(text: str) -> float | None:
    """``twice``, ``3x``, ``x3``, ``four times``, ``fivefold`` as a number; None: none is said, or several are.

    ``640x480`` is a size, not a multiple.
    """
    found = set()
    for match in _FORMS.finditer(text):
        if word := match["word"]:
            found.add(float(_WORDS[word.lower()]))
            continue
        number = (match["number"] or match["after"]).lower()
        found.add(float(_NUMBERS.get(number, 0) or number))
    return found.pop() if len(found) == 1 else None


def with_multiples(plan: Plan, message: str, tools: Mapping[str, ToolSpec]) -> Plan:
    """The plan with what the message says in the parameters that take a multiple and were left out."""
    multiple = said_multiple(message)
    if multiple is None:
        return plan
    steps = []
    for step in plan.steps:
        spec = tools[step.tool]
        given = {name: multiple for name in spec.multiples if name not in step.args and _fits(spec, name, multiple)}
        steps.append(step.model_copy(update={"args": {**step.args, **given}}))
    return plan.model_copy(update={"steps": tuple(steps)})


def _fits(spec: ToolSpec, parameter: str, value: float) -> bool:
    """Whether it is within the parameter's bounds."""
    field = spec.parameters.model_fields[parameter]
    bounded: Any = Annotated[(field.annotation, *field.metadata)]
    try:
        TypeAdapter(bounded).validate_python(value)
    except ValidationError:
        return False
    return True
