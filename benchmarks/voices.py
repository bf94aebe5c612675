"""Measure how well the voices can be understood: each reads sentences, and Whisper base writes down what it hears.

    python benchmarks/voices.py [--models FOLDER] [--threads 2] [--languages es fr ...] [--json]

The word error rate counts Whisper's own mistakes too, and numbers that it writes as digits. CPU-seconds are of all
threads together.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from agent.settings import load_settings
from engines.audio.kokoro import Kokoro
from engines.audio.piper import Piper
from engines.audio.whisper import FasterWhisper
from engines.catalog import Catalog
from engines.loading import LoadContext
from engines.protocols import TextToSpeech, Voice
from engines.weights import WeightStore

SENTENCES = {
    "es": (
        "Buenos días, ¿cómo está usted? La biblioteca está cerca de la estación.",
        "Mañana por la mañana vamos a la playa con los niños y el perro.",
        "El tren sale por la tarde y llega antes de la cena.",
        "Necesito comprar pan, leche y queso en el mercado.",
        "La ciudad tiene muchos edificios antiguos y un río muy ancho.",
    ),
    "fr": (
        "Bonjour, la bibliothèque se trouve à côté de la gare.",
        "Demain matin, nous irons à la plage avec les enfants.",
    ),
    "it": (
        "Buongiorno, la biblioteca si trova vicino alla stazione.",
        "Domani mattina andiamo al mare con i bambini e il cane.",
    ),
    "pt": (
        "Bom dia, a biblioteca fica perto da estação.",
        "Amanhã de manhã vamos à praia com as crianças e o cachorro.",
    ),
    "hi": ("नमस्ते, पुस्तकालय स्टेशन के पास है।", "कल सुबह हम बच्चों के साथ बाज़ार जाएँगे।"),
    "en": (
        "Good morning, the library is close to the station.",
        "Tomorrow we will go to the beach with the children and the dog.",
    ),
}


def words(text: str) -> list[str]:
    return [word for raw in text.split() if (word := raw.strip("¡!¿?.,;:।").lower())]


def word_errors(said: list[str], heard: list[str]) -> int:
    """Words to add, leave out or replace."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        above, row = row, [number]
        for column, other in enumerate(heard, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (word != other)))
    return row[-1]


def measure(speaker: TextToSpeech, voice: str, language: str, whisper: FasterWhisper) -> dict[str, Any]:
    errors = total = 0
    cost = seconds = 0.0
    heard = []
    for sentence in SENTENCES[language]:
        start = time.process_time()
        sound = speaker.speak(sentence, voice=voice, language=language)
        cost += time.process_time() - start
        seconds += sound.seconds
        transcript = whisper.transcribe(sound)
        errors += word_errors(words(sentence), words(transcript.text))
        total += len(words(sentence))
        heard.append(f"{transcript.language}: {transcript.text}")
    return {"words": total, "wer": round(errors / total, 3), "cpu_s_per_s": round(cost / seconds, 2), "heard": heard}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how well the voices can be understood.")
    parser.add_argument("--models", type=Path, help="models folder; default: the one in the settings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--languages", nargs="+", choices=SENTENCES, default=list(SENTENCES))
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    catalog, store = Catalog.load(), WeightStore(args.models or load_settings().models_dir)

    def context(model_id: str) -> LoadContext:
        entry = catalog.get(model_id)
        return LoadContext(entry, store.require(entry), threads=args.threads)

    whisper = FasterWhisper(context("whisper-base"))
    kokoro, piper = Kokoro(context("kokoro-82m")), Piper(context("piper-en-us-joe"))
    kokoro.speak("Warm up.")
    piper.speak("Warm up.")
    results: dict[str, Any] = {}
    for language in args.languages:
        pairs: list[tuple[TextToSpeech, Voice]] = [
            (kokoro, voice) for voice in kokoro.voices if voice.language == language
        ]
        if language != "hi":  # the English voice can't read its script
            pairs.append((piper, piper.voices[0]))
        for speaker, voice in pairs:
            results[f"{language} {voice.id}"] = measure(speaker, voice.id, language, whisper)
    if args.json:
        json.dump(results, sys.stdout, indent=2, ensure_ascii=False)
        return
    for name, found in results.items():
        print(f"{name}: WER {found['wer']:.1%} of {found['words']} words, {found['cpu_s_per_s']} CPU-s per second")
        print(*(f"    {line}" for line in found["heard"]), sep="\n")


if __name__ == "__main__":
    main()
