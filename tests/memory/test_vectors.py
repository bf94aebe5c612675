"""Who holds the vectors, and what happens to those who come later."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from word_vectors import WordVectors

from engines.errors import UnavailableError
from memory.database import Database
from memory.longterm.memories import Memories
from memory.longterm.types import NewMemory
from memory.longterm.vectors import Vectors

HOLD = """
import asyncio, sys
from pathlib import Path
import numpy as np
from memory.longterm.vectors import Vectors

async def hold():
    vectors = Vectors(Path(sys.argv[1]))
    await vectors.put("texts", "ann", ["a"], np.eye(1, 4, dtype=np.float32))
    print("held", flush=True)
    sys.stdin.readline()

asyncio.run(hold())
"""


async def remembered(memories: Memories, text: str) -> None:
    await memories.add(NewMemory(text=text))
    await memories.catch_up()


async def test_a_second_process_searches_by_words_and_its_vectors_are_made_later(
    tmp_path: Path, db: Database, start_python: object
) -> None:
    folder = tmp_path / "memory"
    holder = start_python(HOLD, str(folder))
    assert (await asyncio.to_thread(holder.stdout.readline)).strip() == "held"
    vectors = Vectors(folder)
    memories = Memories(db, "ann", vectors, WordVectors())
    await remembered(memories, "The ladder is at the neighbour's.")
    (hit,) = await memories.search("ladder")
    assert hit.likeness is None
    assert "Another process" in memories.trouble
    holder.kill()
    await asyncio.to_thread(holder.wait)
    assert await memories.catch_up() == 1
    assert (await memories.search("ladder"))[0].likeness is not None
    assert await vectors.ids("ann") != {"a"}  # what the dead holder left without a memory is gone
    await vectors.close()


async def test_whoever_closes_gives_the_folder_to_the_next(tmp_path: Path, db: Database) -> None:
    first, second = Vectors(tmp_path / "memory"), Vectors(tmp_path / "memory")
    one, other = (Memories(db, "ann", vectors, WordVectors()) for vectors in (first, second))
    await remembered(one, "The boat leaves at nine.")
    await remembered(other, "The train leaves at ten.")
    assert other.trouble
    await first.close()
    assert await other.catch_up() == 1
    assert {hit.likeness is None for hit in await other.search("leaves")} == {False}
    await second.close()


async def test_what_another_process_adds_and_forgets_is_followed(tmp_path: Path, db: Database) -> None:
    vectors = Vectors(tmp_path / "memory")
    here, there = (Memories(db, "ann", vectors, WordVectors()) for _ in range(2))
    await remembered(there, "The cat is called Miso.")
    (hit,) = await here.search("cat")
    await there.forget(hit.memory.id)
    assert await here.search("cat") == []
    await vectors.close()


async def test_a_damaged_folder_says_what_mends_it_and_reindexing_does(tmp_path: Path, db: Database) -> None:
    folder = tmp_path / "memory"
    (folder / "chroma").mkdir(parents=True)
    (folder / "chroma" / "chroma.sqlite3").write_bytes(b"this is no database" * 100)
    vectors = Vectors(folder)
    memories = Memories(db, "ann", vectors, WordVectors())
    await remembered(memories, "The attic light is broken.")
    assert "sensorium memory reindex" in memories.trouble
    assert (await memories.search("attic"))[0].likeness is None
    assert await memories.reindex() == 1
    assert (await memories.search("attic"))[0].likeness is not None
    await vectors.close()


@pytest.fixture
def chroma_server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = "import sys; from chromadb.cli.cli import app; sys.argv = ['chroma', *sys.argv[1:]]; app()"
    server = subprocess.Popen(
        [sys.executable, "-c", command, "run", "--path", str(tmp_path / "served"), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, "the Chroma server ended"
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


@pytest.fixture
async def two_clients(chroma_server: str) -> AsyncIterator[tuple[Vectors, Vectors]]:
    both = Vectors(chroma_server), Vectors(chroma_server)
    yield both
    for each in both:
        await each.close()


async def test_two_processes_share_a_chroma_server(two_clients: tuple[Vectors, Vectors], db: Database) -> None:
    one, other = (Memories(db, "ann", vectors, WordVectors()) for vectors in two_clients)
    stranger = Memories(db, "bob", two_clients[1], WordVectors())
    await remembered(one, "The museum closes on Mondays.")
    assert (await other.search("museum"))[0].likeness is not None
    assert await stranger.search("museum") == []
    (hit,) = await other.search("museum")
    await other.forget(hit.memory.id)
    assert await two_clients[0].ids("ann") == set()


async def test_a_server_that_is_not_there_is_named_and_memory_works_by_words(db: Database) -> None:
    vectors = Vectors("http://127.0.0.1:9")
    memories = Memories(db, "ann", vectors, WordVectors())
    await remembered(memories, "The car is in the third row.")
    assert (await memories.search("car"))[0].likeness is None
    assert "http://127.0.0.1:9" in memories.trouble
    with pytest.raises(UnavailableError, match="chroma run"):
        await memories.reindex()
