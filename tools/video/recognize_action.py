"""What people do in a video."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from engines.progress import CancelToken
from engines.protocols import UNKNOWN_ACTION, ActionExample, ActionRecognition, ActionSpan
from engines.video.action_store import ActionStore
from engines.video.read import Video
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ModelId, Planned, ToolResult, VideoRef
from tools.video.pace import pace, span, watched

FOLDER = "actions"
"""Of the user's home: where the actions are that they have shown."""

_SEEN_PX = 960
_MOST_LISTED = 12
LEARNER = "pose-rules"
"""The model that learns from examples."""


class SeenAction(BaseModel):
    """``score`` in 0..1. ``learned``: told by its likeness to an example that the user has shown."""

    action: str
    score: float
    start_seconds: float
    end_seconds: float
    learned: bool = False


class ActionsRecognized(ToolResult):
    """``totals`` has the seconds of each action, most first. ``how`` says whether a trained model or rules judged."""

    actions: list[SeenAction]
    totals: dict[str, float]
    how: Literal["model", "rules"]
    seconds: float
    notes: list[str]

    def summary(self) -> str:
        judge = "By rules over the body's pose, not by a trained model" if self.how == "rules" else "By a trained model"
        notes = "".join(f" Note: {note}." for note in self.notes)
        if set(self.totals) <= {UNKNOWN_ACTION}:
            return f"No action it knows was recognised in {span(self.seconds)} of video. {judge}.{notes}"
        seen = "; ".join(
            f"{item.action} {item.start_seconds:.1f}-{item.end_seconds:.1f} s" for item in self.actions[:_MOST_LISTED]
        )
        rest = len(self.actions) - _MOST_LISTED
        return (
            f"Seen in {span(self.seconds)} of video: {seen}{f'; and {rest} more' if rest > 0 else ''}. {judge}.{notes}"
        )


@tool(cost=Cost(seconds=8), repeatable=False)
async def recognize_action(
    call: ToolCall,
    video: Annotated[VideoRef, Field(description="the video")],
    actions: Annotated[
        str | None,
        Planned(),
        Field(max_length=400, description="actions to look for, separated by commas; none: all that are known"),
    ] = None,
    model: ModelId = None,
) -> ActionsRecognized:
    """Tell what a person is doing in a video or clip, and when.

    Actions that the user has shown by examples (`enrol_action`) are looked for too.
    """
    clip = await call.video(video)
    examples = await asyncio.to_thread(ActionStore(call.workshop.home / FOLDER).examples)
    labels = {example.label.lower(): example.label for example in examples}
    asked = [labels.get(word.lower(), word) for word in map(str.strip, (actions or "").split(",")) if word]
    mine = [example for example in examples if not asked or example.label in asked]
    others = [word for word in asked if word not in labels.values()]
    watcher = _Watcher(call, clip)
    chosen = call.workshop.controller.shelf.resolve(ActionRecognition.capability, model).id
    if chosen == LEARNER:
        await watcher.watch(LEARNER, asked, mine)
    else:
        if others or not asked:
            await watcher.watch(chosen, others, [])
        if mine:
            await watcher.watch(LEARNER, sorted({example.label for example in mine}), mine)
    return watcher.result(frozenset(labels.values()))


class _Watcher:
    """Gathers what one or two models say of a clip."""

    def __init__(self, call: ToolCall, clip: Video) -> None:
        self._call = call
        self._clip = clip
        self._notes: list[str] = []
        self._how: list[Literal["model", "rules"]] = []
        self._spans: list[ActionSpan] = []

    async def watch(self, model: str, actions: Sequence[str], examples: Sequence[ActionExample]) -> None:
        def work(engine: ActionRecognition, cancel: CancelToken) -> tuple[ActionSpan, ...]:
            rate, notes = pace(self._clip, engine.frames_per_second)
            self._notes += notes
            self._how.append(engine.how)
            return engine.recognize(
                watched(self._clip, rate, _SEEN_PX, self._call.progress, cancel),
                actions=actions,
                examples=examples,
                on_progress=self._call.progress,
                cancel=cancel,
            )

        async with self._call.use(ActionRecognition, model) as lease:
            self._spans += await lease.run(work)

    def result(self, learned: frozenset[str]) -> ActionsRecognized:
        known = [item for item in self._spans if item.label != UNKNOWN_ACTION]
        spans = self._spans if len(self._how) == 1 else known
        totals: Counter[str] = Counter()
        for item in spans:
            totals[item.label] += item.end - item.start  # type: ignore[assignment] # a counter of seconds
        return ActionsRecognized(
            actions=[
                SeenAction(
                    action=item.label,
                    score=round(item.score, 3),
                    start_seconds=round(item.start, 2),
                    end_seconds=round(item.end, 2),
                    learned=item.label in learned,
                )
                for item in sorted(spans, key=lambda item: (item.start, item.end))
            ],
            totals={label: round(seconds, 2) for label, seconds in totals.most_common()},
            how="model" if "model" in self._how else "rules",
            seconds=round(self._clip.info.seconds, 2),
            notes=list(dict.fromkeys([*self._notes, *self._clip.notes])),
        )
