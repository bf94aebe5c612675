"""Learning an action from a clip."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from engines.progress import CancelToken
from engines.protocols import ActionExample, ActionRecognition
from engines.video.action_store import ActionStore, check_label
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ToolResult, VideoRef
from tools.video.pace import watched
from tools.video.recognize_action import FOLDER, LEARNER

_SEEN_PX = 960


class ActionLearned(ToolResult):
    """``examples`` counts those of this action, this one included."""

    label: str
    seconds: float
    examples: int

    def summary(self) -> str:
        more = "" if self.examples >= 3 else " Two or three more, by others or from other sides, make it surer."
        count = f"{self.examples} example{'' if self.examples == 1 else 's'}"
        return f"Learned {self.label!r} from {self.seconds:.1f} s of video; it has {count} now.{more}"


@tool(cost=Cost(seconds=5), repeatable=False)
async def enrol_action(
    call: ToolCall,
    video: Annotated[VideoRef, Field(description="a clip of one person doing nothing else")],
    label: Annotated[str, Field(min_length=1, max_length=40, description="the action's name")],
) -> ActionLearned:
    """Learn a new action by name from an example video.

    What is kept is how the body moves, in numbers; no picture of anybody.
    """
    label = label.strip()
    check_label(label)
    clip = await call.video(video)

    def work(engine: ActionRecognition, cancel: CancelToken) -> ActionExample:
        frames = watched(clip, engine.frames_per_second, _SEEN_PX, call.progress, cancel)
        return engine.describe(frames, label, cancel=cancel)

    async with call.use(ActionRecognition, LEARNER) as lease:
        example = await lease.run(work)
    store = ActionStore(call.workshop.home / FOLDER)
    await asyncio.to_thread(store.add, example)
    known = await asyncio.to_thread(store.known)
    count = next(action.examples for action in known if action.label == label)
    return ActionLearned(label=label, seconds=round(example.seconds, 2), examples=count)
