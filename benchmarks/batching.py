"""What micro-batching gives: the same calls from many threads, gathered into batches and one by one.

    python benchmarks/batching.py [--calls 256] [--threads 1 4 16]

Wall and CPU seconds of two engines, both ways, side by side in one process. "One by one" is the same with batches of
one call. Only the text engines batch in the product: for pictures it gains nothing on a CPU. Quote the ratio.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from agent.settings import load_settings
from engines.batching import MicroBatcher
from engines.catalog import Catalog
from engines.controller import build_engine
from engines.loading import LoadContext
from engines.weights import WeightStore

PICTURE = Path(__file__).parents[1] / "tests/media/astronaut.jpg"
TEXTS = [f"Sentence number {n} about the weather, a train and a cup of tea." for n in range(64)]


def engines() -> list[tuple[str, Callable[[Any, list[int]], Any]]]:
    """Model, and its work on a batch of calls."""
    picture = Image.open(PICTURE).convert("RGB")
    return [
        ("minilm-l6-v2", lambda engine, calls: engine.embed([TEXTS[n % len(TEXTS)] for n in calls])),
        ("efficientnet-lite0-features", lambda engine, calls: engine.embed([picture] * len(calls))),
    ]


def measure(batcher: MicroBatcher[int, Any], calls: int, threads: int) -> tuple[float, float]:
    """Wall and CPU seconds of ``calls`` calls from ``threads`` threads."""
    with ThreadPoolExecutor(threads) as pool:
        wall, cpu = time.perf_counter(), time.process_time()
        list(pool.map(lambda n: batcher([n]), range(calls)))
        return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=256)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4, 16])
    args = parser.parse_args()
    settings = load_settings()
    catalog, store = Catalog.load(), WeightStore(settings.models_dir)
    print(f"{'model':28} {'threads':>7} {'batches':>8} {'wall s':>8} {'CPU s':>8}   one by one: wall, CPU   gain")
    for model_id, work in engines():
        entry = catalog.get(model_id)
        shared = catalog.get(entry.weights_of[0]) if entry.weights_of else entry
        engine: Any = build_engine(LoadContext(entry, store.require(shared), settings.threads))
        batcher: MicroBatcher[int, Any] = MicroBatcher(partial(work, engine))
        largest = batcher.max_items
        batcher([0])
        for threads in args.threads:
            batcher.max_items = 1
            wall_1, cpu_1 = measure(batcher, args.calls, threads)
            batcher.max_items, batcher.batches = largest, 0
            wall, cpu = measure(batcher, args.calls, threads)
            print(
                f"{model_id:28} {threads:7} {batcher.batches:8} {wall:8.2f} {cpu:8.2f}   "
                f"{wall_1:10.2f} {cpu_1:8.2f}   x{wall_1 / wall:.2f} wall, x{cpu_1 / cpu:.2f} CPU"
            )
        engine.close()


if __name__ == "__main__":
    main()
