"""Whether a text is positive or negative."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engines.protocols import LanguageIdentification, SentimentAnalysis
from engines.text.languages import language_name
from engines.text.mixed import likely_language
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ModelId, Text, ToolResult


class SentimentFound(ToolResult):
    """``score`` runs from -1 (bad) to 1 (good). ``language`` is the text's ISO 639-1 code, empty when nobody can tell.

    ``reliable``: the model knows that language.
    """

    sentiment: Literal["positive", "neutral", "negative"]
    score: float
    language: str = ""
    reliable: bool = True

    def summary(self) -> str:
        found = f"The text is {self.sentiment} (score {self.score:+.2f} on a scale from -1 to 1)."
        if self.reliable:
            return found
        language = language_name(self.language)
        return f"{found} It is in {language}, which the model does not know: don't rely on it."


@tool(cost=Cost(seconds=0.01))
async def analyze_sentiment(
    call: ToolCall,
    text: Annotated[Text, Field(description="the text to judge", max_length=20_000)],
    model: ModelId = None,
) -> SentimentFound:
    """Judge whether a text such as a review or a message is positive, neutral or negative."""
    async with call.use(LanguageIdentification) as lease:
        language = await lease.run(lambda engine, _: likely_language(text, engine))
    shelf = call.workshop.controller.shelf
    capability = SentimentAnalysis.capability
    entry = shelf.resolve(capability, model) if model or not language else shelf.choose(capability, language)
    async with call.use(SentimentAnalysis, entry.id) as lease:
        found = await lease.run(lambda engine, cancel: engine.analyze(text, cancel=cancel))
    return SentimentFound(
        sentiment=found.label,
        score=round(found.score, 3),
        language=language or "",
        reliable=not (language and entry.languages) or language in entry.languages,
    )
