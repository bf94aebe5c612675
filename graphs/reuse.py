"""Finished calls of an earlier run that may be taken instead of making the same calls again.

A call is the same when its tool and its arguments are, with media compared by their bytes. Where a step's result is
taken, what it gives to the next step is the same too, so that whole chains are.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engines.errors import SensoriumError
from engines.readiness import Shelf
from graphs.act import finished_calls
from graphs.plan import StepResult
from graphs.state import Taken
from memory.artifacts import ArtifactStore
from memory.events import Event, Receipt, RunStarted, ToolArtifact, ToolFinished, ToolStarted
from tools.registry import Registry
from tools.reuse import is_reusable, is_still_chosen
from tools.spec import ToolSpec


@dataclass(frozen=True)
class EarlierCalls:
    """Looks a call up among those of one run. Made by `earlier_calls`."""

    calls: Mapping[str, Taken]
    """By `_key`."""
    tools: Registry
    artifacts: ArtifactStore
    shelf: Shelf

    async def __call__(self, tool: str, args: Mapping[str, Any]) -> Taken | None:
        """The result to take; None: there is none, its media are gone, or another model would be used today."""
        spec = self.tools.get(tool)
        if not is_reusable(spec):
            return None
        key = await _key(spec, args, {}, self.artifacts)
        found = self.calls.get(key) if key else None
        if found is None or not await self._is_there(spec, found.result):
            return None
        receipts = [Receipt(**receipt) for receipt in found.result["receipts"]]
        fields = found.result["fields"]
        same = await asyncio.to_thread(
            lambda: all(is_still_chosen(self.shelf, each, args, fields) for each in receipts)
        )
        return found if same else None

    async def _is_there(self, spec: ToolSpec, result: StepResult) -> bool:
        named = [result["fields"].get(field) for kind, field in spec.produces.items() if kind != "text"]
        try:
            for id_ in dict.fromkeys([*(ref["id"] for ref in result["artifacts"]), *filter(None, named)]):
                await self.artifacts.path(id_)
        except SensoriumError:  # gone, or out of reach: it is made again
            return False
        return True


async def earlier_calls(
    log: Sequence[Event], run_id: str, tools: Registry, artifacts: ArtifactStore, shelf: Shelf
) -> EarlierCalls:
    """The calls of a run that ended well, by its log. Those of tools that are gone or have changed are left out."""
    hashes = _hashes(log)
    began = {event.body.call_id: event.body for event in log if isinstance(event.body, ToolStarted)}
    ended = {event.body.call_id: event.body for event in log if isinstance(event.body, ToolFinished)}
    specs = {spec.name: spec for spec in tools}
    calls: dict[str, Taken] = {}
    for call_id, result in finished_calls(log).items():
        spec = specs.get(result["tool"])
        if spec is None or call_id not in began:
            continue
        if key := await _key(spec, began[call_id].args, hashes, artifacts):
            calls[key] = Taken(ended[call_id].taken_from or run_id, result)
    return EarlierCalls(calls, tools, artifacts, shelf)


def _hashes(log: Sequence[Event]) -> dict[str, str]:
    """Artifact id -> sha256, as the log has it: what has been deleted since is known too."""
    bodies = [event.body for event in log]
    found = {ref.id: ref.sha256 for body in bodies if isinstance(body, RunStarted) for ref in body.attachments}
    return found | {body.artifact.id: body.artifact.sha256 for body in bodies if isinstance(body, ToolArtifact)}


async def _key(
    spec: ToolSpec, args: Mapping[str, Any], hashes: Mapping[str, str], artifacts: ArtifactStore
) -> str | None:
    """The same for calls that are the same; None: the arguments don't fit (any more), or a file of them is gone."""
    try:
        checked = spec.validate(args).model_dump(mode="json")
        for name, kind in spec.media_parameters.items():
            id_ = checked[name]
            if kind != "text" and id_ is not None:
                checked[name] = hashes.get(id_) or (await artifacts.get(id_)).sha256
    except SensoriumError:
        return None
    return hashlib.sha256(json.dumps([spec.name, checked], sort_keys=True).encode()).hexdigest()
