"""Which voices there are on this machine, and which of them a user means: by an id, or in words like "British female".

No model is loaded for it: an engine's class says by ``voices_of`` what its catalog entry and its folder hold.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engines.catalog import ModelEntry
from engines.errors import InputError
from engines.loading import engine_class
from engines.protocols import TextToSpeech, Voice
from engines.readiness import Readiness, Shelf
from engines.text.languages import language_code, language_name

#: Two-letter country of a voice's locale -> the accent, where one language has several.
ACCENTS: Final = {
    "US": "American",
    "GB": "British",
    "AU": "Australian",
    "IN": "Indian",
    "IE": "Irish",
    "BR": "Brazilian",
    "MX": "Mexican",
    "AR": "Argentinian",
    "CA": "Canadian",
}

_SAME: Final = {
    **dict.fromkeys(("woman", "lady", "girl", "feminine", "woman's", "female's", "f"), "female"),
    **dict.fromkeys(("man", "guy", "boy", "gentleman", "masculine", "man's", "male's", "m"), "male"),
    **dict.fromkeys(("uk", "gb", "england", "britain"), "british"),
    **dict.fromkeys(("us", "usa", "america"), "american"),
    "brazil": "brazilian",
}
_FILLERS: Final = frozenset(
    ("a", "an", "the", "voice", "voices", "accent", "accented", "speaker", "speaking", "with", "in", "of", "and")
)
_WORD: Final = re.compile(r"[^\W_]+(?:['’]\w+)?")  # noqa: RUF001 # the apostrophe that keyboards of phones write


@dataclass(frozen=True, slots=True)
class Offered:
    """A voice, and the model that has it."""

    entry: ModelEntry
    voice: Voice
    readiness: Readiness

    @property
    def is_ready(self) -> bool:
        return self.readiness.state == "ready"

    @property
    def speaks_its_language(self) -> bool:
        """Whether the model can read what the voice is for."""
        return not self.entry.languages or self.voice.language in self.entry.languages


def voices_of(entry: ModelEntry, folder: Path) -> tuple[Voice, ...]:
    """The voices of one text-to-speech model, which need not be loaded or there. Empty: only the model itself knows."""
    try:
        # An engine of somebody else may not have it.
        reader = getattr(engine_class(entry), "voices_of", None)
        return tuple(reader(entry, folder)) if reader else ()
    except (
        Exception
    ):  # somebody's own entry or folder holds anything: using it says what is wrong, the others can speak
        return ()


def offered(shelf: Shelf, model: str | None = None) -> list[Offered]:
    """The voices of every text-to-speech model of the catalog, or of one: the default model's first.

    Blocking, but quick. Raises NotFoundError for a ``model`` that is unknown or can't speak.
    """
    if model is not None:
        entries: Sequence[ModelEntry] = [shelf.resolve(TextToSpeech.capability, model)]
    else:
        usual = shelf.resolve(TextToSpeech.capability)
        entries = sorted(shelf.catalog.of(TextToSpeech.capability), key=lambda entry: entry is not usual)
    return [
        Offered(entry, voice, shelf.readiness(entry))
        for entry in entries
        for voice in voices_of(entry, shelf.folder(entry))
    ]


def find_voice(offers: Sequence[Offered], wanted: str, language: str | None = None) -> Offered:
    """The voice with the id ``wanted``, or else the first that the words of ``wanted`` describe.

    Of several that are described, one that is ready comes first, then one of the ``language`` (ISO 639-1), then one of
    a model that can read it. Models on other servers are never chosen by a description. Raises InputError that names
    voices which are near.
    """
    same = [offer for offer in offers if offer.voice.id.casefold() == wanted.strip().casefold()]
    here = [offer for offer in offers if not offer.entry.remote and offer.speaks_its_language]
    fitting = same or [offer for offer in here if describes(wanted, offer.voice)]
    if not fitting:
        raise InputError(f"No voice is called or described by {wanted!r}.", fix=_suggestion(offers, wanted))
    return min(
        fitting,
        key=lambda offer: (
            not offer.is_ready,
            offer.voice.language != language,
            bool(offer.entry.languages) and language not in offer.entry.languages,
        ),
    )


def describes(words: str, voice: Voice) -> bool:
    """Whether every word that says something is the voice's gender, accent, language or name."""
    said = [_SAME.get(word, word) for word in _WORD.findall(words.casefold()) if word not in _FILLERS]
    known = set(_known_words(voice))
    return bool(said) and all(word in known or _is_language(word, voice.language) for word in said)


def styles(offers: Iterable[Offered]) -> tuple[str, ...]:
    """Descriptions of the kinds of voices there are, such as ``British female``, for a planner to choose from."""
    known = [offer.voice for offer in offers if offer.voice.gender and offer.speaks_its_language]
    plain = dict.fromkeys(voice.gender for voice in known)
    named = dict.fromkeys(f"{_kind(voice)} {voice.gender}" for voice in known)
    return (*sorted(plain), *named)


def _kind(voice: Voice) -> str:
    return voice.accent or language_name(voice.language)


def _known_words(voice: Voice) -> Iterator[str]:
    yield voice.gender
    yield voice.language
    for text in (voice.accent, voice.name, language_name(voice.language)):
        yield from _WORD.findall(text.casefold())


def _is_language(word: str, code: str) -> bool:
    """Whether the word names the language: "español" as well as "Spanish"."""
    try:
        return len(word) > 2 and language_code(word) == code
    except InputError:
        return False


def _suggestion(offers: Sequence[Offered], wanted: str) -> str:
    """Voices with a like name, then the styles there are."""
    ready = [offer for offer in offers if offer.is_ready] or list(offers)
    ids = list(dict.fromkeys(offer.voice.id for offer in ready))
    near = difflib.get_close_matches(wanted, ids, n=3, cutoff=0.5)
    kinds = ", ".join(styles(ready))
    nearest = f"Near: {', '.join(near)}. " if near else ""
    return f"{nearest}Give an id (sensorium voices) or one of: {kinds or ', '.join(ids[:12])}."
