"""The language of a text, when its words tell it."""

from __future__ import annotations

from engines.errors import InputError
from engines.protocols import LanguageIdentification
from engines.text.mixed import SURE


def told_language(text: str, identifier: LanguageIdentification) -> str | None:
    """ISO 639-1 code; None: there are no words, or too few to be sure. Blocking."""
    try:
        guess = identifier.identify(text)
    except InputError:
        return None
    return guess.code if guess.probability >= SURE else None
