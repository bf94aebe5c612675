"""What the model controller itself costs: `use` and `run` when the engine is there, and many users at one cold start.

    python -m benchmarks.controller [--json]

The engines do nothing, so every microsecond is the controller's. CPU is of the whole process, threads included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

from engines.catalog import Catalog, ModelEntry
from engines.controller import ModelController
from engines.loading import LoadContext
from engines.progress import CancelToken
from engines.protocols import Engine

ROUNDS = 2000
USERS = 200
SLOTS_MB = 100


class Nothing(Engine, Protocol):
    capability: ClassVar[str] = "nothing"


class Idler:
    """An engine that takes ``LOAD_SECONDS`` to load, and whose work takes no time."""

    capability: ClassVar[str] = "nothing"
    LOAD_SECONDS = 0.02
    loads = 0

    def __init__(self, _: LoadContext) -> None:
        time.sleep(self.LOAD_SECONDS)
        Idler.loads += 1

    def close(self) -> None: ...


def nothing(_engine: Nothing, _cancel: CancelToken) -> None: ...


class NoWeights:
    def require(self, entry: ModelEntry) -> Path:
        return Path(entry.id)


def controller(models: int, *, fits: int, concurrency: int = 4) -> ModelController:
    """``models`` models, of which ``fits`` fit in the budget."""
    entries = [
        ModelEntry(
            id=f"m{number}",
            title="",
            capability="nothing",
            engine="x:X",
            licence="",
            memory_mb=SLOTS_MB,
            concurrency=concurrency,
        )
        for number in range(models)
    ]
    return ModelController(
        Catalog({entry.id: entry for entry in entries}),
        NoWeights(),
        budget_mb=fits * SLOTS_MB,
        resident_bytes=lambda: Idler.loads * SLOTS_MB * 2**20,
        build=Idler,
        trim=lambda: None,
    )


async def each(rounds: int, work: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Microseconds per call, one after the other: median and 95th percentile of the wall time, mean of the CPU time."""
    await work()
    walls = []
    cpu = time.process_time()
    for _ in range(rounds):
        began = time.perf_counter()
        await work()
        walls.append((time.perf_counter() - began) * 1e6)
    cpu = (time.process_time() - cpu) / rounds * 1e6
    return {
        "median_us": round(statistics.median(walls), 1),
        "p95_us": round(statistics.quantiles(walls, n=20)[-1], 1),
        "cpu_us": round(cpu, 1),
    }


async def overhead() -> dict[str, dict[str, float]]:
    models = controller(1, fits=1)

    async def use() -> None:
        async with models.use(Nothing):
            pass

    async def use_and_run() -> None:
        async with models.use(Nothing) as lease:
            await lease.run(nothing)

    rows = {
        "asyncio.to_thread, for comparison": await each(ROUNDS, lambda: asyncio.to_thread(int)),
        "use(), loaded": await each(ROUNDS, use),
        "use() and run(), loaded": await each(ROUNDS, use_and_run),
    }
    await models.close()
    return rows


async def contention(models: int, fits: int) -> dict[str, float]:
    """``USERS`` users come at once, in turn for each model, and call it once."""
    started = Idler.loads
    pool = controller(models, fits=fits)
    waits: list[float] = []
    began = time.perf_counter()

    async def user(number: int) -> None:
        async with pool.use(Nothing, f"m{number % models}") as lease:
            await lease.run(nothing)
        waits.append(time.perf_counter() - began)

    cpu = time.process_time()
    await asyncio.gather(*map(user, range(USERS)))
    cpu = time.process_time() - cpu
    seconds = time.perf_counter() - began
    threads = threading.active_count()
    await pool.close()
    loads = Idler.loads - started
    return {
        "loads": loads,
        "seconds": round(seconds, 3),
        "beyond_loads_seconds": round(seconds - loads * Idler.LOAD_SECONDS, 3),
        "median_wait_seconds": round(statistics.median(waits), 3),
        "cpu_ms_per_user": round(cpu / USERS * 1e3, 2),
        "threads": threads,
    }


async def measure() -> dict[str, Any]:
    return {
        "overhead": await overhead(),
        "contention": {
            f"{USERS} users, 1 model": await contention(1, 1),
            f"{USERS} users, 8 models, all fit": await contention(8, 8),
            f"{USERS} users, 8 models, 2 fit": await contention(8, 2),
        },
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def table(rows: dict[str, dict[str, float]]) -> str:
    columns = list(next(iter(rows.values())))
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{column:>22}" for column in columns)]
    lines += [f"{name:<{width}}" + "".join(f"{row[column]:>22}" for column in columns) for name, row in rows.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    figures = asyncio.run(measure())
    if parser.parse_args().json:
        print(json.dumps(figures, indent=2))
    else:
        print(table(figures["overhead"]), table(figures["contention"]), sep="\n\n")
        print(f"\npeak resident size {figures['peak_rss_mb']} MB")


if __name__ == "__main__":
    main()
