"""Speech to text."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from engines.protocols import SpeechToText
from engines.text.languages import language_code, language_name
from tools.call import ToolCall
from tools.spec import tool
from tools.types import AudioRef, Cost, Media, ToolResult


class TimedText(BaseModel):
    """A stretch of a transcript; ``start`` and ``end`` in seconds."""

    start: float
    end: float
    text: str


class Transcription(ToolResult):
    """``language`` is an ISO 639-1 code."""

    shows_text: ClassVar[bool] = True

    text: Annotated[str, Media("text")]
    language: str
    segments: list[TimedText]

    def summary(self) -> str:
        if not self.text:
            return "Nobody speaks in the recording."
        return f"The recording says, in {language_name(self.language)}: “{self.text}”"


@tool(cost=Cost(seconds=6))
async def transcribe_audio(
    call: ToolCall,
    audio: Annotated[AudioRef, Field(description="the recording")],
    language: Annotated[str | None, Field(description="the spoken language; none: detected")] = None,
) -> Transcription:
    """Write down what is said in a recording (speech to text)."""
    code = language_code(language) if language else None
    sound = await call.audio(audio)
    async with call.use(SpeechToText) as lease:
        transcript = await lease.run(
            lambda engine, cancel: engine.transcribe(sound, language=code, on_progress=call.progress, cancel=cancel)
        )
    return Transcription(
        text=transcript.text,
        language=transcript.language,
        segments=[TimedText(start=s.start, end=s.end, text=s.text) for s in transcript.segments],
    )
