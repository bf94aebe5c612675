"""Text to speech."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from engines.audio.aloud import voice_for
from engines.audio.marking import mark_spoken
from engines.audio.voices import find_voice, offered
from engines.protocols import LanguageGuess, LanguageIdentification, TextToSpeech, Voice
from engines.text.languages import language_code, language_name
from tools.audio.marked import save_marked
from tools.call import ToolCall
from tools.spec import tool
from tools.types import AudioRef, Cost, ModelId, OneOf, Text, ToolResult

_SURE = 0.9
"""How sure the language of a text must be to count against that of a voice that was asked for."""


class Spoken(ToolResult):
    """``language`` is the text's, ``voice_language`` the voice's (ISO 639-1); ``voice`` its id."""

    audio: AudioRef
    seconds: float
    voice: str
    language: str
    voice_language: str
    description: str = ""
    """The voice in words."""

    def summary(self) -> str:
        accent = ""
        if self.language != self.voice_language:
            voice, text = language_name(self.voice_language), language_name(self.language)
            accent = f" The voice is {voice}, so the {text} has an accent."
        by = f" by {self.description}" if self.description else ""
        return f"The text was read aloud{by}; the sound is {self.seconds:.1f} s long.{accent}"


@tool(cost=Cost(seconds=1))
async def speak(
    call: ToolCall,
    text: Annotated[Text, Field(description="what to say", max_length=20_000)],
    voice: Annotated[
        str | None,
        OneOf("voice-styles", free=True),
        Field(description="a voice's id, or words such as 'British female'; none: the best for the text's language"),
    ] = None,
    speed: Annotated[float, Field(ge=0.5, le=2.0, description="2.0 is twice as fast")] = 1.0,
    language: Annotated[str | None, Field(description="the text's language; none: detected")] = None,
    seed: Annotated[int | None, Field(ge=0, description="for models that draw lots: the same gives the same")] = None,
    model: ModelId = None,
) -> Spoken:
    """Read a text aloud (text to speech), in a voice of a kind that is asked for."""
    call.seed = seed
    shelf = call.workshop.controller.shelf
    guess = None if language else await _guess(call, text)
    code = language_code(language) if language else guess.code if guess else None
    entry, chosen = shelf.resolve(TextToSpeech.capability, model), None
    if voice is not None:
        # A voice that is asked for brings its language along, unless the text is surely in another.
        sure = code if guess is None or guess.probability >= _SURE else None
        offers = await asyncio.to_thread(offered, shelf, model)
        if offers or model is None:
            found = find_voice(offers, voice, sure)
            entry, chosen, code = found.entry, found.voice, sure or found.voice.language
    elif model is None and code is not None:
        entry = shelf.choose(TextToSpeech.capability, code)
    wanted = chosen.id if chosen else voice  # where only the loaded model knows its voices, it is asked
    async with call.use(TextToSpeech, entry.id) as speaker:
        sound = await speaker.run(
            lambda engine, cancel: engine.speak(
                text, voice=wanted, language=code, speed=speed, seed=seed, on_progress=call.progress, cancel=cancel
            )
        )
        voices = await speaker.run(lambda engine, _: engine.voices)
    used = voice_for(voices, wanted, code)
    return Spoken(
        audio=await save_marked(call, sound, "speech.wav", lambda path: mark_spoken(path, entry.id)),
        seconds=round(sound.seconds, 2),
        voice=used.id,
        language=code or used.language,
        voice_language=used.language,
        description=_described(used) if voice else "",
    )


async def _guess(call: ToolCall, text: str) -> LanguageGuess | None:
    """None: there is no word in it."""
    if not any(character.isalpha() for character in text):
        return None
    async with call.use(LanguageIdentification) as lease:
        return await lease.run(lambda engine, _: engine.identify(text))


def _described(voice: Voice) -> str:
    """``Emma (British, female)``."""
    kind = ", ".join(part for part in (voice.accent or language_name(voice.language), voice.gender) if part)
    return f"{voice.name} ({kind})"
