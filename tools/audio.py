"""Tools that hear and speak."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from engines.audio.aloud import voice_for
from engines.protocols import LanguageIdentification, SpeechToText, TextToSpeech, VoiceActivity
from engines.text.languages import language_code, language_name
from tools.call import ToolCall
from tools.spec import tool
from tools.types import AudioRef, Cost, Media, Text, ToolResult


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


class SpeechSpan(BaseModel):
    """``start`` and ``end`` in seconds."""

    start: float
    end: float


class SpeechFound(ToolResult):
    """``speech_seconds`` of the recording's ``seconds`` are speech."""

    spans: list[SpeechSpan]
    speech_seconds: float
    seconds: float

    def summary(self) -> str:
        if not self.spans:
            return f"Nobody speaks in the recording ({self.seconds:.1f} s)."
        spans = ", ".join(f"{span.start:.1f}-{span.end:.1f} s" for span in self.spans[:20])
        return f"Somebody speaks for {self.speech_seconds:.1f} of {self.seconds:.1f} s: {spans}."


@tool(cost=Cost(seconds=0.1))
async def detect_speech(call: ToolCall, audio: Annotated[AudioRef, Field(description="the recording")]) -> SpeechFound:
    """Find when somebody speaks in a recording (voice activity), without writing it down."""
    sound = await call.audio(audio)
    async with call.use(VoiceActivity) as lease:
        spans = await lease.run(lambda engine, cancel: engine.detect(sound, on_progress=call.progress, cancel=cancel))
    return SpeechFound(
        spans=[SpeechSpan(start=round(span.start, 2), end=round(span.end, 2)) for span in spans],
        speech_seconds=round(sum(span.end - span.start for span in spans), 2),
        seconds=round(sound.seconds, 2),
    )


class Spoken(ToolResult):
    """``language`` is the text's, ``voice_language`` the voice's (ISO 639-1)."""

    audio: AudioRef
    seconds: float
    voice: str
    language: str
    voice_language: str

    def summary(self) -> str:
        accent = ""
        if self.language != self.voice_language:
            voice, text = language_name(self.voice_language), language_name(self.language)
            accent = f" The voice is {voice}, so the {text} has a strong accent."
        return f"The text was read aloud; the sound is {self.seconds:.1f} s long.{accent}"


@tool(cost=Cost(seconds=1))
async def speak(
    call: ToolCall,
    text: Annotated[Text, Field(description="what to say", max_length=20_000)],
    voice: Annotated[str | None, Field(description="a voice's id; none: one of the language")] = None,
    speed: Annotated[float, Field(ge=0.5, le=2.0, description="2.0 is twice as fast")] = 1.0,
    language: Annotated[str | None, Field(description="the text's language; none: detected")] = None,
) -> Spoken:
    """Read a text aloud (text to speech)."""
    code = language_code(language) if language else await _language_of(call, text)
    async with call.use(TextToSpeech, call.workshop.controller.choose(TextToSpeech, code)) as speaker:
        sound = await speaker.run(
            lambda engine, cancel: engine.speak(
                text, voice=voice, language=code, speed=speed, on_progress=call.progress, cancel=cancel
            )
        )
        voices = await speaker.run(lambda engine, _: engine.voices)
    chosen = voice_for(voices, voice, code)
    return Spoken(
        audio=await call.save_audio(sound, "speech.wav"),
        seconds=round(sound.seconds, 2),
        voice=chosen.id,
        language=code,
        voice_language=chosen.language,
    )


async def _language_of(call: ToolCall, text: str) -> str:
    async with call.use(LanguageIdentification) as lease:
        return (await lease.run(lambda engine, _: engine.identify(text))).code
