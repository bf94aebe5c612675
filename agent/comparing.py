"""Two runs side by side: the same calls, the same outputs, how long each took, the same answer?

Artifacts are compared by the sha256 of their bytes: every call gives what it makes a new id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engines.errors import NotFoundError
from memory.artifacts import ArtifactStore
from memory.chat_types import RunInfo, RunStatus
from memory.events import (
    Event,
    Receipt,
    RunFailed,
    RunFinished,
    RunStarted,
    ToolArtifact,
    ToolFailed,
    ToolFinished,
    ToolStarted,
)

Log = Sequence[Event]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Call(_Part):
    """A step as a run made it. ``seconds`` is missing where it did not end well."""

    step: str
    args: dict[str, Any] = Field(description="As the tool got them, with the seed that was drawn where none was given.")
    outputs: tuple[str, ...] = Field(default=(), description="sha256 of each artifact, in order.")
    summary: str = ""
    error: str = ""
    seconds: float | None = None
    taken_from: str | None = Field(default=None, description="The run whose result was taken.")
    models: tuple[str, ...] = ()


class StepComparison(_Part):
    """A call of each run, or of one of them only. What can't be compared is missing."""

    tool: str
    a: Call | None
    b: Call | None
    same_args: bool | None
    same_output: bool | None


class RunSide(_Part):
    run_id: str
    thread_id: str
    status: RunStatus
    message: str
    answer: str
    seconds: float | None
    models: tuple[str, ...] = Field(description="The chat models that worded the answer.")


class RunComparison(_Part):
    """``same_plan``: the same tools in the same order. ``same``: all of it is."""

    a: RunSide
    b: RunSide
    steps: tuple[StepComparison, ...]
    same_plan: bool
    same_answer: bool
    same: bool


class _Made(_Part):
    """A call on its way through the log."""

    tool: str
    call: Call
    args: str
    output: str | None = None


async def compare_runs(a: tuple[RunInfo, Log], b: tuple[RunInfo, Log], artifacts: ArtifactStore) -> RunComparison:
    """What is in the logs of both by now. Steps are paired by their tools, in the order of the plans."""
    hashes: dict[str, str] = {}
    for _, log in (a, b):
        hashes |= await _hashes(log, artifacts)
    ours, theirs = _calls(a[1], hashes), _calls(b[1], hashes)
    steps = tuple(_paired(ours, theirs))
    sides = _side(*a), _side(*b)
    same_plan = [made.tool for made in ours] == [made.tool for made in theirs]
    same_answer = sides[0].answer == sides[1].answer
    return RunComparison(
        a=sides[0],
        b=sides[1],
        steps=steps,
        same_plan=same_plan,
        same_answer=same_answer,
        same=same_plan and same_answer and all(step.same_args and step.same_output is not False for step in steps),
    )


async def _hashes(log: Log, artifacts: ArtifactStore) -> dict[str, str]:
    """Artifact id -> sha256, of those that the log shows or its calls were given, as far as they are known."""
    bodies = [event.body for event in log]
    found = {ref.id: ref.sha256 for body in bodies if isinstance(body, RunStarted) for ref in body.attachments}
    found |= {body.artifact.id: body.artifact.sha256 for body in bodies if isinstance(body, ToolArtifact)}
    given = {str(value) for body in bodies if isinstance(body, ToolStarted) for value in body.args.values()}
    for id_ in given - found.keys():
        if len(id_) == 32 and id_.isalnum():  # as ids of artifacts are; most values are none
            try:
                found[id_] = (await artifacts.get(id_)).sha256
            except NotFoundError:
                continue
    return found


def _calls(log: Log, hashes: Mapping[str, str]) -> list[_Made]:
    """By the numbers of their steps: those that ran side by side have begun in any order."""
    made: dict[str, _Made] = {}
    for event in log:
        body = event.body
        if isinstance(body, ToolStarted):
            made[body.call_id] = _begun(body, hashes)
        elif isinstance(body, ToolArtifact | ToolFinished | ToolFailed) and body.call_id in made:
            made[body.call_id] = _further(made[body.call_id], body, hashes)
    return sorted(made.values(), key=lambda each: int(each.call.step.lstrip("$") or 0))


