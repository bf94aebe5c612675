"""Events: one schema for the terminal, SSE, WebSocket, polling and the log.

A run emits event *bodies*; the run's log gives each a ``seq`` (0, 1, 2 ... without gaps) and a time, and from then
on it is an `Event`. ``seq`` is the SSE id, the WebSocket cursor and the polling offset.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from engines.slots import LoadProgress
from memory.artifact_types import ArtifactRef

SCHEMA_VERSION = 1


class Body(BaseModel):
    model_config = ConfigDict(frozen=True)


class Receipt(Body):
    """Which model did what, and how good it is."""

    tool: str
    model: str
    title: str
    licence: str
    sha256: str | None = None
    revision: str = ""
    """Of a model that is a folder from the hub."""
    device: str = "cpu"
    seed: int | None = None
    quality: str = ""
    note: str = ""
    seconds: float = 0.0


class Usage(Body):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class PlannedStep(Body):
    """``id`` is ``$1``, ``$2`` ...; an argument ``"$1"`` stands for the result of that step."""

    id: str
    tool: str
    args: dict[str, Any]


class RunStarted(Body):
    type: Literal["run.started"] = "run.started"
    thread_id: str
    message: str
    attachments: tuple[ArtifactRef, ...] = ()
    model: str


class MessageDelta(Body):
    type: Literal["message.delta"] = "message.delta"
    text: str


class PlanMade(Body):
    """``edges`` are pairs of 0-based step numbers: the result of the first feeds the second."""

    type: Literal["plan.made"] = "plan.made"
    steps: tuple[PlannedStep, ...]
    edges: tuple[tuple[int, int], ...]
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """What the checker mended or left out."""


class ApprovalRequired(Body):
    type: Literal["approval.required"] = "approval.required"
    step: PlannedStep
    reason: str


class ToolStarted(Body):
    """``call_id`` is unique in the run and the same when a step is run again after a crash."""

    type: Literal["tool.started"] = "tool.started"
    call_id: str
    tool: str
    args: dict[str, Any]


class ToolProgress(Body):
    """``fraction`` in 0..1; None: not known. ``preview``: how many small pictures of the work there have been; the last
    is at ``/api/runs/{run_id}/previews/{call_id}`` for as long as the call works. ``text``: a further piece of the text
    that the tool is writing; joined, the pieces are what there is of it.
    """

    type: Literal["tool.progress"] = "tool.progress"
    call_id: str
    fraction: float | None
    message: str
    preview: int = 0
    text: str = ""


class ToolArtifact(Body):
    type: Literal["tool.artifact"] = "tool.artifact"
    call_id: str
    artifact: ArtifactRef


class ToolFinished(Body):
    type: Literal["tool.finished"] = "tool.finished"
    call_id: str
    tool: str
    result: dict[str, Any]
    summary: str
    seconds: float
    receipts: tuple[Receipt, ...] = ()


class ToolFailed(Body):
    type: Literal["tool.failed"] = "tool.failed"
    call_id: str
    tool: str
    code: str
    message: str


class ModelLoading(Body):
    """``fraction`` in 0..1, 1.0 when the model is ready; ``seconds`` and ``memory_mb`` are measured then."""

    type: Literal["model.loading"] = "model.loading"
    model: str
    fraction: float | None
    message: str = ""
    seconds: float | None = None
    memory_mb: float | None = None

    @classmethod
    def of(cls, progress: LoadProgress) -> ModelLoading:
        """As the model controller reports it."""
        return cls.model_validate(progress, from_attributes=True)


class ModelSwitched(Body):
    type: Literal["model.switched"] = "model.switched"
    model: str
    reason: str


class SentimentNoted(Body):
    type: Literal["sentiment"] = "sentiment"
    label: Literal["positive", "neutral", "negative"]
    score: float


class MemoryRecalled(Body):
    type: Literal["memory.recalled"] = "memory.recalled"
    items: tuple[str, ...]


class Log(Body):
    type: Literal["log"] = "log"
    level: Literal["info", "warning", "error"] = "info"
    message: str


class RunFinished(Body):
    type: Literal["run.finished"] = "run.finished"
    answer: str
    artifacts: tuple[ArtifactRef, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    usage: Usage = Usage()
    seconds: float = 0.0


class RunFailed(Body):
    type: Literal["run.failed"] = "run.failed"
    code: str
    message: str
    fix: str = ""


class RunCancelled(Body):
    type: Literal["run.cancelled"] = "run.cancelled"
    reason: str = "cancelled by the user"


EventBody = Annotated[
    RunStarted
    | MessageDelta
    | PlanMade
    | ApprovalRequired
    | ToolStarted
    | ToolProgress
    | ToolArtifact
    | ToolFinished
    | ToolFailed
    | ModelLoading
    | ModelSwitched
    | SentimentNoted
    | MemoryRecalled
    | Log
    | RunFinished
    | RunFailed
    | RunCancelled,
    Field(discriminator="type"),
]

#: The last event of a run is one of these.
TERMINAL = frozenset({"run.finished", "run.failed", "run.cancelled"})

_BODY: TypeAdapter[EventBody] = TypeAdapter(EventBody)


class Event(BaseModel):
    """An event as it is stored and sent: ``{"v":1,"run_id":...,"seq":...,"at":...,"type":...,...the body...}``."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    seq: int
    at: datetime
    body: EventBody

    @property
    def type(self) -> str:
        return self.body.type

    @property
    def is_terminal(self) -> bool:
        return self.type in TERMINAL

    def to_wire(self) -> dict[str, Any]:
        head = {"v": SCHEMA_VERSION, "run_id": self.run_id, "seq": self.seq, "at": self.at.isoformat()}
        return head | self.body.model_dump(mode="json")

    @classmethod
    def from_wire(cls, data: dict[str, Any]) -> Event:
        """Raises pydantic.ValidationError when ``data`` is not an event of this version."""
        head = {key: data[key] for key in ("run_id", "seq", "at")}
        return cls(**head, body=_BODY.validate_python({k: v for k, v in data.items() if k not in (*head, "v")}))
