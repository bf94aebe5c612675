"""Which stretches of a text are in which language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from engines.errors import InputError
from engines.protocols import LanguageIdentification
from engines.text.passages import FENCE, has_words
from engines.text.splitting import sentences

#: A text's language counts when it is this likely.
LIKELY = 0.5

#: That it needs no translation counts when it is this likely.
SURE = 0.8

#: A sentence's own language counts against the text's when it is this likely, and the sentence has so many letters:
#: names and quoted words must not tear a text apart.
SURE_OF_SENTENCE = 0.98
_LEAST_LETTERS = 20


@dataclass(frozen=True, slots=True)
class Stretch:
    """``language`` is an ISO 639-1 code; None: nobody can tell. ``words``: there is something to translate in it."""

    text: str
    language: str | None
    words: bool


def stretches(text: str, identifier: LanguageIdentification, target: str | None = None) -> list[Stretch]:
    """The text in stretches of one language each, in order; joined they are the text. Never raises.

    ``target`` is the language they are to be translated into: nothing is said to be in it that isn't surely so.
    """
    found = [
        (piece, _of_sentence(piece, identifier) if is_language else None, is_language and has_words(piece))
        for piece, is_language in _pieces(text)
    ]
    main = likely_language(text, identifier, target) or _commonest(found)
    made: list[Stretch] = []
    for piece, own, words in found:
        if made and (not words or made[-1].language == (own or main) or not made[-1].words):
            last = made.pop()
            language = (own or main) if words and not last.words else last.language
            made.append(Stretch(last.text + piece, language, words or last.words))
        else:
            made.append(Stretch(piece, own or main, words))
    return made


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Sentences, and whether they are language: code between fences is not."""
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = FENCE.match(line)
        if fence or mark:
            fence = "" if mark and mark[1] == fence else fence or (mark[1] if mark else "")
            yield line, False
        else:
            yield from ((sentence, True) for sentence in sentences(line))


def likely_language(text: str, identifier: LanguageIdentification, target: str | None = None) -> str | None:
    """ISO 639-1 code; None: there are no words, or too few to tell. `stretches` says what ``target`` does."""
    try:
        guess = identifier.identify(text)
    except InputError:
        return None
    return guess.code if guess.probability >= (SURE if guess.code == target else LIKELY) else None


def _of_sentence(sentence: str, identifier: LanguageIdentification) -> str | None:
    letters = sum(char.isalpha() for char in sentence)
    if (letters < _LEAST_LETTERS and sentence.isascii()) or letters < _LEAST_LETTERS // 3:
        return None
    try:
        guess = identifier.identify(sentence)
    except InputError:
        return None
    return guess.code if guess.probability >= SURE_OF_SENTENCE else None


def _commonest(found: list[tuple[str, str | None, bool]]) -> str | None:
    letters: Counter[str] = Counter()
    for piece, language, _ in found:
        if language:
            letters[language] += len(piece)
    return letters.most_common(1)[0][0] if letters else None
