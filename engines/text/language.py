"""Which language a text is in, by py3langid (naive Bayes over byte n-grams)."""

from __future__ import annotations

from typing import ClassVar

from engines.errors import InputError
from engines.loading import LoadContext, missing_extra
from engines.protocols import LanguageGuess

#: Chosen among these only: rare languages would win short texts of common ones.
LANGUAGES = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "gu", "he", "hi", "hr", "hu",
    "id", "it", "ja", "kn", "ko", "lt", "lv", "ml", "mr", "nl", "no", "pa", "pl", "pt", "ro", "ru", "sk", "sl", "sr",
    "sv", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip

#: More text makes it slower, not surer.
LONGEST_TEXT = 4000


class LangId:
    """`LanguageIdentification` over `LANGUAGES`, or over those the catalog entry names."""

    capability: ClassVar[str] = "language-identification"

    def __init__(self, context: LoadContext) -> None:
        try:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self.languages: tuple[str, ...] = context.entry.languages or LANGUAGES
        self._identifier.set_languages(self.languages)

    def identify(self, text: str) -> LanguageGuess:
        """Raises InputError for a text without a letter."""
        return self.rank(text, 1)[0]

    def rank(self, text: str, count: int = 3) -> tuple[LanguageGuess, ...]:
        """The ``count`` likeliest, best first; probabilities of all languages add up to 1. Raises as `identify`."""
        if not any(char.isalpha() for char in text):
            raise InputError("There are no words to tell the language by.")
        ranked = self._identifier.rank(text[:LONGEST_TEXT])
        return tuple(LanguageGuess(code, float(probability)) for code, probability in ranked[:count])

    def close(self) -> None:
        """The tables go with the object."""
