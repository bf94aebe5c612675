"""The plan of a run that is over, to be carried out again: with its arguments, its seeds and its models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from engines.errors import PlanError
from graphs.plan import Offer, Plan, problems
from graphs.state import Preset
from memory.events import (
    ApprovalAnswered,
    Event,
    PlanMade,
    PlannedStep,
    Receipt,
    ToolArtifact,
    ToolFinished,
    ToolStarted,
)
from tools.call import Again
from tools.spec import ToolSpec


def preset_of(log: Sequence[Event], tools: Iterable[ToolSpec], capability_of: Callable[[str], str | None]) -> Preset:
    """What the log says was planned, with the arguments that an approval put in and the seeds that were drawn.

    ``capability_of`` says what a model does; None: it is in no catalog any more.
    """
    specs = {spec.name: spec for spec in tools}
    plans = [event.body for event in log if isinstance(event.body, PlanMade)]
    answers = {
        id_: action
        for event in log
        if isinstance(event.body, ApprovalAnswered)
        for id_, action in event.body.answers.items()
    }
    began = {_step(event.body.call_id): event.body for event in log if isinstance(event.body, ToolStarted)}
    ended = {_step(event.body.call_id): event.body for event in log if isinstance(event.body, ToolFinished)}
    made: dict[str, list[str]] = {}
    for event in log:
        if isinstance(event.body, ToolArtifact):
            made.setdefault(_step(event.body.call_id), []).append(event.body.artifact.id)
    steps: list[PlannedStep] = []
    again: dict[str, Again] = {}
    for step in (step for plan in plans for step in plan.steps):
        spec, end = specs.get(step.tool), ended.get(step.id)
        args = dict(step.args)
        if spec and answers.get(step.id) == "edit" and step.id in began:
            args |= _edited(spec, args, began[step.id].args)
        if spec and end:
            args |= _drawn(spec, args, end.receipts)
            makes = made.get(step.id, [])
            models = _by_capability(end.receipts, capability_of)
            again[step.id] = Again(makes[0] if len(makes) == 1 else None, models)
        steps.append(step.model_copy(update={"args": args}))
    notes = tuple(dict.fromkeys(note for plan in plans for note in plan.notes))
    return Preset(Plan(steps=tuple(steps), notes=notes, question=plans[-1].question if plans else ""), again)


def check_preset(plan: Plan, offers: Sequence[Offer], tools: Mapping[str, ToolSpec]) -> None:
    """Raises PlanError for a plan that can't be carried out any more."""
    if wrong := problems(plan, offers, tools):
        raise PlanError(f"The plan can't be carried out again: {wrong[0]}", fix="Send the message: it is planned anew.")


def _edited(spec: ToolSpec, planned: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What an edit put in the place of plain values and texts. Media stay as they were planned: by name."""
    kept = {name for name, kind in spec.media_parameters.items() if kind != "text" and name in planned}
    return {name: value for name, value in given.items() if name not in kept and name not in spec.permissions}


def _drawn(spec: ToolSpec, args: Mapping[str, Any], receipts: Sequence[Receipt]) -> dict[str, Any]:
    seed = next((receipt.seed for receipt in receipts if receipt.seed is not None), None)
    return {"seed": seed} if seed is not None and "seed" in spec.parameters.model_fields and "seed" not in args else {}


def _by_capability(
    receipts: Sequence[Receipt], capability_of: Callable[[str], str | None]
) -> dict[str, tuple[str, ...]]:
    models: dict[str, tuple[str, ...]] = {}
    for receipt in receipts:
        if capability := capability_of(receipt.model):
            models[capability] = (*models.get(capability, ()), receipt.model)
    return models


def _step(call_id: str) -> str:
    """A call's id is its run's and its step's."""
    return call_id.rpartition(":")[2]
