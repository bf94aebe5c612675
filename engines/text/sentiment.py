"""Sentiment by VADER: a lexicon of English words with rules for negation, emphasis and emoji."""

from __future__ import annotations

from typing import ClassVar

from engines.errors import InputError
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken
from engines.protocols import Sentiment

#: VADER's own threshold between neutral and the rest.
NEUTRAL_BELOW = 0.05


class Vader:
    """`SentimentAnalysis` for English; other languages come out neutral unless they share words."""

    capability: ClassVar[str] = "sentiment"

    def __init__(self, context: LoadContext) -> None:
        try:
            from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        self._analyzer = SentimentIntensityAnalyzer()

    def analyze(self, text: str, *, cancel: CancelToken = NEVER) -> Sentiment:  # noqa: ARG002 # it takes a millisecond
        """Raises InputError for an empty text."""
        if not text.strip():
            raise InputError("There is no text to judge.")
        score = float(self._analyzer.polarity_scores(text)["compound"])
        if abs(score) < NEUTRAL_BELOW:
            return Sentiment("neutral", score)
        return Sentiment("positive" if score > 0 else "negative", score)

    def close(self) -> None:
        """The lexicon goes with the object."""
