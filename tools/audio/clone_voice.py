"""Speech in the voice of a recording."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engines.audio.marking import mark_cloned, mark_spoken
from engines.protocols import LanguageIdentification, VoiceCloning
from engines.text.languages import language_code
from tools.audio.marked import save_marked
from tools.audio.voice_reference import Consent, check_consent, in_words, likeness, reference_voice
from tools.call import ToolCall
from tools.spec import tool
from tools.types import AudioRef, Cost, Danger, ModelId, Text, ToolResult


class ClonedVoice(ToolResult):
    """``similarity`` (0..1) is between the voices of the reference and of the result; None: it can't be told.
    ``language`` is the text's (ISO 639-1).
    """

    audio: AudioRef
    seconds: float
    kind: Literal["clone", "closest-voice"]
    model: str
    similarity: float | None
    language: str
    note: str

    def summary(self) -> str:
        how = "in a clone of the voice in the recording" if self.kind == "clone" else "in another voice"
        note = f" {self.note}" if self.note else ""
        return (
            f"The text was read aloud {how}; the sound is {self.seconds:.1f} s long.{note}{in_words(self.similarity)}"
        )


@tool(cost=Cost(seconds=15), danger=Danger.CONSENT)
async def clone_voice(
    call: ToolCall,
    text: Annotated[Text, Field(description="what to say", max_length=5_000)],
    reference: Annotated[AudioRef, Field(description="a recording of the voice")],
    language: Annotated[str | None, Field(description="the text's language; none: detected")] = None,
    speed: Annotated[float, Field(ge=0.7, le=1.2, description="1.2 is a fifth faster")] = 1.0,
    seed: Annotated[int | None, Field(ge=0, description="for models that draw lots: the same gives the same")] = None,
    consent: Consent = False,
    model: ModelId = None,
) -> ClonedVoice:
    """Read a text aloud in the voice of a recording (voice cloning)."""
    check_consent(consent)
    call.seed = seed
    voice, note = await reference_voice(call, reference)
    code = language_code(language) if language else await _language_of(call, text)
    shelf = call.workshop.controller.shelf
    entry = shelf.resolve(VoiceCloning.capability, model) if model else shelf.choose(VoiceCloning.capability, code)
    async with call.use(VoiceCloning, entry.id) as lease:
        made = await lease.run(
            lambda engine, cancel: engine.clone(
                text, voice, language=code, speed=speed, seed=seed, on_progress=call.progress, cancel=cancel
            )
        )
    similarity = await likeness(call, voice, made.audio) if made.similarity is None else made.similarity
    mark = mark_cloned if made.kind == "clone" else mark_spoken
    return ClonedVoice(
        audio=await save_marked(call, made.audio, "voice.wav", lambda path: mark(path, entry.id)),
        seconds=round(made.audio.seconds, 2),
        kind=made.kind,
        model=entry.id,
        similarity=None if similarity is None else round(similarity, 3),
        language=code,
        note=" ".join(part for part in (made.note, note) if part),
    )


async def _language_of(call: ToolCall, text: str) -> str:
    async with call.use(LanguageIdentification) as lease:
        return (await lease.run(lambda engine, _: engine.identify(text))).code
