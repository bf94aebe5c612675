"""How well speech is written down and read aloud: word error rates by `jiwer`, and what a second of sound costs.

Voices are judged by a round trip: they read sentences, and a speech-to-text model writes down what it hears. Its own
mistakes count too, so figures are comparable for one listener only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engines.errors import InputError
from engines.protocols import SpeechToText, TextToSpeech

#: Written for this project, without numbers and names: listeners write those in ways of their own.
SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "Good morning, the library is close to the station.",
        "Tomorrow we will go to the beach with the children and the dog.",
        "The old bridge over the river was painted green last summer.",
    ),
    "es": (
        "Buenos días, la biblioteca está cerca de la estación.",
        "El tren sale por la tarde y llega antes de la cena.",
        "La ciudad tiene muchos edificios antiguos y un río muy ancho.",
    ),
    "fr": (
        "Bonjour, la bibliothèque se trouve à côté de la gare.",
        "Demain matin, nous irons à la plage avec les enfants.",
        "Le vieux pont sur la rivière a été peint en vert.",
    ),
    "it": (
        "Buongiorno, la biblioteca si trova vicino alla stazione.",
        "Domani mattina andiamo al mare con i bambini e il cane.",
        "Il vecchio ponte sul fiume è molto bello.",
    ),
    "pt": (
        "Bom dia, a biblioteca fica perto da estação.",
        "O trem sai à tarde e chega antes do jantar.",
        "A cidade tem muitos prédios antigos e um rio largo.",
    ),
    "hi": ("नमस्ते, पुस्तकालय स्टेशन के पास है।", "कल सुबह हम बच्चों के साथ बाज़ार जाएँगे।"),
}


@dataclass(frozen=True, slots=True)
class SpeechScore:
    """``wer``: word errors per word that was said. ``cpu_per_second``: CPU-seconds of all threads per second of sound;
    ``wall_per_second``: seconds that passed, the real-time factor.
    """

    words: int
    wer: float
    seconds: float
    cpu_per_second: float
    wall_per_second: float
    heard: tuple[str, ...]


@dataclass
class _Stopwatch:
    cpu: float = 0.0
    wall: float = 0.0

    def __enter__(self) -> None:
        self._began = (time.process_time(), time.perf_counter())

    def __exit__(self, *_: object) -> None:
        self.cpu += time.process_time() - self._began[0]
        self.wall += time.perf_counter() - self._began[1]


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> tuple[float, int]:
    """Over all pairs together, without case and punctuation; and how many words were said."""
    import jiwer

    plain = jiwer.Compose(
        [
            jiwer.ToLowerCase(),
            jiwer.SubstituteRegexes({r"[^\w\s'’-]|(?<!\w)['’-]|['’-](?!\w)|।": " "}),  # noqa: RUF001 # typed apostrophes
            jiwer.RemoveMultipleSpaces(),
            jiwer.Strip(),
            jiwer.ReduceToListOfListOfWords(),
        ]
    )
    found = jiwer.process_words(list(said), list(heard), reference_transform=plain, hypothesis_transform=plain)
    words = found.hits + found.substitutions + found.deletions
    return (found.substitutions + found.deletions + found.insertions) / max(1, words), words


def voice_score(
    speaker: TextToSpeech, listener: SpeechToText, voice: str, language: str, *, sentences: int | None = None
) -> SpeechScore:
    """A voice reads the sentences of a language. Cost is the speaker's. Raises InputError for an unknown language."""
    if language not in SENTENCES:
        raise InputError(f"There are no sentences in {language!r}.", fix=f"Languages: {', '.join(SENTENCES)}.")
    watch = _Stopwatch()
    said = SENTENCES[language][:sentences]
    heard: list[str] = []
    seconds = 0.0
    for sentence in said:
        with watch:
            sound = speaker.speak(sentence, voice=voice, language=language)
        seconds += sound.seconds
        heard.append(listener.transcribe(sound, language=language).text)
    wer, words = word_error_rate(said, heard)
    return SpeechScore(words, wer, seconds, watch.cpu / seconds, watch.wall / seconds, tuple(heard))
