"""Measure how well the voices can be understood: each reads sentences, and Whisper base writes down what it hears.

    python benchmarks/voices.py [--models FOLDER] [--threads 2] [--languages es fr ...] [--sentences N] [--json]

Needs the extras `speech` and `evals`. What is counted is said in `evals.speech`.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from agent.settings import load_settings
from engines.audio.kokoro import Kokoro
from engines.audio.piper import Piper
from engines.audio.whisper import FasterWhisper
from engines.catalog import Catalog
from engines.loading import LoadContext
from engines.protocols import TextToSpeech
from engines.weights import WeightStore
from evals.speech import SENTENCES, SpeechScore, voice_score


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how well the voices can be understood.")
    parser.add_argument("--models", type=Path, help="models folder; default: the one in the settings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--languages", nargs="+", choices=SENTENCES, default=list(SENTENCES))
    parser.add_argument("--sentences", type=int, help="how many of each language; default: all")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line")
    args = parser.parse_args()
    catalog, store = Catalog.load(), WeightStore(args.models or load_settings().models_dir)

    def context(model_id: str) -> LoadContext:
        entry = catalog.get(model_id)
        return LoadContext(entry, store.require(entry), threads=args.threads)

    listener = FasterWhisper(context("whisper-base"))
    speakers: list[TextToSpeech] = [Piper(context("piper-en-us-joe")), Kokoro(context("kokoro-82m"))]
    families: defaultdict[str, list[SpeechScore]] = defaultdict(list)
    for speaker in speakers:
        speaker.speak("Warm up.")
        for voice in speaker.voices:
            if voice.language not in args.languages:
                continue
            score = voice_score(speaker, listener, voice.id, voice.language, sentences=args.sentences)
            families[f"{type(speaker).__name__} {voice.language} {voice.accent} {voice.gender}"].append(score)
            if args.json:
                print(json.dumps({"voice": voice.id, **asdict(score)}, ensure_ascii=False), flush=True)
            else:
                cost = f"{score.cpu_per_second:.2f} CPU-s and {score.wall_per_second:.2f} s a second"
                print(f"{voice.id}: WER {score.wer:.1%} of {score.words} words, {cost}", flush=True)
    for family, scores in families.items():
        words = sum(score.words for score in scores)
        wer = sum(score.wer * score.words for score in scores) / words
        print(f"{family}: {len(scores)} voices, WER {wer:.1%} of {words} words")


if __name__ == "__main__":
    main()
