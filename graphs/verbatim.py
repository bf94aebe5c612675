"""Results that are the answer as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from graphs.plan import Plan, StepResult, references
from tools.spec import ToolSpec

_MORE_IS_ASKED = re.compile(
    r"\b(?:explain\w*|why|mean(?:s|ing)?|summar\w+|grammar|pronounc\w+|compare|difference|word by word|also|tell me)\b",
    re.IGNORECASE,
)
_MOST_WORDS = 20
"""A request that is longer, beside the text it gives, may ask for more than the result."""


def verbatim(message: str, plan: Plan, results: Mapping[str, StepResult], spec_of: Callable[[str], ToolSpec]) -> str:
    """The text of the plan's end, where that is the answer word for word; empty where a model has to answer.

    That is so when the plan leads to one result of a kind that is an answer (a translation), nothing failed, and the
    message, without the text it gives to work on, asks for no more.
    """
    used = {name for step in plan.steps for name in references(step)}
    ends = [step for step in plan.steps if step.id not in used]
    if len(ends) != 1 or any(result["error"] for result in results.values()):
        return ""
    (end,) = ends
    if not spec_of(end.tool).result.is_the_answer:
        return ""
    asked = message
    for value in end.args.values():
        asked = asked.replace(str(value), " ")
    if len(asked.split()) > _MOST_WORDS or _MORE_IS_ASKED.search(asked):
        return ""
    return str(results[end.id]["fields"].get("text", ""))
