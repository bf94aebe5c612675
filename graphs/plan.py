"""A plan: a DAG of typed tool calls, and what its arguments may stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict

from engines.errors import DeniedError, SensoriumError
from memory.events import PlannedStep
from tools.spec import ToolSpec
from tools.types import MediaKind

STEP_REFERENCE = re.compile(r"^\$\d+\Z")


def literal(text: str) -> str:
    """A text as a plan holds it: ``$5`` is an amount here, and the blank behind it keeps it from being a step."""
    return f"{text} " if STEP_REFERENCE.match(text) else text


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
    number: int = 0
    """Which file of the conversation it is, counted from 1 as they came; 0: it is not counted."""
    made: bool = False
    """By a tool, in an earlier turn."""


@dataclass(frozen=True, slots=True)
class Done:
    """A step of this turn that was planned before, and what came of it."""

    step: PlannedStep
    outcome: str
    is_usable: bool
    """Whether later steps may take its result."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a planner is asked: the message, what it may use, and a little of what was said before.

    With ``done``, how to go on after what has happened: the plan that is made begins with these steps.
    """

    message: str
    offers: Sequence[Offer] = ()
    before: str = ""
    done: Sequence[Done] = ()

    def usable(self, steps: Sequence[PlannedStep]) -> list[PlannedStep]:
        """Without those that came to nothing."""
        useless = {item.step.id for item in self.done if not item.is_usable}
        return [step for step in steps if step.id not in useless]


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


def came_to_nothing(results: Sequence[StepResult]) -> bool:
    """Whether a turn has failed: every step went wrong, and not because somebody said no."""
    codes = {result["error_code"] for result in results}
    return bool(results) and all(result["error"] for result in results) and DeniedError.code not in codes


def failure(tool: str, error: SensoriumError) -> StepResult:
    """A step that went wrong, or was not run."""
    return StepResult(
        tool=tool,
        fields={},
        summary=error.message,
        artifacts=[],
        receipts=[],
        error=error.message,
        error_fix=error.fix,
        error_code=error.code,
    )


class Plan(BaseModel):
    """Steps in an order in which every reference (``$1`` ...) points back. No steps: answer without a tool."""

    model_config = ConfigDict(frozen=True)

    steps: tuple[PlannedStep, ...] = ()
    notes: tuple[str, ...] = ()
    """What was mended or left out while planning."""
    question: str = ""
    """What the user has to say first; a plan that asks has no steps."""

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs of 0-based step numbers: the result of the first feeds the second. Of the steps of this plan only."""
        number = {step.id: index for index, step in enumerate(self.steps)}
        return tuple(
            (number[name], index)
            for index, step in enumerate(self.steps)
            for name in references(step)
            if name in number
        )


def references(step: PlannedStep) -> tuple[str, ...]:
    """Ids of the steps whose results a step needs, each once. In a sound plan only media parameters hold some."""
    names = (value for value in step.args.values() if isinstance(value, str) and STEP_REFERENCE.match(value))
    return tuple(dict.fromkeys(names))


def candidates(
    kind: MediaKind, offers: Iterable[Offer], steps: Sequence[PlannedStep], tools: Mapping[str, ToolSpec]
) -> list[str]:
    """Names that an argument of a kind may have: earlier results first, newest first, then what is offered."""
    results = [step.id for step in reversed(steps) if kind in tools[step.tool].gives]
    return results + [offer.name for offer in offers if offer.kind == kind]


FaultKind = Literal["unknown-tool", "unknown-argument", "unknown-value", "missing", "wrong-type"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a plan can't run: ``index`` of the step, and the parameter it is about (empty: the step itself)."""

    kind: FaultKind
    index: int
    parameter: str
    message: str


def faults(
    plan: Plan,
    offers: Sequence[Offer],
    tools: Mapping[str, ToolSpec],
    choices: Mapping[str, Sequence[str]] | None = None,
) -> list[Fault]:
    """What keeps a plan from running; empty: it can. Proves types, order and values before any model is loaded.

    ``choices`` as `graphs.schema.Choices`: the values that engines name, such as languages.
    """
    found: list[Fault] = []
    for index, step in enumerate(plan.steps):
        spec = tools.get(step.tool)
        if spec is None:
            return [*found, Fault("unknown-tool", index, "", f"{step.id}: there is no tool {step.tool!r}.")]
        found += _unfit_names(spec, step, index)
        found += _unfit_media(spec, step, index, offers, plan.steps[:index], tools)
        found += _unfit_values(spec, step, index, choices or {})
    return found


def problems(plan: Plan, offers: Sequence[Offer], tools: Mapping[str, ToolSpec]) -> list[str]:
    """The messages of `faults`."""
    return [fault.message for fault in faults(plan, offers, tools)]


def _unfit_names(spec: ToolSpec, step: PlannedStep, index: int) -> Iterator[Fault]:
    for name in sorted(spec.required - set(step.args)):
        yield Fault("missing", index, name, f"{step.id}: {step.tool} needs {name}.")
    if spec.one_of and len(spec.one_of & set(step.args)) != 1:
        names = ", ".join(sorted(spec.one_of))
        yield Fault("missing", index, min(spec.one_of), f"{step.id}: {step.tool} needs one of {names}.")
    for name in step.args:
        if name not in spec.parameters.model_fields:
            yield Fault("unknown-argument", index, name, f"{step.id}: {step.tool} has no {name}.")


def _unfit_media(
    spec: ToolSpec,
    step: PlannedStep,
    index: int,
    offers: Sequence[Offer],
    before: Sequence[PlannedStep],
    tools: Mapping[str, ToolSpec],
) -> Iterator[Fault]:
    for name, kind in spec.media_parameters.items():
        value = step.args.get(name)
        is_literal_text = kind == "text" and not STEP_REFERENCE.match(str(value))
        if value is None or is_literal_text or value in candidates(kind, offers, before, tools):
            continue
        what = "text" if kind == "text" else f"an {kind}" if kind[0] in "ai" else f"a {kind}"
        yield Fault("wrong-type", index, name, f"{step.id}: {name} must be {what}, and {value!r} is none.")


def _unfit_values(
    spec: ToolSpec, step: PlannedStep, index: int, choices: Mapping[str, Sequence[str]]
) -> Iterator[Fault]:
    for name, value in step.args.items():
        if name not in spec.media_parameters and isinstance(value, str) and STEP_REFERENCE.match(value):
            yield Fault("wrong-type", index, name, f"{step.id}: {name} can't be a step's result, as {value!r} is.")
            continue
        source = spec.choices(name) if name in spec.parameters.model_fields else None
        known = choices.get(source.choices) if source and not source.free else None
        if known and value not in known:
            yield Fault("unknown-value", index, name, f"{step.id}: {name} can't be {value!r}.")
