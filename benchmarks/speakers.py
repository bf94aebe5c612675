"""What the speaker encoder makes of voices: how well it tells people apart, and what it costs.

python benchmarks/speakers.py similarity DIR   # recordings, one person each: halves of one against those of others
python benchmarks/speakers.py closest FILE...  # which ready-made voice stands in for each recording
python benchmarks/speakers.py voices           # write engines/data/resemblyzer/kokoro_voices.npz
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from agent.settings import load_settings
from engines.audio.closest import ClosestVoice
from engines.audio.kokoro import Kokoro
from engines.audio.read import read_audio
from engines.audio.speakers import Resemblyzer
from engines.catalog import Catalog
from engines.loading import LoadContext
from engines.protocols import Audio
from engines.weights import WeightStore

TEXT = "The boat left the harbour early, and nobody on the quay waved. By noon the wind had turned to the north."
TARGET = Path(__file__).parents[1] / "engines" / "data" / "resemblyzer" / "kokoro_voices.npz"
SOUNDS = (".flac", ".wav", ".mp3", ".m4a", ".ogg")


class Bench:
    """The engines, loaded when they are first needed."""

    def __init__(self, models: Path | None, threads: int) -> None:
        self.catalog, self.store = Catalog.load(), WeightStore(models or load_settings().models_dir)
        self.threads = threads
        self.encoder = Resemblyzer(self.context("resemblyzer"))

    def context(self, model_id: str) -> LoadContext:
        entry = self.catalog.get(model_id)
        return LoadContext(entry, self.store.require(entry), threads=self.threads)

    def similarity(self, folder: Path) -> dict[str, Any]:
        """Cosines between the halves of each recording, and between halves of different ones."""
        halves: dict[str, list[np.ndarray]] = {}
        cost = seconds = 0.0
        for path in sorted(path for path in folder.iterdir() if path.suffix in SOUNDS):
            sound = read_audio(path)
            middle = len(sound.samples) // 2
            start = time.process_time()
            halves[path.stem] = [
                self.encoder.embed(Audio(part, sound.rate)) for part in (sound.samples[:middle], sound.samples[middle:])
            ]
            cost += time.process_time() - start
            seconds += sound.seconds
        same = {name: round(float(first @ second), 3) for name, (first, second) in halves.items()}
        different = {
            f"{a} / {b}": round(float(np.mean([x @ y for x in halves[a] for y in halves[b]])), 3)
            for a, b in combinations(halves, 2)
        }
        return {
            "same": same,
            "different": different,
            "mean_same": round(float(np.mean(list(same.values()))), 3),
            "mean_different": round(float(np.mean(list(different.values()))), 3) if different else None,
            "cpu_s_per_s": round(cost / seconds, 4),
        }

    def closest(self, files: list[Path]) -> dict[str, Any]:
        """The stand-in for each recording among the voices that are there, and how alike they are."""
        speaker = Kokoro(self.context("kokoro-82m"))
        parts = {"speaker-embedding": self.encoder, "text-to-speech": speaker}
        engine = ClosestVoice(LoadContext(self.catalog.get("closest-voice"), Path(), parts=parts))
        results: dict[str, Any] = {}
        for path in files:
            start = time.process_time()
            spoken = engine.clone(TEXT, read_audio(path), language="en")
            results[path.name] = {
                "note": spoken.note,
                "similarity": round(spoken.similarity or 0.0, 3),
                "cpu_s": round(time.process_time() - start, 1),
                "seconds": round(spoken.audio.seconds, 1),
            }
        return results

    def voices(self) -> dict[str, Any]:
        """Every voice reads the same English text, those of other languages too: it is the voice that counts."""
        engine = Kokoro(self.context("kokoro-82m"))
        names, embeddings = [], []
        for voice in engine.voices:
            names.append(voice.id)
            embeddings.append(self.encoder.embed(engine.speak(TEXT, voice=voice.id, language="en")))
            print(voice.id, file=sys.stderr, flush=True)
        np.savez(TARGET, names=np.array(names), embeddings=np.array(embeddings, np.float16))
        return {"voices": len(names), "bytes": TARGET.stat().st_size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("similarity", "closest", "voices"))
    parser.add_argument("paths", type=Path, nargs="*")
    parser.add_argument("--models", type=Path, help="models folder; default: the one in the settings")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    bench = Bench(args.models, args.threads)
    work = {
        "similarity": lambda: bench.similarity(args.paths[0]),
        "closest": lambda: bench.closest(args.paths),
        "voices": bench.voices,
    }
    json.dump(work[args.what](), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
