"""Making an artifact again: the same tool, arguments, seed and models on the same parents, and a comparison."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from engines.catalog import ModelEntry
from engines.errors import InputError, NotFoundError, UnavailableError
from memory.artifact_types import ArtifactRef, Lineage
from memory.events import EventBody
from tools.call import Again, Workshop
from tools.compare import Comparison, compare
from tools.registry import Registry
from tools.spec import ToolSpec


class ModelThen(BaseModel):
    """A model that made the original, as it stands today. ``fix`` says how to get it when it is missing."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: Literal["same", "changed", "unknown version", "missing"]
    words: str
    fix: str = ""


class ReplayPlan(BaseModel):
    """What making an artifact again would be. ``problems``: why it can't be done; none: it can."""

    model_config = ConfigDict(frozen=True)

    artifact: str
    tool: str
    args: dict[str, Any]
    seed: int | None
    models: tuple[ModelThen, ...]
    missing_parents: tuple[str, ...]
    problems: tuple[str, ...]


class Replayed(BaseModel):
    """What came of it. ``artifact`` is kept, and its lineage says what it is a replay of; ``notes`` say in words what
    was not as it had been.
    """

    model_config = ConfigDict(frozen=True)

    original: ArtifactRef
    artifact: ArtifactRef
    comparison: Comparison
    models: tuple[ModelThen, ...]
    notes: tuple[str, ...]
    seconds: float
    original_seconds: float | None = Field(description="Missing where it was not written down.")


class Replays:
    """Makes artifacts again."""

    def __init__(self, tools: Registry, workshop: Workshop) -> None:
        self._tools = tools
        self._workshop = workshop

    async def plan(self, artifact_id: str) -> ReplayPlan:
        """Look whether it can be made again, and run nothing.

        Raises NotFoundError for an artifact that is not there, InputError for one that no tool made.
        """
        return await self._plan(artifact_id, await self._lineage(artifact_id))

    async def replay(self, artifact_id: str, *, emit: Callable[[EventBody], None]) -> Replayed:
        """Make it again and compare. ``emit`` gets the call's events.

        Raises what `plan` raises, NotFoundError when a parent or the tool is gone, UnavailableError when a model is
        missing, and what the tool raises.
        """
        lineage = await self._lineage(artifact_id)
        plan = await self._plan(artifact_id, lineage)
        _check(plan)
        original = await self._workshop.artifacts.get(artifact_id)
        old_path = await self._workshop.artifacts.path(artifact_id)
        outcome = await self._tools.run(
            plan.tool,
            plan.args,
            call_id=f"replay-{uuid4().hex}",
            emit=emit,
            again=Again(artifact_id, self._by_capability(lineage)),
        )
        made = _counterpart(original, outcome.artifacts)
        new_path = await self._workshop.artifacts.path(made.id)
        limits = self._workshop.limits
        comparison = await asyncio.to_thread(compare, (original, old_path), (made, new_path), limits=limits)
        now = await self._workshop.artifacts.lineage(made.id)
        return Replayed(
            original=original,
            artifact=made,
            comparison=comparison,
            models=plan.models,
            notes=(*_notes(plan), *_other_models(lineage, now)),
            seconds=outcome.seconds,
            original_seconds=lineage.seconds,
        )

    async def _lineage(self, artifact_id: str) -> Lineage:
        lineage = await self._workshop.artifacts.lineage(artifact_id)
        if lineage.tool == "upload":
            name = (await self._workshop.artifacts.get(artifact_id)).name
            raise InputError(f"{name} was uploaded; no tool made it.", fix="Replay what was made from it.")
        return lineage

    async def _plan(self, artifact_id: str, lineage: Lineage) -> ReplayPlan:
        spec = self._tools.get(lineage.tool)
        missing = [parent for parent in lineage.parents if not await self._is_there(parent)]
        models = await asyncio.to_thread(lambda: tuple(dict.fromkeys(map(self._model_then, lineage.models))))
        problems = [f"{parent}, which it was made from, has been deleted." for parent in missing]
        problems += [f"{model.words} {model.fix}".strip() for model in models if model.state == "missing"]
        return ReplayPlan(
            artifact=artifact_id,
            tool=spec.name,
            args=_args(spec, lineage),
            seed=lineage.seed,
            models=models,
            missing_parents=tuple(missing),
            problems=tuple(problems),
        )

    async def _is_there(self, artifact_id: str) -> bool:
        try:
            await self._workshop.artifacts.get(artifact_id)
        except NotFoundError:
            return False
        return True

    def _model_then(self, model: Mapping[str, Any]) -> ModelThen:
        """Looks at files, and may ask a server."""
        id_, shelf = str(model["id"]), self._workshop.controller.shelf
        entry = self._entry(id_)
        if entry is None:
            return ModelThen(id=id_, state="missing", words=f"{id_} is in no catalog any more.")
        readiness = shelf.readiness(entry)
        if readiness.state != "ready":
            return ModelThen(id=id_, state="missing", words=f"{id_} {readiness.state}.", fix=readiness.fix)
        then = (model.get("sha256") or "", model.get("revision") or "")
        now = (entry.sha256 or "", shelf.revision(entry))
        if not any(then):
            return ModelThen(id=id_, state="unknown version", words=f"Which version of {id_} it was is not known.")
        if then != now:
            words = f"{id_} has changed: then {_version(then)}, now {_version(now)}."
            return ModelThen(id=id_, state="changed", words=words)
        return ModelThen(id=id_, state="same", words=f"{id_} is the same: {_version(now)}.")

    def _entry(self, model_id: str) -> ModelEntry | None:
        try:
            return self._workshop.controller.shelf.catalog.get(model_id)
        except NotFoundError:
            return None

    def _by_capability(self, lineage: Lineage) -> dict[str, tuple[str, ...]]:
        models: dict[str, tuple[str, ...]] = {}
        for model in lineage.models:
            if entry := self._entry(str(model["id"])):
                models[entry.capability] = (*models.get(entry.capability, ()), entry.id)
        return models


