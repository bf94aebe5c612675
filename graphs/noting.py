"""What a message tells before anybody thinks about it: its language and its mood. Nothing here fails a turn."""

from __future__ import annotations

import logging
from typing import Any

from engines.errors import SensoriumError
from engines.protocols import LanguageGuess, LanguageIdentification, SentimentAnalysis
from engines.text.languages import language_name
from engines.text.mixed import LIKELY
from memory.events import LanguageNoted, SentimentNoted
from tools.call import ToolCall

logger = logging.getLogger(__name__)

#: The language of a text that is shorter is as good as not known, unless its script tells: "ok" is in any.
_LEAST_LETTERS = 4

#: More of a message says no more of its mood.
_LONGEST = 4_000


async def note(call: ToolCall, message: str, spoken_in: str | None = None) -> dict[str, Any]:
    """``language``, and ``sentiment`` with its ``score`` where a model knows the language; what can't be told is left
    out. ``spoken_in``: the language that was heard.
    """
    noted: dict[str, Any] = {}
    if guess := await _language(call, message, spoken_in):
        noted["language"] = guess.code
        call.emit(
            LanguageNoted(language=guess.code, name=language_name(guess.code), probability=round(guess.probability, 3))
        )
        noted |= await _mood(call, message, guess.code)
    return noted


async def _language(call: ToolCall, message: str, spoken_in: str | None) -> LanguageGuess | None:
    letters = sum(char.isalpha() for char in message)
    if spoken_in:
        return LanguageGuess(spoken_in, 1.0)
    if letters < _LEAST_LETTERS and message.isascii():
        return None
    try:
        async with call.use(LanguageIdentification) as lease:
            guess = await lease.run(lambda engine, _: engine.identify(message))
    except SensoriumError as error:
        logger.warning("the language of a message was not told: %s", error)
        return None
    return guess if guess.probability >= LIKELY else None


async def _mood(call: ToolCall, message: str, language: str) -> dict[str, Any]:
    """Empty where no model that is ready here knows the language."""
    shelf = call.workshop.controller.shelf
    entry = shelf.choose(SentimentAnalysis.capability, language)
    if (entry.languages and language not in entry.languages) or shelf.readiness(entry).state != "ready":
        return {}
    try:
        async with call.use(SentimentAnalysis, entry.id) as lease:
            found = await lease.run(lambda engine, cancel: engine.analyze(message[:_LONGEST], cancel=cancel))
    except SensoriumError as error:
        logger.warning("the mood of a message was not told: %s", error)
        return {}
    call.emit(SentimentNoted(label=found.label, score=round(found.score, 3)))
    return {"sentiment": found.label, "score": round(found.score, 3)}
