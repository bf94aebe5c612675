"""The same words in another voice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engines.audio.marking import mark_cloned
from engines.protocols import VoiceConversion
from tools.audio.marked import save_marked
from tools.audio.voice_reference import (
    Consent,
    check_consent,
    in_words,
    likeness,
    recording,
    reference_voice,
)
from tools.call import ToolCall
from tools.spec import tool
from tools.types import AudioRef, Cost, Danger, ModelId, ToolResult


class ConvertedVoice(ToolResult):
    """``similarity`` (0..1) is between the voices of the reference and of the result; None: it can't be told."""

    audio: AudioRef
    seconds: float
    model: str
    similarity: float | None
    note: str

    def summary(self) -> str:
        note = f" {self.note}" if self.note else ""
        return (
            f"What is said in the recording now sounds like the other voice, {self.seconds:.1f} s long."
            f"{note}{in_words(self.similarity)}"
        )


@tool(cost=Cost(seconds=20), danger=Danger.CONSENT)
async def convert_voice(
    call: ToolCall,
    source: Annotated[AudioRef, Field(description="the recording to change")],
    reference: Annotated[AudioRef, Field(description="a recording of the voice that it gets")],
    seed: Annotated[int | None, Field(ge=0, description="for models that draw lots: the same gives the same")] = None,
    consent: Consent = False,
    model: ModelId = None,
) -> ConvertedVoice:
    """Make a recording sound as if the voice of another recording spoke it (voice conversion)."""
    check_consent(consent)
    call.seed = seed
    said = await recording(call, source)
    voice, note = await reference_voice(call, reference)
    async with call.use(VoiceConversion, model) as lease:
        used = lease.entry.id
        sound = await lease.run(
            lambda engine, cancel: engine.convert(said, voice, seed=seed, on_progress=call.progress, cancel=cancel)
        )
    similarity = await likeness(call, voice, sound)
    return ConvertedVoice(
        audio=await save_marked(call, sound, "voice.wav", lambda path: mark_cloned(path, used)),
        seconds=round(sound.seconds, 2),
        model=used,
        similarity=None if similarity is None else round(similarity, 3),
        note=note,
    )
