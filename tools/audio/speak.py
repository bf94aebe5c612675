"""Text to speech."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engines.audio.aloud import voice_for
from engines.protocols import LanguageIdentification, TextToSpeech
from engines.text.languages import language_code, language_name
from tools.call import ToolCall
from tools.spec import tool
from tools.types import AudioRef, Cost, Text, ToolResult


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
    reader = call.workshop.controller.shelf.choose(TextToSpeech.capability, code)
    async with call.use(TextToSpeech, reader.id) as speaker:
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
