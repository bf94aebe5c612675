"""Which emotion words or a voice show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from engines.catalog import ModelEntry
from engines.errors import EngineError, UnavailableError
from engines.protocols import Emotion, Emotions, LanguageIdentification, TextEmotion, VoiceEmotion
from engines.text.languages import language_name
from engines.text.mixed import likely_language
from tools.call import ToolCall
from tools.spec import tool
from tools.text.translation_chain import translate_by_chain
from tools.types import AudioRef, Cost, Media, ModelId, ToolResult

UNKNOWN = "unknown"

#: How many labels a result names at most.
MOST = 5


class FoundEmotion(BaseModel):
    """``probability`` in 0..1."""

    emotion: str
    probability: float


class EmotionFound(ToolResult):
    """``emotion`` is one of Ekman's six (joy, sadness, anger, fear, disgust, surprise), ``neutral``, or ``unknown``.

    ``labels``: the model's finer labels, ``groups``: those of ``emotion``; best first, with probabilities.
    """

    emotion: str
    labels: list[FoundEmotion]
    groups: list[FoundEmotion]
    heard_in: Literal["words", "voice"]
    translated_from: str = ""
    """ISO 639-1 code of the text's language, when it was translated for the model."""
    reliable: bool = True
    """False: the model does not know the text's language, and nothing could translate it."""

    def summary(self) -> str:
        where = f"The {self.heard_in} show{'s' if self.heard_in == 'voice' else ''}"
        doubt = "" if self.reliable else " The model does not know the text's language: don't rely on it."
        if self.emotion == UNKNOWN:
            return f"{where} no emotion clearly.{doubt}"
        if self.emotion == "neutral":
            return f"{where} no strong emotion.{doubt}"
        finer = ", ".join(f"{found.emotion} {found.probability:.0%}" for found in self.labels[:3])
        through = f", read in a translation from {language_name(self.translated_from)}" if self.translated_from else ""
        return f"{where} {self.emotion} ({finer}{through}).{doubt}"


@tool(cost=Cost(seconds=0.1), one_of=("text", "audio"))
async def detect_emotion(
    call: ToolCall,
    text: Annotated[
        str | None, Media("text"), Field(description="the words to judge", min_length=1, max_length=20_000)
    ] = None,
    audio: Annotated[AudioRef | None, Field(description="the voice to judge")] = None,
    model: ModelId = None,
) -> EmotionFound:
    """Tell which emotion (joy, sadness, anger, fear, disgust, surprise) a text or a voice shows.

    The embedded model for words has the labels of GoEmotions, but was trained on a few hundred
    sentences of this project's own, not on that data set.
    """
    if audio is not None:
        return await _in_voice(call, audio, model)
    return await _in_words(call, text or "", model)


async def _in_words(call: ToolCall, text: str, model: str | None) -> EmotionFound:
    async with call.use(LanguageIdentification) as lease:
        language = await lease.run(lambda engine, _: likely_language(text, engine))
    shelf = call.workshop.controller.shelf
    capability = TextEmotion.capability
    entry = shelf.resolve(capability, model) if model or not language else shelf.choose(capability, language)
    translated = await _for_model(call, text, language, entry)
    async with call.use(TextEmotion, entry.id) as lease:
        found = await lease.run(lambda engine, cancel: engine.recognize(translated or text, cancel=cancel))
    return _result(
        found,
        heard_in="words",
        translated_from=language or "" if translated else "",
        reliable=translated is not None or _knows(entry, language),
    )


async def _for_model(call: ToolCall, text: str, language: str | None, entry: ModelEntry) -> str | None:
    """The text in the model's language; None: it needs no translation, or nothing on this machine can translate it."""
    if _knows(entry, language):
        return None
    try:
        done = await translate_by_chain(call, text, target=entry.languages[0], source=language, here_only=True)
    except (UnavailableError, EngineError):
        return None
    return done.text


def _knows(entry: ModelEntry, language: str | None) -> bool:
    return not language or not entry.languages or language in entry.languages


async def _in_voice(call: ToolCall, audio: str, model: str | None) -> EmotionFound:
    sound = await call.audio(audio)
    try:
        async with call.use(VoiceEmotion, model) as lease:
            found = await lease.run(
                lambda engine, cancel: engine.recognize(sound, on_progress=call.progress, cancel=cancel)
            )
    except UnavailableError as error:
        hint = "Or transcribe the recording, and judge the emotion of its words."
        raise type(error)(error.message, fix=f"{error.fix.rstrip('.')}. {hint}") from error
    return _result(found, heard_in="voice")


def _result(
    found: Emotions, *, heard_in: Literal["words", "voice"], translated_from: str = "", reliable: bool = True
) -> EmotionFound:
    shown = [emotion for emotion in found.labels if emotion.present] or list(found.labels[:1])
    groups = [emotion for emotion in found.groups if emotion.present]
    return EmotionFound(
        emotion=groups[0].label if groups else UNKNOWN,
        labels=_named(shown[:MOST]),
        groups=_named(found.groups),
        heard_in=heard_in,
        translated_from=translated_from,
        reliable=reliable,
    )


def _named(emotions: tuple[Emotion, ...] | list[Emotion]) -> list[FoundEmotion]:
    return [FoundEmotion(emotion=emotion.label, probability=round(emotion.probability, 3)) for emotion in emotions]
