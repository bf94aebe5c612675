"""Whether a text is positive or negative."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engines.protocols import SentimentAnalysis
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, Text, ToolResult


class SentimentFound(ToolResult):
    """``score`` runs from -1 (bad) to 1 (good)."""

    sentiment: Literal["positive", "neutral", "negative"]
    score: float

    def summary(self) -> str:
        return f"The text is {self.sentiment} (score {self.score:+.2f} on a scale from -1 to 1)."


@tool(cost=Cost(seconds=0.01))
async def analyze_sentiment(
    call: ToolCall, text: Annotated[Text, Field(description="the text to judge", max_length=20_000)]
) -> SentimentFound:
    """Judge whether a text such as a review or a message is positive, neutral or negative."""
    async with call.use(SentimentAnalysis) as lease:
        found = await lease.run(lambda engine, _: engine.analyze(text))
    return SentimentFound(sentiment=found.label, score=round(found.score, 3))
