"""What a run looks like so far: its events, folded. Knows neither HTTP nor Streamlit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

StepState = Literal["waiting", "running", "done", "failed", "skipped"]
RunState = Literal["running", "finished", "failed", "cancelled", "interrupted"]


@dataclass
class Step:
    """A planned or running tool call. ``seconds`` as measured by the server; ``fraction`` in 0..1 or None; ``preview``
    counts the small pictures of the work there have been.
    """

    id: str
    tool: str
    args: Json
    state: StepState = "waiting"
    call_id: str = ""
    message: str = ""
    fraction: float | None = None
    seconds: float | None = None
    preview: int = 0
    text: str = ""
    """What a tool that writes has written so far."""


@dataclass
class Loading:
    """A model on its way into memory; ``fraction`` in 0..1 or None."""

    model: str
    fraction: float | None
    message: str = ""
    seconds: float | None = None

    @property
    def is_done(self) -> bool:
        return self.seconds is not None or (self.fraction is not None and self.fraction >= 1)


@dataclass
class RunView:
    """Feed it events in order with `add`; one that was seen before changes nothing."""

    run_id: str
    cursor: int = -1
    state: RunState = "running"
    question: str = ""
    attachments: list[Json] = field(default_factory=list)
    text: str = ""
    steps: list[Step] = field(default_factory=list)
    plan_seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    loading: dict[str, Loading] = field(default_factory=dict)
    artifacts: list[Json] = field(default_factory=list)
    receipts: list[Json] = field(default_factory=list)
    usage: Json = field(default_factory=dict)
    seconds: float | None = None
    sentiment: Json | None = None
    model: str = ""
    error: Json | None = None
    replay_of: str = ""
    """The run that this one makes again."""
    questions: list[Json] = field(default_factory=list)
    """What the run asks before it goes on."""
    asked_at: int = -1
    """The ``seq`` of the event that asked."""

    @property
    def is_over(self) -> bool:
        return self.state != "running"

    @property
    def headline(self) -> str:
        """What is going on, in a few words."""
        if self.questions:
            return "Waiting for your answer"
        busy = next((model for model in self.loading.values() if not model.is_done), None)
        running = [step for step in self.steps if step.state == "running"]
        if busy:
            return f"Loading {busy.model}"
        if running:
            return ", ".join(dict.fromkeys(nice_name(step.tool) for step in running))
        if self.text:
            return "Answering"
        if self.plan_seconds is None:
            return "Planning"
        return "Writing the answer" if all(s.state in {"done", "failed"} for s in self.steps) else "Working"

    def add(self, event: Json) -> None:
        if event["seq"] <= self.cursor:
            return
        self.cursor = event["seq"]
        handler = getattr(self, "_on_" + event["type"].replace(".", "_"), None)
        if handler:  # an event of a newer server is no reason to stop
            handler(event)

    # One method an event type, found by its name.

    def _on_run_started(self, event: Json) -> None:
        self.model, self.question, self.attachments = event["model"], event["message"], event["attachments"]
        self.replay_of = event.get("options", {}).get("replay_of", "")

    def _on_run_interrupted(self, event: Json) -> None:
        self.state = "interrupted"
        self.error = {"message": event["message"], "fix": event["fix"], "code": event["code"]}

    def _on_run_resumed(self, event: Json) -> None:
        """It goes on at its last checkpoint, and writes its answer anew."""
        del event
        self.state, self.error, self.text = "running", None, ""

    def _on_approval_required(self, event: Json) -> None:
        self.questions, self.asked_at = event["questions"], event["seq"]

    def _on_approval_answered(self, event: Json) -> None:
        del event
        self.questions = []

    def _on_message_delta(self, event: Json) -> None:
        self.text += event["text"]

    def _on_plan_made(self, event: Json) -> None:
        """A later plan mends the one before: steps that have run stay."""
        kept = [step for step in self.steps if step.state != "waiting"]
        self.steps = kept + [Step(step["id"], step["tool"], step["args"]) for step in event["steps"]]
        self.plan_seconds = event["seconds"]
        self.notes += event["notes"]

    def _on_tool_started(self, event: Json) -> None:
        step = self._call(event["call_id"]) or self._planned(event["call_id"], event["tool"])
        if step is None:
            step = Step(event["call_id"], event["tool"], event["args"])
            self.steps.append(step)
        step.call_id, step.state = event["call_id"], "running"

    def _on_tool_progress(self, event: Json) -> None:
        if step := self._call(event["call_id"]):
            step.fraction, step.message = event["fraction"], event["message"]
            step.preview = event.get("preview", 0)
            step.text += event.get("text", "")

    def _on_tool_artifact(self, event: Json) -> None:
        self._show(event["artifact"])

    def _on_tool_finished(self, event: Json) -> None:
        if step := self._call(event["call_id"]):
            step.state, step.message, step.seconds = "done", event["summary"], event["seconds"]
        self.receipts += [receipt for receipt in event["receipts"] if receipt not in self.receipts]

    def _on_tool_failed(self, event: Json) -> None:
        if step := self._call(event["call_id"]):
            step.state, step.message = "failed", event["message"]

    def _on_model_loading(self, event: Json) -> None:
        self.loading[event["model"]] = Loading(event["model"], event["fraction"], event["message"], event["seconds"])

    def _on_model_switched(self, event: Json) -> None:
        self.model = event["model"]
        self.notes.append(event["reason"])

    def _on_sentiment(self, event: Json) -> None:
        self.sentiment = {"label": event["label"], "score": event["score"]}

    def _on_log(self, event: Json) -> None:
        if event["level"] != "info":
            self.notes.append(event["message"])

    def _on_run_finished(self, event: Json) -> None:
        self.state = "finished"
        self.text = event["answer"] or self.text
        self.receipts = event["receipts"] or self.receipts
        self.usage, self.seconds = event["usage"], event["seconds"]
        for artifact in event["artifacts"]:
            self._show(artifact)
        self._drop_waiting()

    def _on_run_failed(self, event: Json) -> None:
        self.state = "failed"
        self.error = {"message": event["message"], "fix": event["fix"], "code": event["code"]}
        self._drop_waiting()

    def _on_run_cancelled(self, event: Json) -> None:
        del event
        self.state = "cancelled"
        self._drop_waiting()

    # -------------------------------------------------------------------------------------------------- helpers

    def _call(self, call_id: str) -> Step | None:
        return next((step for step in self.steps if step.call_id == call_id), None)

    def _planned(self, call_id: str, tool: str) -> Step | None:
        """The waiting step a call belongs to: call ids end in ``:$1``, the step's id."""
        waiting = [step for step in self.steps if step.tool == tool and step.state == "waiting"]
        return next((step for step in waiting if call_id.endswith(":" + step.id)), next(iter(waiting), None))

    def _show(self, artifact: Json) -> None:
        if all(known["id"] != artifact["id"] for known in self.artifacts):
            self.artifacts.append(artifact)

    def _drop_waiting(self) -> None:
        self.questions = []
        for step in self.steps:
            if step.state in {"waiting", "running"}:
                step.state = "skipped"


def nice_name(tool: str) -> str:
    """``detect_objects`` -> ``Detect objects``."""
    return tool.replace("_", " ").replace("-", " ").capitalize()
