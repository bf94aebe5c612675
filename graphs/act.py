"""The node that runs a step. Those of a wave run side by side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from functools import partial
from typing import Any, TypedDict

from langgraph.runtime import Runtime

from engines.errors import BusyError, EngineError, SensoriumError
from graphs.consent import grants, voices
from graphs.offers import resolve
from graphs.plan import Offer, Plan, StepResult, failure, references
from graphs.state import Taken, Turn, TurnContext
from memory.artifact_types import ArtifactRef
from memory.events import Event, PlannedStep, Receipt, ToolArtifact, ToolFailed, ToolFinished, ToolRetrying, ToolStarted
from tools.registry import Outcome

logger = logging.getLogger(__name__)

#: Between the attempts of a call that failed for a reason that passes, in seconds.
PAUSES = (0.5, 2.0)


class Task(TypedDict):
    """A step that is ready: its references are resolved."""

    run_id: str
    step: dict[str, Any]
    offers: list[dict[str, Any]]
    results: dict[str, StepResult]
    granted: bool
    """Whether what needs a person's leave is granted by the user, who was asked in plain words."""
    claimed: list[dict[str, Any]]
    """Where the message's words grant it: all steps of the plan, for it does so for one voice only."""


async def act(task: Task, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Run one step. What goes wrong is a result too: the other steps go on."""
    context = runtime.context
    step = PlannedStep(**task["step"])
    call_id = f"{task['run_id']}:{step.id}"
    if call_id in context.finished:
        return {"results": {step.id: context.finished[call_id]}}
    offers = [Offer(**offer) for offer in task["offers"]]
    try:
        args = await resolve(step, offers, task["results"], context.tools.get, context.read_text)
        args |= dict.fromkeys(context.tools.get(step.tool).permissions, _is_granted(task, context))
        if context.earlier and (taken := await context.earlier(step.tool, args)):
            return {"results": {step.id: await _told(step, args, call_id, taken, context)}}
        outcome = await _patiently(step, args, call_id, context)
        await context.flush()  # before the checkpoint: a call that is logged as finished is not made again
    except SensoriumError as error:
        return _failed(step, call_id, error, context)
    except Exception:  # a tool that breaks must not take the others with it; the log has the trace
        logger.exception("tool %s broke", step.tool)
        broken = EngineError(f"{step.tool} broke inside.", fix="The log says what; report it.")
        return _failed(step, call_id, broken, context)
    return {
        "results": {
            step.id: StepResult(
                tool=step.tool,
                fields=outcome.result.model_dump(mode="json"),
                summary=outcome.result.summary(),
                artifacts=[artifact.model_dump() for artifact in outcome.artifacts],
                receipts=[receipt.model_dump() for receipt in outcome.receipts],
                error="",
                error_fix="",
                error_code="",
            )
        }
    }


async def _told(
    step: PlannedStep, args: dict[str, Any], call_id: str, taken: Taken, context: TurnContext
) -> StepResult:
    """Tell of a result that was taken from another run as of one of this run's own, and say whose it is."""
    receipts = [Receipt(**{**receipt, "taken_from": taken.run_id}) for receipt in taken.result["receipts"]]
    context.emit(ToolStarted(call_id=call_id, tool=step.tool, args=args))
    for artifact in taken.result["artifacts"]:
        context.emit(ToolArtifact(call_id=call_id, artifact=ArtifactRef(**artifact)))
    context.emit(
        ToolFinished(
            call_id=call_id,
            tool=step.tool,
            result=taken.result["fields"],
            summary=taken.result["summary"],
            seconds=0.0,
            receipts=tuple(receipts),
            taken_from=taken.run_id,
        )
    )
    await context.flush()
    return {**taken.result, "receipts": [receipt.model_dump() for receipt in receipts]}


async def _patiently(step: PlannedStep, args: dict[str, Any], call_id: str, context: TurnContext) -> Outcome:
    """Run the tool; what failed for a reason that passes, before anything was done, is tried again, a few times."""
    again = context.preset.again.get(step.id) if context.preset else None
    run = partial(context.tools.run, step.tool, args, call_id=call_id, emit=context.emit, again=again)
    for attempt, pause in enumerate(PAUSES, start=1):
        try:
            return await run()
        except BusyError as error:
            context.emit(
                ToolRetrying(call_id=call_id, tool=step.tool, attempt=attempt, seconds=pause, message=error.message)
            )
            await asyncio.sleep(pause)
    return await run()


def finished_calls(events: Iterable[Event]) -> dict[str, StepResult]:
    """What a run's log knows of calls that ended well: call id -> result."""
    artifacts: dict[str, list[dict[str, Any]]] = {}
    found: dict[str, StepResult] = {}
    for event in events:
        body = event.body
        if isinstance(body, ToolStarted):
            artifacts[body.call_id] = []  # a call that is made again makes its media again
        elif isinstance(body, ToolArtifact):
            artifacts.setdefault(body.call_id, []).append(body.artifact.model_dump())
        elif isinstance(body, ToolFinished):
            found[body.call_id] = StepResult(
                tool=body.tool,
                fields=body.result,
                summary=body.summary,
                artifacts=artifacts.get(body.call_id, []),
                receipts=[receipt.model_dump() for receipt in body.receipts],
                error="",
                error_fix="",
                error_code="",
            )
    return found


def _failed(step: PlannedStep, call_id: str, error: SensoriumError, context: TurnContext) -> dict[str, Any]:
    context.emit(ToolFailed(call_id=call_id, tool=step.tool, code=error.code, message=str(error)))
    return {"results": {step.id: failure(step.tool, error)}}


def _is_granted(task: Task, context: TurnContext) -> bool:
    claimed = [PlannedStep(**step) for step in task["claimed"]]
    return task["granted"] or (bool(claimed) and voices(claimed, context.tools.get) == 1)


def task_of(step: PlannedStep, state: Turn) -> Task:
    """Only what the step needs: a checkpoint holds it until the step is done."""
    results = state.get("results", {})
    texts = {offer["name"]: offer["value"] for offer in state["offers"] if offer["kind"] == "text"}
    steps = Plan(**state["plan"]).steps
    spoken = [texts.get(value, value) for each in steps for value in each.args.values() if isinstance(value, str)]
    return Task(
        run_id=state["run_id"],
        step=step.model_dump(),
        offers=[offer for offer in state["offers"] if offer["name"] in step.args.values()],
        results={name: results[name] for name in references(step)},
        granted=step.id in state["approved"],
        claimed=[each.model_dump() for each in steps] if grants(state["message"], spoken) else [],
    )
