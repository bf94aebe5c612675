"""The node that decides which tools to call, and thinks again when a step failed or found nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from graphs.context import before
from graphs.plan import Done, Offer, Plan, Request, StepResult, failure
from graphs.preset import check_preset
from graphs.reflect import SkippedError, outcome
from graphs.state import Turn, TurnContext
from memory.events import Log, PlanMade, PlannedStep, Usage
from tools.types import Danger


async def plan(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Decide which tools to call, or which more after what has happened (``again`` names the steps).

    Raises PlanError when nothing that can run comes of it.
    """
    context = runtime.context
    started = time.monotonic()
    old = Plan(**state["plan"]).steps
    results = state.get("results", {})
    offers = [Offer(**offer) for offer in state["offers"]]
    known = "".join(f"memory: {item}\n" for item in state.get("recalled", []))
    done = [Done(step, *outcome(results.get(step.id), context.tools)) for step in old]
    request = Request(state["message"], offers, known + before(state["messages"][:-1], state.get("summary", "")), done)
    made, spent = await _made(request, context)
    usage = {name: state.get("usage", {}).get(name, 0) + count for name, count in spent.model_dump().items()}
    new = _not_done_before(made.steps[len(old) :], old)
    if state["again"] and not new:
        context.emit(Log(message="There is no other way to try."))
        return {"again": [], "usage": usage}
    grown = Plan(steps=(*old, *new), notes=made.notes, question=made.question)
    context.emit(_plan_made(made, new, round(time.monotonic() - started, 3), context))
    return {
        "plan": grown.model_dump(),
        "results": _replaced(old, results, state["again"]),
        "again": [],
        "usage": Usage(**usage).model_dump(),
    }


async def _made(request: Request, context: TurnContext) -> tuple[Plan, Usage]:
    if context.preset is None:
        return await context.planner.plan(request, context.chat)
    if not request.done:
        check_preset(context.preset.plan, request.offers, {spec.name: spec for spec in context.tools})
    return context.preset.plan, Usage()


def _plan_made(made: Plan, new: Sequence[PlannedStep], seconds: float, context: TurnContext) -> PlanMade:
    specs = [context.tools.get(step.tool) for step in new]
    return PlanMade(
        steps=tuple(new),
        edges=Plan(steps=tuple(new)).edges,
        seconds=seconds,
        notes=made.notes,
        question=made.question,
        cost_seconds=round(sum(spec.cost.seconds for spec in specs), 2),
        dangers=tuple(dict.fromkeys(spec.danger.value for spec in specs if spec.danger is not Danger.NONE)),
    )


def _not_done_before(new: Sequence[PlannedStep], old: Sequence[PlannedStep]) -> tuple[PlannedStep, ...]:
    """The loop guard: the same tool with the same arguments gives the same again. What builds on it goes too."""
    calls = [(step.tool, step.args) for step in old]
    known = {step.id for step in old}
    kept: list[PlannedStep] = []
    for step in new:
        needed = [value for value in step.args.values() if isinstance(value, str) and value.startswith("$")]
        if (step.tool, step.args) not in calls and all(name in known for name in needed if name[1:].isdigit()):
            kept.append(step)
            known.add(step.id)
    return tuple(kept)


def _replaced(
    old: Sequence[PlannedStep], results: dict[str, StepResult], again: Sequence[str]
) -> dict[str, StepResult]:
    """Steps of the old plan that were still to come: the new ones stand in their place."""
    why = SkippedError(again[0], "found nothing and another way was planned") if again else None
    return {step.id: failure(step.tool, why) for step in old if why and step.id not in results}