def _begun(body: ToolStarted, hashes: Mapping[str, str]) -> _Made:
    call = Call(step=body.call_id.rpartition(":")[2], args=body.args)
    return _Made(tool=body.tool, call=call, args=_alike(body.args, hashes))


def _further(made: _Made, body: ToolArtifact | ToolFinished | ToolFailed, hashes: Mapping[str, str]) -> _Made:
    call = made.call
    if isinstance(body, ToolArtifact):
        return made.model_copy(
            update={"call": call.model_copy(update={"outputs": (*call.outputs, body.artifact.sha256)})}
        )
    if isinstance(body, ToolFailed):
        return made.model_copy(update={"call": call.model_copy(update={"error": body.message})})
    args = _with_seed(call.args, body.receipts)
    told = {
        "args": args,
        "summary": body.summary,
        "seconds": body.seconds,
        "taken_from": body.taken_from,
        "models": tuple(dict.fromkeys(receipt.model for receipt in body.receipts)),
    }
    # Where there are artifacts they are the output; beside them a result says how long it took and the like.
    output = json.dumps(call.outputs) if call.outputs else _alike(body.result, hashes)
    return made.model_copy(
        update={"call": call.model_copy(update=told), "args": _alike(args, hashes), "output": output}
    )


def _with_seed(args: Mapping[str, Any], receipts: Sequence[Receipt]) -> dict[str, Any]:
    drawn = next((receipt.seed for receipt in receipts if receipt.seed is not None), None)
    return dict(args) if drawn is None or args.get("seed") is not None else {**args, "seed": drawn}


def _alike(values: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """The same for values that differ only in the ids of artifacts, and in what is left open."""
    given = {name: value for name, value in values.items() if value is not None}
    return json.dumps(_hashed(given, hashes), sort_keys=True, ensure_ascii=False, default=str)


def _hashed(value: Any, hashes: Mapping[str, str]) -> Any:
    match value:
        case str():
            return hashes.get(value, value)
        case Mapping():
            return {name: _hashed(inner, hashes) for name, inner in value.items()}
        case list() | tuple():
            return [_hashed(inner, hashes) for inner in value]
        case _:
            return value


def _paired(ours: Sequence[_Made], theirs: Sequence[_Made]) -> list[StepComparison]:
    """A step that one run has and the other has not stands alone, and does not push the others out of step."""
    pairs: list[StepComparison] = []
    matcher = SequenceMatcher(None, [made.tool for made in ours], [made.tool for made in theirs], autojunk=False)
    for what, start, end, other_start, other_end in matcher.get_opcodes():
        if what == "equal":
            pairs += map(_both, ours[start:end], theirs[other_start:other_end])
        else:
            pairs += [_alone(made, is_ours=True) for made in ours[start:end]]
            pairs += [_alone(made, is_ours=False) for made in theirs[other_start:other_end]]
    return pairs


def _both(a: _Made, b: _Made) -> StepComparison:
    same_output = None if a.output is None or b.output is None else a.output == b.output
    return StepComparison(tool=a.tool, a=a.call, b=b.call, same_args=a.args == b.args, same_output=same_output)


def _alone(made: _Made, *, is_ours: bool) -> StepComparison:
    a, b = (made.call, None) if is_ours else (None, made.call)
    return StepComparison(tool=made.tool, a=a, b=b, same_args=None, same_output=None)


def _side(run: RunInfo, log: Log) -> RunSide:
    finished = next((event.body for event in log if isinstance(event.body, RunFinished)), None)
    failed = next((event.body for event in log if isinstance(event.body, RunFailed)), None)
    receipts = finished.receipts if finished else ()
    return RunSide(
        run_id=run.id,
        thread_id=run.thread_id,
        status=run.status,
        message=run.message,
        answer=finished.answer if finished else failed.message if failed else "",
        seconds=finished.seconds if finished else None,
        models=tuple(receipt.model for receipt in receipts if receipt.tool == "chat"),
    )
