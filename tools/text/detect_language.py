"""Which language a text is in."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from engines.errors import InputError
from engines.protocols import LanguageGuess, LanguageIdentification
from engines.text.languages import language_name
from engines.text.mixed import LIKELY
from engines.text.passages import has_words
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ModelId, Text, ToolResult

UNKNOWN = "unknown"


class Candidate(BaseModel):
    """``language`` is an ISO 639-1 code; ``probability`` in 0..1."""

    language: str
    name: str
    probability: float


class LanguageFound(ToolResult):
    """``language`` is an ISO 639-1 code, or ``unknown``: there are no words, or too few. ``candidates``: best first."""

    language: str
    name: str
    probability: float
    candidates: list[Candidate]

    def summary(self) -> str:
        if self.language == UNKNOWN:
            guess = f" The likeliest guess is {self.candidates[0].name}." if self.candidates else ""
            return f"The language can't be told: there are too few words.{guess}"
        return f"The text is in {self.name} ({self.probability:.0%} sure)."


@tool(cost=Cost(seconds=0.01))
async def detect_language(
    call: ToolCall,
    text: Annotated[Text, Field(description="the text", max_length=20_000)],
    model: ModelId = None,
) -> LanguageFound:
    """Tell which language a text is written in."""
    async with call.use(LanguageIdentification, model) as lease:
        ranked = await lease.run(lambda engine, _: _ranked(text, engine))
    candidates = [
        Candidate(language=guess.code, name=language_name(guess.code), probability=round(guess.probability, 3))
        for guess in ranked
    ]
    if not candidates or candidates[0].probability < LIKELY:
        return LanguageFound(language=UNKNOWN, name=UNKNOWN, probability=0.0, candidates=candidates)
    best = candidates[0]
    return LanguageFound(language=best.language, name=best.name, probability=best.probability, candidates=candidates)


def _ranked(text: str, identifier: LanguageIdentification) -> tuple[LanguageGuess, ...]:
    """The three likeliest; none for a text of numbers, signs and addresses."""
    if not has_words(text):
        return ()
    try:
        return identifier.rank(text, 3)
    except InputError:
        return ()
