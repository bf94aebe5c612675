"""Voice activity."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from engines.protocols import VoiceActivity
from tools.call import ToolCall
from tools.spec import tool
from tools.types import AudioRef, Cost, ModelId, ToolResult, VideoRef


class SpeechSpan(BaseModel):
    """``start`` and ``end`` in seconds."""

    start: float
    end: float


class SpeechFound(ToolResult):
    """``speech_seconds`` of the recording's ``seconds`` are speech."""

    spans: list[SpeechSpan]
    speech_seconds: float
    seconds: float

    @property
    def is_empty(self) -> bool:
        return not self.spans

    def summary(self) -> str:
        if not self.spans:
            return f"Nobody speaks in the recording ({self.seconds:.1f} s)."
        spans = ", ".join(f"{span.start:.1f}-{span.end:.1f} s" for span in self.spans[:20])
        return f"Somebody speaks for {self.speech_seconds:.1f} of {self.seconds:.1f} s: {spans}."


@tool(cost=Cost(seconds=0.1), one_of=("audio", "video"))
async def detect_speech(
    call: ToolCall,
    audio: Annotated[AudioRef | None, Field(description="the recording")] = None,
    video: Annotated[VideoRef | None, Field(description="the video, for its sound")] = None,
    model: ModelId = None,
) -> SpeechFound:
    """Find when somebody speaks in a recording or a video (voice activity), without writing it down."""
    sound = await call.audio(audio or video or "")
    async with call.use(VoiceActivity, model) as lease:
        spans = await lease.run(lambda engine, cancel: engine.detect(sound, on_progress=call.progress, cancel=cancel))
    return SpeechFound(
        spans=[SpeechSpan(start=round(span.start, 2), end=round(span.end, 2)) for span in spans],
        speech_seconds=round(sum(span.end - span.start for span in spans), 2),
        seconds=round(sound.seconds, 2),
    )
