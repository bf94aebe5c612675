"""How many events a second the event log takes, one at a time and in batches, and how fast it gives them back.

    python -m benchmarks.event_log [--events 2000] [--json]

Runs on a new SQLite file in the folder for temporary files (``TMPDIR``), on whatever disk that is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from memory.chats import Chats
from memory.database import Database
from memory.event_log import EventLog
from memory.events import Event, MessageDelta

BATCHES = (1, 8, 32, 128)
PAGE = 500


async def measure(folder: Path, count: int) -> dict[str, float]:
    """Events per second (wall clock), by what was done."""
    db = await Database.open(f"sqlite:///{folder / 'sensorium.db'}")
    try:
        chats, log = Chats(db, "benchmark"), EventLog(db)
        await chats.create_thread("t")
        rates = {}
        for batch in BATCHES:
            run = await chats.start_run("t", "hello", model="none")
            rates[f"append, {batch} at a time"] = await _append(log, _events(run.id, count), batch)
        rates[f"read, {PAGE} at a time"] = await _read(log, run.id, count)
        writers = 20
        runs = [await chats.start_run("t", "hello", model="none") for _ in range(writers)]
        started = time.perf_counter()
        await asyncio.gather(*(_append(log, _events(run.id, count // writers), 8) for run in runs))
        rates[f"append, {writers} runs at once, 8 at a time"] = count / (time.perf_counter() - started)
        return rates
    finally:
        await db.close()


def _events(run_id: str, count: int) -> list[Event]:
    now = datetime.now(UTC)
    return [Event(run_id=run_id, seq=seq, at=now, body=MessageDelta(text="a few words ")) for seq in range(count)]


async def _append(log: EventLog, events: Sequence[Event], batch: int) -> float:
    started = time.perf_counter()
    for first in range(0, len(events), batch):
        await log.append(events[first : first + batch])
    return len(events) / (time.perf_counter() - started)


async def _read(log: EventLog, run_id: str, count: int) -> float:
    started, seen = time.perf_counter(), 0
    while page := await log.read(run_id, after=seen - 1, limit=PAGE):
        seen += len(page)
    if seen != count:
        raise RuntimeError(f"read {seen} events of {count}")
    return count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description="Events per second of the event log.")
    parser.add_argument("--events", type=int, default=2000, help="events per measurement (default: 2000)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates = asyncio.run(measure(Path(folder), options.events))
    if options.json:
        print(json.dumps({"events": options.events, "events_per_second": {k: round(v) for k, v in rates.items()}}))
        return
    for name, rate in rates.items():
        print(f"{name:42} {rate:8.0f} events/s")


if __name__ == "__main__":
    main()
