"""The node that decides which tools to call, and thinks again when a step failed or found nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.runtime import Runtime

from graphs.context import before
from graphs.plan import Done, Offer, Plan, Request, StepResult, failure, references
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
    given_up = _given_up(state["again"], old, results)
    done = [_done(step, results.get(step.id), given_up.get(step.id), context) for step in old]
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
        "results": {
            step.id: failure(step.tool, SkippedError(given_up[step.id], "found nothing and another way was planned"))
            for step in old
            if step.id in given_up
        },
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


def _given_up(again: Sequence[str], old: Sequence[PlannedStep], results: Mapping[str, StepResult]) -> dict[str, str]:
    """Steps still to come that need one of ``again``, directly or through others, and which step that is: new ones
    stand in their place. The rest of the old plan is carried out.
    """
    missing = set(again)
    given_up: dict[str, str] = {}
    for step in old:
        needed = next((name for name in references(step) if name in missing), None)
        if needed and step.id not in results:
            missing.add(step.id)
            given_up[step.id] = needed
    return given_up


def _done(step: PlannedStep, result: StepResult | None, needed: str | None, context: TurnContext) -> Done:
    """What the planner is told of a step, which waits in vain for ``needed``. It may build on one that is still to run:
    the loop guard would not let it be planned again.
    """
    if result is None and needed:
        return Done(step, f"Given up, for it needs {needed}.", is_usable=False)
    if result is None:
        return Done(step, "Not run yet. It will be.", is_usable=True)
    return Done(step, *outcome(result, context.tools))


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
