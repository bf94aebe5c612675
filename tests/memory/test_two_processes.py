"""Two programs on one data folder, many turns at once: the chat database and the checkpoints are never locked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from scripted_chat import write_script
from sqlalchemy import text

from memory.checkpoints import checkpoint_thread, open_checkpointer
from memory.database import Database

SUPPORT = Path(__file__).parents[1] / "support"
TURNS = 25
SHARED = 3
"""So many of each program's turns are in conversations that the other program answers in, too."""

#: Opens the whole product, waits for a word, runs its turns all at once, and says how each ended.
PROGRAM = """
import asyncio, json, os, sys

home, url, name, support, turns, shared = sys.argv[1:]
sys.path.insert(0, support)
os.environ |= {"SENSORIUM_HOME": home, "SENSORIUM_DATABASE_URL": url}

from agent.app import open_app

async def turn(app, number):
    thread = f"shared-{number}" if number < int(shared) else f"{name}-{number}"
    message = "Please judge this." if number % 5 == 0 else "Hello!"
    run = await app.agent.start(f"{message} {name} {number}", thread_id=thread)
    return [event async for event in app.agent.events(run.id)][-1].body.model_dump(mode="json")

async def main():
    async with open_app() as app:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps(await asyncio.gather(*(turn(app, number) for number in range(int(turns))))))

asyncio.run(main())
"""
RULES = [
    {"when": "judge", "calls": [{"tool": "analyze_sentiment", "text": "Lovely people!"}], "answer": "Done: {results}"},
    {"when": "Hello", "answer": "Hello, I am Sensorium."},
]


async def test_fifty_turns_at_once_in_two_programs_all_end_well(url: str, tmp_path: Path, start_python):
    write_script(tmp_path, RULES)
    arguments = (str(SUPPORT), str(TURNS), str(SHARED))
    programs = [start_python(PROGRAM, str(tmp_path), url, name, *arguments) for name in ("first", "second")]
    for program in programs:
        assert await asyncio.to_thread(program.stdout.readline) == "ready\n", program.stderr.read()
    results = await asyncio.gather(*(asyncio.to_thread(program.communicate, "go\n") for program in programs))
    assert [error for _, error in results] == ["", ""]
    ends = [end for out, _ in results for end in json.loads(out)]
    assert [end for end in ends if end["type"] != "run.finished"] == []
    assert len(ends) == 2 * TURNS

    db = await Database.open(url)
    async with db.session() as session:
        statuses = (await session.execute(text("SELECT status, count(*) FROM runs GROUP BY status"))).all()
        messages = await session.scalar(text("SELECT count(*) FROM messages"))
        threads = (await session.scalars(text("SELECT id FROM threads"))).all()
    await db.close()
    assert statuses == [("finished", 2 * TURNS)]
    assert messages == 4 * TURNS
    assert len(threads) == 2 * TURNS - SHARED
    async with open_checkpointer(url) as saver:
        for thread in threads:
            where = {"configurable": {"thread_id": checkpoint_thread("local", thread)}}
            kept = [found async for found in saver.alist(where)]
            turns = 2 if thread.startswith("shared") else 1
            assert len(kept) == 2 * turns, thread
