"""The node between two waves of steps: what can't run any more, what went wrong, and whether another plan may help."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Send

from engines.errors import DeniedError, EngineError, InputError, NotFoundError, SensoriumError
from graphs.act import task_of
from graphs.plan import Plan, StepResult, failure, references
from graphs.state import Turn, TurnContext
from memory.events import PlannedStep
from tools.registry import Registry

logger = logging.getLogger(__name__)

#: Errors that another plan may go around. What lacks weights, a key or somebody's leave lacks them in any plan.
WORTH_ANOTHER_PLAN = frozenset({InputError.code, NotFoundError.code, EngineError.code})


class SkippedError(SensoriumError):
    """A step was not run, because one that it needs failed or found nothing."""

    code = "skipped"

    def __init__(self, needed: str, why: str = "failed") -> None:
        super().__init__(f"Skipped, because {needed} {why}.")


class LimitError(SensoriumError):
    """A step was not run: the turn would have done or cost more than the settings allow."""

    code = "limit"


async def reflect(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Give up the steps that can't run, and say which of those that ran call for another plan (``again``)."""
    context = runtime.context
    steps = Plan(**state["plan"]).steps
    looked_at = state["looked_at"]
    results = dict(state.get("results", {}))
    given_up = _given_up(steps, results, looked_at, context)
    results |= given_up
    again: list[str] = []
    if state["replans"] < context.limits.replans:
        again = _surprises(steps, results, looked_at, context.tools) + _failures(steps, results, looked_at)
    if again:
        logger.info("run %s plans again because of %s", state["run_id"], ", ".join(again))
    return {
        "results": given_up,
        "again": again,
        "replans": state["replans"] + bool(again),
        "looked_at": [*looked_at, *(name for name in results if name not in looked_at)] if again else looked_at,
    }


def what_next(state: Turn) -> list[Send] | Literal["plan", "respond"]:
    """Another plan, every step whose inputs are there side by side, or, when none is left, the answer."""
    if state["again"]:
        return "plan"
    ready = _ready(Plan(**state["plan"]).steps, state.get("results", {}))
    return [Send("act", task_of(step, state)) for step in ready] or "respond"


def outcome(result: StepResult | None, tools: Registry) -> tuple[str, bool]:
    """What the planner is told of a step, and whether later steps may take its result."""
    if result is None:
        return "Not run yet.", False
    if result["error"]:
        return f"FAILED: {result['error']}", False
    found_nothing = _is_empty(result, tools)
    return f"{'Found nothing' if found_nothing else 'Done'}: {result['summary']}", not found_nothing


def _given_up(
    steps: Sequence[PlannedStep], results: Mapping[str, StepResult], looked_at: Sequence[str], context: TurnContext
) -> dict[str, StepResult]:
    known = dict(results)
    given_up: dict[str, StepResult] = {}
    for step in steps:
        if step.id in known:
            continue
        error = (
            _why_never_ready(step, steps)
            or _why_skipped(step, known, looked_at, context)
            or _over_limit(step, steps, known, context)
        )
        if error:
            known[step.id] = given_up[step.id] = failure(step.tool, error)
    return given_up


def _why_never_ready(step: PlannedStep, steps: Sequence[PlannedStep]) -> SensoriumError | None:
    """A plan is checked before it runs, but one that was kept may be older than the checks."""
    before = {other.id for other in steps[: steps.index(step)]}
    missing = [name for name in references(step) if name not in before]
    return SkippedError(missing[0], "is no step before it") if missing else None


def _why_skipped(
    step: PlannedStep, results: Mapping[str, StepResult], looked_at: Sequence[str], context: TurnContext
) -> SensoriumError | None:
    """None: nothing stands in its way. What found nothing does so only once planning again was thought of."""
    kinds = context.tools.get(step.tool).media_parameters
    can_replan = context.limits.replans > 0
    for name, value in step.args.items():
        source = results.get(value) if isinstance(value, str) else None
        if source is None:
            continue
        if source["error"]:
            return SkippedError(value, "was not run" if source["error_code"] == DeniedError.code else "failed")
        kind = kinds.get(name)
        field = context.tools.get(source["tool"]).produces.get(kind) if kind else None
        if field and not source["fields"].get(field) and (value in looked_at or not can_replan):
            return SkippedError(value, "found nothing")
    return None


def _over_limit(
    step: PlannedStep, steps: Sequence[PlannedStep], results: Mapping[str, StepResult], context: TurnContext
) -> LimitError | None:
    """By what ran before it, or will: the steps of a plan are in order."""
    limits = context.limits
    not_run = {SkippedError.code, LimitError.code, DeniedError.code}
    before = [
        other
        for other in steps[: steps.index(step) + 1]
        if other.id not in results or results[other.id]["error_code"] not in not_run
    ]
    costs = [context.tools.get(other.tool).cost for other in before]
    if len(before) > limits.steps:
        return LimitError(f"{step.tool} was not run: a turn has at most {limits.steps} steps.", fix=_fix("steps"))
    if sum(cost.seconds for cost in costs) > limits.seconds:
        return LimitError(
            f"{step.tool} was not run: the turn would take more than {limits.seconds:g} s.", fix=_fix("seconds")
        )
    if sum(cost.dollars for cost in costs) > limits.dollars:
        return LimitError(
            f"{step.tool} was not run: the turn would cost more than ${limits.dollars:.2f}.", fix=_fix("dollars")
        )
    return None


def _fix(what: str) -> str:
    return f"Ask for less at once, or raise SENSORIUM_MAX_TURN_{what.upper()}."


def _surprises(
    steps: Sequence[PlannedStep], results: Mapping[str, StepResult], looked_at: Sequence[str], tools: Registry
) -> list[str]:
    """Steps that found nothing while others wait for what they find."""
    awaited = {name for step in steps if step.id not in results for name in references(step)}
    return [
        name
        for name, result in results.items()
        if name in awaited and name not in looked_at and not result["error"] and _is_empty(result, tools)
    ]


def _failures(steps: Sequence[PlannedStep], results: Mapping[str, StepResult], looked_at: Sequence[str]) -> list[str]:
    """Steps that failed for a reason that another plan may go around, once nothing else is left to do. The same failure
    of the same tool is not gone around twice.
    """
    if _ready(steps, results):
        return []
    known = {(results[name]["tool"], results[name]["error"]) for name in looked_at if name in results}
    return [
        name
        for name, result in results.items()
        if name not in looked_at
        and result["error_code"] in WORTH_ANOTHER_PLAN
        and (result["tool"], result["error"]) not in known
    ]


def _ready(steps: Sequence[PlannedStep], results: Mapping[str, StepResult]) -> list[PlannedStep]:
    return [step for step in steps if step.id not in results and all(name in results for name in references(step))]


def _is_empty(result: StepResult, tools: Registry) -> bool:
    return tools.get(result["tool"]).result.model_validate(result["fields"]).is_empty