def _args(spec: ToolSpec, lineage: Lineage) -> dict[str, Any]:
    """As they were given, and the seed that was drawn where none was."""
    drawn = {"seed": lineage.seed} if lineage.seed is not None and "seed" in spec.parameters.model_fields else {}
    return {**lineage.args, **drawn}


def _check(plan: ReplayPlan) -> None:
    if plan.missing_parents:
        raise NotFoundError(
            f"It can't be made again: {plan.missing_parents[0]}, which it was made from, has been deleted.",
            fix="Without its parents an artifact can't be replayed.",
        )
    missing = next((model for model in plan.models if model.state == "missing"), None)
    if missing:
        raise UnavailableError(f"It can't be made again as it was: {missing.words}", fix=missing.fix)


def _counterpart(original: ArtifactRef, made: tuple[ArtifactRef, ...]) -> ArtifactRef:
    """Tools give what they make the same names every time."""
    alike = [ref for ref in made if (ref.name, ref.kind) == (original.name, original.kind)]
    alike = alike or [ref for ref in made if ref.kind == original.kind] or list(made)
    if not alike:
        raise NotFoundError(f"The tool made nothing this time that could be compared with {original.name}.")
    return alike[0]


def _notes(plan: ReplayPlan) -> list[str]:
    return [model.words for model in plan.models if model.state != "same"]


def _other_models(then: Lineage, now: Lineage) -> list[str]:
    """A tool may find more or less to do than it had, though it got the same."""
    old, new = ({str(model["id"]) for model in lineage.models} for lineage in (then, now))
    notes = [f"{id_} worked on it then, and not now." for id_ in sorted(old - new)]
    return notes + [f"{id_} worked on it now, and not then." for id_ in sorted(new - old)]


def _version(version: tuple[str, str]) -> str:
    sha256, revision = version
    return f"sha256 {sha256[:12]}…" if sha256 else f"revision {revision[:12]}" if revision else "of no known version"
