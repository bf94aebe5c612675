"""Speech to text."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from engines.audio.subtitles import SubtitleFormat, subtitles
from engines.protocols import Segment, SpeechToText, Transcript
from engines.text.languages import language_code, language_name
from tools.call import ToolCall
from tools.spec import tool
from tools.types import AudioRef, Cost, Media, ModelId, Planned, ToolResult, VideoRef


class TimedWord(BaseModel):
    """``start`` and ``end`` in seconds; ``probability`` in 0..1."""

    start: float
    end: float
    text: str
    probability: float


class TimedText(BaseModel):
    """A stretch of a transcript; ``start`` and ``end`` in seconds. ``words`` where they were asked for."""

    start: float
    end: float
    text: str
    words: list[TimedWord] = []


class Transcription(ToolResult):
    """``language`` is an ISO 639-1 code: what is spoken. ``subtitles`` is the id of the file, if there is one."""

    shows_text: ClassVar[bool] = True

    text: Annotated[str, Media("text")]
    language: str
    segments: list[TimedText]
    translated: bool = False
    subtitles: str | None = None

    @property
    def is_empty(self) -> bool:
        return not self.text

    def summary(self) -> str:
        if not self.text:
            return "Nobody speaks in the recording."
        file = " Subtitles were saved." if self.subtitles else ""
        if self.translated:
            return f"The recording, in {language_name(self.language)}, says in English: “{self.text}”{file}"
        return f"The recording says, in {language_name(self.language)}: “{self.text}”{file}"


@tool(cost=Cost(seconds=6), one_of=("audio", "video"))
async def transcribe_audio(  # noqa: PLR0913, PLR0917 # a tool's options are its parameters
    call: ToolCall,
    audio: Annotated[AudioRef | None, Field(description="the recording")] = None,
    video: Annotated[VideoRef | None, Field(description="the video, for its sound")] = None,
    language: Annotated[str | None, Field(description="the spoken language; none: detected")] = None,
    task: Annotated[
        Literal["transcribe", "translate"], Field(description="translate: write it down in English")
    ] = "transcribe",
    words: Annotated[bool, Field(description="say when each word is spoken")] = False,
    subtitles: Annotated[
        SubtitleFormat | None, Planned(named=True), Field(description="also make a subtitle file")
    ] = None,
    prompt: Annotated[str, Field(max_length=500, description="names and terms that are likely to be said")] = "",
    model: ModelId = None,
) -> Transcription:
    """Write down what is said in a recording or a video (speech to text)."""
    code = language_code(language) if language else None
    source = audio or video or ""
    sound = await call.audio(source)
    async with call.use(SpeechToText, model) as lease:
        transcript = await lease.run(
            lambda engine, cancel: engine.transcribe(
                sound,
                language=code,
                task=task,
                words=words or subtitles is not None,
                prompt=prompt,
                on_segment=lambda segment: call.wrote(f"{segment.text} "),
                on_progress=call.progress,
                cancel=cancel,
            )
        )
    return Transcription(
        text=transcript.text,
        language=transcript.language,
        segments=[_timed(segment, words=words) for segment in transcript.segments],
        translated=task == "translate",
        subtitles=await _save_subtitles(call, source, transcript, subtitles),
    )


async def _save_subtitles(
    call: ToolCall, source: str, transcript: Transcript, form: SubtitleFormat | None
) -> str | None:
    """Under the recording's name. None: not asked for, or nobody speaks."""
    if form is None or not transcript.segments:
        return None
    recording = await call.workshop.artifacts.get(source)
    name = f"{PurePath(recording.name).stem}.{form}"
    return await call.save_bytes(subtitles(transcript.segments, form).encode(), name)


def _timed(segment: Segment, *, words: bool) -> TimedText:
    """To the hundredth of a second."""
    spoken = [
        TimedWord(
            start=round(word.start, 2),
            end=round(word.end, 2),
            text=word.text.strip(),
            probability=round(word.probability, 3),
        )
        for word in segment.words
    ]
    return TimedText(
        start=round(segment.start, 2), end=round(segment.end, 2), text=segment.text, words=spoken if words else []
    )
