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
    taken_from: str | None = None
    """The run that did it, where this one has only taken the result."""


class Usage(Body):
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def plus(self, other: Usage) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


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
    options: dict[str, Any] = {}
    """What the user asked for with it (`graphs.options.TurnOptions`), as far as it isn't the usual."""


class RunInterrupted(Body):
    """The process that worked on the run has gone. It is no end: `run.resumed` follows when the run is taken up."""

    type: Literal["run.interrupted"] = "run.interrupted"
    code: str = "interrupted"
    message: str
    fix: str = ""


class RunResumed(Body):
    """The run goes on where its last checkpoint stands. An answer that was begun is written anew: what `message.delta`
    brought before this event no longer counts.
    """

    type: Literal["run.resumed"] = "run.resumed"


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
    question: str = ""
    """What the user is asked instead; then there are no steps."""
    cost_seconds: float = 0.0
    """Work of all steps, roughly, on two CPU cores."""
    dangers: tuple[str, ...] = ()
    """What a user may want to be asked about first (`tools.types.Danger`)."""


class ApprovalQuestion(Body):
    """A call that its user is asked about first. The step's arguments are names (of files, of earlier results), never
    ids, and may be edited. ``seconds`` and ``dollars`` are predicted.
    """

    step: PlannedStep
    text: str
    """What is asked, in plain words."""
    danger: str
    seconds: float
    dollars: float = 0.0
    consent: bool = False
    """Approving says that the person whose voice or likeness it is agrees."""
    editable: dict[str, Any] = {}
    """JSON schema of each argument that may be edited, or added."""


class ApprovalRequired(Body):
    """The run waits until its user has answered every question."""

    type: Literal["approval.required"] = "approval.required"
    questions: tuple[ApprovalQuestion, ...]


class ApprovalAnswered(Body):
    """The run goes on. ``answers``: step id -> ``approve``, ``edit`` or ``deny``."""

    type: Literal["approval.answered"] = "approval.answered"
    answers: dict[str, str]


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
    """``taken_from``: the run that had made the same call, whose result was taken instead of making it again."""

    type: Literal["tool.finished"] = "tool.finished"
    call_id: str
    tool: str
    result: dict[str, Any]
    summary: str
    seconds: float
    receipts: tuple[Receipt, ...] = ()
    taken_from: str | None = None


class ToolFailed(Body):
    type: Literal["tool.failed"] = "tool.failed"
    call_id: str
    tool: str
    code: str
    message: str


class ToolRetrying(Body):
    """The call failed for a reason that passes; it is tried again after ``seconds``. ``attempt`` counts from 1."""

    type: Literal["tool.retrying"] = "tool.retrying"
    call_id: str
    tool: str
    attempt: int
    seconds: float
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


class LanguageNoted(Body):
    """Of the message: ``language`` is an ISO 639-1 code, ``name`` its English name, ``probability`` in 0..1."""

    type: Literal["language"] = "language"
    language: str
    name: str
    probability: float


class MessageHeard(Body):
    """A voice message was written down: ``message`` is what the turn goes on with, ``transcript`` what was said."""

    type: Literal["message.heard"] = "message.heard"
    message: str
    transcript: str
    language: str
    artifact: ArtifactRef


class SpeechMade(Body):
    """A piece of the answer's sound; played in the order of ``index`` (0, 1, 2 ...) they are the whole."""

    type: Literal["speech"] = "speech"
    index: int
    text: str
    artifact: ArtifactRef


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
    left_out: tuple[str, ...] = ()
    """What was not used, cut short or skipped, a sentence each."""
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
    | RunInterrupted
    | RunResumed
    | MessageDelta
    | PlanMade
    | ApprovalRequired
    | ApprovalAnswered
    | ToolStarted
    | ToolProgress
    | ToolArtifact
    | ToolFinished
    | ToolFailed
    | ToolRetrying
    | ModelLoading
    | ModelSwitched
    | SentimentNoted
    | LanguageNoted
    | MessageHeard
    | SpeechMade
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
