"""A plan: a DAG of typed tool calls, and what its arguments may stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from pydantic import BaseModel, ConfigDict

from memory.events import PlannedStep
from tools.spec import ToolSpec
from tools.types import MediaKind

STEP_REFERENCE = re.compile(r"^\$\d+$")


@dataclass(frozen=True, slots=True)
class Offer:
    """Something an argument may name: an attachment by its file name, or text from earlier by ``@`` and a word.

    ``value`` is what the tool gets: an artifact's id, or the text itself.
    """

    name: str
    kind: MediaKind
    value: str
    earlier: bool = False
    """From an earlier turn of the conversation."""
    is_file: bool = False
    """``value`` is an artifact's id, also where the kind is text."""


class StepResult(TypedDict):
    """A finished or failed step. ``error`` is empty when it went well; ``error_code`` is `SensoriumError.code`."""

    tool: str
    fields: dict[str, Any]
    summary: str
    artifacts: list[dict[str, Any]]
    receipts: list[dict[str, Any]]
    error: str
    error_fix: str
    error_code: str


class Plan(BaseModel):
    """Steps in an order in which every reference (``$1`` ...) points back. No steps: answer without a tool."""

    model_config = ConfigDict(frozen=True)

    steps: tuple[PlannedStep, ...] = ()
    notes: tuple[str, ...] = ()
    """What was mended or left out while planning."""

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs of 0-based step numbers: the result of the first feeds the second."""
        number = {step.id: index for index, step in enumerate(self.steps)}
        return tuple((number[name], index) for index, step in enumerate(self.steps) for name in references(step))


def references(step: PlannedStep) -> tuple[str, ...]:
    """Ids of the steps whose results a step needs, each once."""
    names = (value for value in step.args.values() if isinstance(value, str) and STEP_REFERENCE.match(value))
    return tuple(dict.fromkeys(names))


def candidates(
    kind: MediaKind, offers: Iterable[Offer], steps: Sequence[PlannedStep], tools: Mapping[str, ToolSpec]
) -> list[str]:
    """Names that an argument of a kind may have: earlier results first, newest first, then what is offered."""
    results = [step.id for step in reversed(steps) if kind in tools[step.tool].gives]
    return results + [offer.name for offer in offers if offer.kind == kind]


def problems(plan: Plan, offers: Sequence[Offer], tools: Mapping[str, ToolSpec]) -> list[str]:
    """Why a plan can't run, a line each; empty: it can. Proves types and order before any model is loaded."""
    found: list[str] = []
    for index, step in enumerate(plan.steps):
        spec = tools.get(step.tool)
        if spec is None:
            found.append(f"{step.id}: there is no tool {step.tool!r}.")
            return found
        missing = spec.required - set(step.args)
        found += [f"{step.id}: {step.tool} needs {name}." for name in sorted(missing)]
        if spec.one_of and len(spec.one_of & set(step.args)) != 1:
            found.append(f"{step.id}: {step.tool} needs one of {', '.join(sorted(spec.one_of))}.")
        found += [
            f"{step.id}: {step.tool} has no {name}." for name in step.args if name not in spec.parameters.model_fields
        ]
        for name, kind in spec.media_parameters.items():
            value = step.args.get(name)
            if value is None:
                continue
            allowed = candidates(kind, offers, plan.steps[:index], tools)
            is_literal_text = kind == "text" and not STEP_REFERENCE.match(str(value))
            if not is_literal_text and value not in allowed:
                what = "text" if kind == "text" else f"an {kind}" if kind[0] in "ai" else f"a {kind}"
                found.append(f"{step.id}: {name} must be {what}, and {value!r} is none.")
    return found
