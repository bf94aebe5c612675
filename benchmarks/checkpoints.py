"""How many bytes of checkpoints a conversation costs, turn by turn, and what pruning takes.

    python -m benchmarks.checkpoints [--turns 500] [--keep turns|all] [--url postgresql://...]

The whole product runs, with a script for a chat model (tests/support/scripted_chat.py): no model is needed. A picture
of 2 MB is attached to the first message, every fifth turn calls a tool, and answers have about 400 characters. Counted
are the rows, and what the file or the tables take on the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

QUESTION = "And what about number {turn}? I would like to know what you think of it before I go on with the next one."
ANSWER = (
    "I have looked at it twice. The lines are cleaner than in the first draft, but the left half is still too dark, "
    "and whoever sees it on a small screen will miss the boat behind the pier. Lighten the water, move the title a "
    "little to the right, and keep the old frame: it goes well with blue. If you can spare an hour, print one copy on "
    "matt paper before you decide, because colours never look the same on a wall."
)
RULES = [
    {
        "when": "judge",
        "calls": [{"tool": "analyze_sentiment", "text": "Lovely, warm and kind people!"}],
        "answer": ANSWER,
    },
    {"when": "", "answer": ANSWER},
]
ROWS = {
    "sqlite": {
        "checkpoints": "length(checkpoint) + length(metadata) + 2 * length(checkpoint_id) + length(thread_id)",
        "writes": "length(value) + length(checkpoint_id) + length(task_id) + length(task_path) + length(thread_id)",
    },
    "postgresql": {
        name: f"pg_column_size({name}.*)" for name in ("checkpoints", "checkpoint_writes", "checkpoint_blobs")
    },
}


def picture() -> bytes:
    """Noise, which no format makes smaller: about 2 MB."""
    from PIL import Image

    side = 816
    found = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(found, "PNG")
    return found.getvalue()


def stored(url: Any) -> tuple[int, int, int]:
    """Bytes of the rows, how many checkpoints, bytes of the file or tables."""
    from memory.blocking import blocking_engine

    with blocking_engine(url).connect() as connection:
        kind = connection.dialect.name
        rows = sum(
            connection.scalar(text(f"SELECT coalesce(sum({size}), 0) FROM {name}")) or 0  # noqa: S608 - our own names
            for name, size in ROWS[kind].items()
        )
        count = connection.scalar(text("SELECT count(*) FROM checkpoints")) or 0
        if kind == "sqlite":
            pages, free, size = (
                connection.scalar(text(f"PRAGMA {name}")) or 0 for name in ("page_count", "freelist_count", "page_size")
            )
            return int(rows), count, (pages - free) * size
        total = " + ".join(f"pg_total_relation_size('{name}')" for name in ROWS[kind])
        return int(rows), count, connection.scalar(text(f"SELECT {total}")) or 0


async def converse(turns: int) -> None:
    from scripted_chat import write_script

    from agent.app import open_app
    from agent.settings import load_settings
    from memory.artifact_types import Lineage
    from memory.checkpoints import checkpoints_url

    settings = load_settings()
    write_script(settings.home, RULES)
    url = checkpoints_url(settings.database_url)
    async with open_app(settings) as app:
        ref = await app.artifacts.add_bytes(picture(), name="noise.png", lineage=Lineage(tool="upload"))
        print(f"picture: {ref.bytes:,} bytes; {url.get_backend_name()}, keep_checkpoints={settings.keep_checkpoints}")
        print("turns   bytes of rows   bytes a turn   checkpoints   on disk   ms a turn (median)   CPU ms a turn")
        before, at, seconds, cpu = 0, 0, [], time.process_time()
        for turn in range(1, turns + 1):
            said = f"Please judge {turn}." if turn % 5 == 0 else QUESTION.format(turn=turn)
            began = time.perf_counter()
            run = await app.agent.start(said, thread_id="long", attachments=[ref.id] if turn == 1 else [])
            async for _ in app.agent.events(run.id):
                pass
            seconds.append(time.perf_counter() - began)
            if turn == 1 or turn % (turns // 10) == 0:
                await asyncio.sleep(1)  # what the turn leaves is tidied up after its end is told
                busy = (time.process_time() - cpu) / (turn - at) * 1000
                rows, count, disk = await asyncio.to_thread(stored, url)
                each = (rows - before) / (turn - at)
                median = statistics.median(seconds) * 1000
                print(
                    f"{turn:5}   {rows:13,}   {each:12,.0f}   {count:11,}   {disk:9,}   {median:21.0f}   {busy:13.0f}",
                    flush=True,
                )
                before, at, seconds, cpu = rows, turn, [], time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=500)
    parser.add_argument("--keep", choices=["turns", "all"], default="turns")
    parser.add_argument("--url", help="an empty database; left out: SQLite in a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"SENSORIUM_HOME": home, "SENSORIUM_KEEP_CHECKPOINTS": arguments.keep}
        if arguments.url:
            os.environ["SENSORIUM_DATABASE_URL"] = arguments.url
        asyncio.run(converse(arguments.turns))


if __name__ == "__main__":
    main()
