"""Measure the embedded media engines on this machine, with the sound and pictures of `tests/media`.

    python benchmarks/media_engines.py [--models FOLDER] [--threads 2] [--pictures FILE ...] [--json]

CPU-seconds are of all threads together. Models that have not been pulled are left out, and named.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.settings import load_settings
from engines.audio.read import read_audio
from engines.catalog import Catalog
from engines.errors import UnavailableError
from engines.image.read import read_image
from engines.loading import LoadContext, engine_class
from engines.protocols import Audio
from engines.weights import WeightStore

MEDIA = Path(__file__).parents[1] / "tests" / "media"
JFK = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"
TEXT = (
    "The meeting starts at three in the afternoon. Bring the drawings of the new house, please, "
    "and a list of the things that we still have to buy. Afterwards we will walk to the beach together."
)


def cpu_seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def word_error_rate(said: str, heard: str) -> float:
    first, second = ([word.strip(".,!?").lower() for word in text.split()] for text in (said, heard))
    row = list(range(len(second) + 1))
    for number, word in enumerate(first, 1):
        above, row = row, [number]
        for column, other in enumerate(second, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (word != other)))
    return row[-1] / len(first)


class Bench:
    """Loads engines as the product does, and measures each."""

    def __init__(self, models: Path, threads: int, pictures: list[Path]) -> None:
        self._catalog = Catalog.load()
        self._store = WeightStore(models)
        self._threads = threads
        self._pictures = pictures
        self._speech = read_audio(MEDIA / "jfk.flac")
        self._whisper: Any = None

    def _load(self, model_id: str) -> tuple[Any, float]:
        entry = self._catalog.get(model_id)
        folder = self._store.require(entry) if entry.files else Path()
        context = LoadContext(entry, folder, threads=self._threads)
        return cpu_seconds(lambda: engine_class(entry)(context))  # type: ignore[call-arg]  # Engine has no __init__

    def silero_vad(self) -> dict[str, Any]:
        engine, load = self._load("silero-vad")
        spans, cost = cpu_seconds(lambda: engine.detect(self._speech))
        speech = sum(span.end - span.start for span in spans)
        return {"load_cpu_s": load, "cpu_ms_per_s": 1000 * cost / self._speech.seconds, "speech_s": speech}

    def whisper_base(self) -> dict[str, Any]:
        self._whisper, load = self._load("whisper-base")
        heard, cost = cpu_seconds(lambda: self._whisper.transcribe(self._speech))
        return {
            "load_cpu_s": load,
            "cpu_s_per_s": cost / self._speech.seconds,
            "jfk_wer": word_error_rate(JFK, heard.text),
            "language": heard.language,
        }

    def piper_en_us_joe(self) -> dict[str, Any]:
        engine, load = self._load("piper-en-us-joe")
        engine.speak("Warm up.")
        spoken, cost = cpu_seconds(lambda: engine.speak(TEXT))
        found: dict[str, Any] = {"load_cpu_s": load, "cpu_s_per_s": cost / spoken.seconds, "seconds": spoken.seconds}
        if self._whisper:
            found["heard_wer"] = word_error_rate(
                TEXT, self._whisper.transcribe(Audio(spoken.samples, spoken.rate)).text
            )
        return found

    def nanodet_416(self) -> dict[str, Any]:
        engine, load = self._load("nanodet-416")
        found: dict[str, Any] = {"load_cpu_s": load}
        for path in self._pictures:
            image = read_image(path)
            engine.detect(image)
            runs, cost = cpu_seconds(functools.partial(list, map(engine.detect, [image] * 10)))
            seen = [f"{box.label} {box.score:.2f}" for box in runs[-1]]
            found[path.name] = {"cpu_ms": 1000 * cost / len(runs), "found": seen}
        return found

    def run(self) -> dict[str, Any]:
        results: dict[str, Any] = {"threads": self._threads}
        for measure in (self.silero_vad, self.whisper_base, self.piper_en_us_joe, self.nanodet_416):
            name = measure.__name__.replace("_", "-")
            try:
                results[name] = measure()
            except UnavailableError as error:
                results[name] = {"left_out": str(error)}
        return results


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the embedded media engines.")
    parser.add_argument("--models", type=Path, help="models folder; default: the one in the settings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=Path, nargs="+", default=[MEDIA / "astronaut.jpg", MEDIA / "chelsea.jpg"])
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    results = Bench(args.models or load_settings().models_dir, args.threads, args.pictures).run()
    if args.json:
        json.dump(results, sys.stdout, indent=2)
        return
    for name, figures in results.items():
        print(name, *(figures.items() if isinstance(figures, dict) else [figures]), sep="\n    ")


if __name__ == "__main__":
    main()
