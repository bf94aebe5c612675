"""Deleting a conversation or a user leaves nothing of them, and everything of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from memory_helpers import make_event
from sqlalchemy import MetaData

from engines.errors import ConflictError, NotFoundError
from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.blobs import LocalBlobs
from memory.blocking import blocking_engine
from memory.chats import Chats
from memory.checkpoints import checkpoint_thread, checkpoints_url, open_checkpointer
from memory.database import Database, parse_url
from memory.erasing import CheckpointsOf, Eraser
from memory.event_log import EventLog
from memory.feedback import Feedback
from memory.turn_locks import TurnLocks
from memory.usage import UsageLog
from memory.users import Users


class Vectors:
    """Notes what it is asked to forget."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    async def forget_thread(self, thread_id: str) -> None:
        self.forgotten.append(thread_id)

    async def forget_all(self) -> None:
        self.forgotten.append("all")


class Person:
    """Somebody with conversations, and everything there is of them."""

    def __init__(self, db: Database, saver: Any, root: Path, owner: str) -> None:
        self.db, self.saver, self.owner, self.vectors = db, saver, owner, Vectors()
        self.chats = Chats(db, owner)
        self.artifacts = ArtifactStore(db, LocalBlobs(root), owner, probe=None)
        self.locks = TurnLocks(root.with_name("locks"))
        self.eraser = Eraser(db, owner, self.artifacts, [CheckpointsOf(saver, owner), self.vectors], self.locks)

    async def keep(self, content: bytes, *parents: str) -> str:
        made = Lineage(tool="upload", parents=parents)
        return (await self.artifacts.add_bytes(content, name="n.txt", lineage=made, kind="text")).id

    async def talk(self, thread: str, *attachments: str) -> None:
        await Users(self.db).ensure(self.owner)
        await self.chats.ensure_thread(thread)
        run = await self.chats.start_run(thread, f"{self.owner} in {thread}", attachments, model="m")
        await EventLog(self.db).append([make_event(run.id, 0)])
        await self.chats.finish_run(run.id, status="finished", answer="Done.")
        await Feedback(self.db, self.owner).give(run.id, "up")
        await UsageLog(self.db, self.owner).keep(run.id, "m", prompt_tokens=1)
        builder = StateGraph(dict)
        builder.add_node("work", lambda state: state)
        builder.add_edge(START, "work")
        builder.add_edge("work", END)
        graph = builder.compile(checkpointer=self.saver)
        await graph.ainvoke({"of": thread}, {"configurable": {"thread_id": checkpoint_thread(self.owner, thread)}})


@pytest.fixture
async def saver(url: str) -> AsyncIterator[Any]:
    async with open_checkpointer(url) as opened:
        yield opened


@pytest.fixture
def ada(db: Database, saver: Any, tmp_path: Path) -> Person:
    return Person(db, saver, tmp_path / "artifacts", "ada")


@pytest.fixture
def bob(db: Database, saver: Any, tmp_path: Path) -> Person:
    return Person(db, saver, tmp_path / "artifacts", "bob")


def everything(url: str) -> str:
    """Every row of both databases, as one text."""
    found = []
    for where in {parse_url(url), checkpoints_url(url)}:
        with blocking_engine(where).begin() as connection:
            metadata = MetaData()
            metadata.reflect(connection)
            found += [row for table in metadata.tables.values() for row in connection.execute(table.select())]
    return "\n".join(map(repr, found))


def files(root: Path) -> set[bytes]:
    return {path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_a_conversation_goes_with_all_that_only_it_has(ada: Person, bob: Person, url: str, tmp_path: Path):
    only, both = await ada.keep(b"only here"), await ada.keep(b"in both")
    await ada.talk("secret-work", only, both)
    await ada.talk("other", both)
    await bob.talk("secret-work")
    await ada.eraser.thread("secret-work")

    assert ada.vectors.forgotten == ["secret-work"]
    left = everything(url)
    assert "ada in secret-work" not in left
    assert "ada:secret-work" not in left
    assert "ada:other" in left
    assert "bob in secret-work" in left
    assert "bob:secret-work" in left
    assert files(tmp_path / "artifacts") == {b"in both"}
    assert len(await Feedback(ada.db, "ada").list()) == 1
    with pytest.raises(NotFoundError):
        await ada.eraser.thread("secret-work")


async def test_a_user_goes_with_everything_but_the_files_of_others(ada: Person, bob: Person, url: str, tmp_path: Path):
    mine, shared, bobs = await ada.keep(b"mine"), await ada.keep(b"shared"), await bob.keep(b"shared")
    await ada.keep(b"attached nowhere", mine)
    for number in range(3):
        await ada.talk(f"talk-{number}", mine, shared)
    await bob.talk("talk-0", bobs)
    await Users(ada.db).choose("ada", {"model": "ada's model"})
    await ada.eraser.user()

    assert "ada" not in everything(url)
    assert sorted(ada.vectors.forgotten) == ["all", "talk-0", "talk-1", "talk-2"]
    assert files(tmp_path / "artifacts") == {b"shared"}
    assert (await bob.artifacts.path(bobs)).is_file()
    assert [m.text for m in await bob.chats.messages("talk-0")] == ["bob in talk-0", "Done."]
    assert [user.id for user in await Users(bob.db).list()] == ["bob"]


async def test_what_was_stopped_half_way_is_deleted_the_second_time(ada: Person, url: str):
    class Broken(Vectors):
        async def forget_thread(self, thread_id: str) -> None:
            raise ConnectionError

    await ada.talk("work")
    eraser = Eraser(ada.db, "ada", ada.artifacts, [CheckpointsOf(ada.saver, "ada"), Broken()], ada.locks)
    with pytest.raises(ConnectionError):
        await eraser.thread("work")
    assert [thread.id for thread in await ada.chats.threads()] == ["work"]
    await ada.eraser.thread("work")
    assert "ada:work" not in everything(url)
    assert await ada.chats.threads() == []


async def test_a_conversation_that_is_being_answered_is_not_deleted(ada: Person, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("memory.turn_locks._PATIENCE_SECONDS", 0.1)
    await ada.talk("work")
    async with ada.locks.of("work"):
        with pytest.raises(ConflictError, match="being answered"):
            await ada.eraser.thread("work")
    assert ada.vectors.forgotten == []
    await ada.eraser.thread("work")


async def test_no_lock_is_left_of_a_conversation(ada: Person, tmp_path: Path):
    await ada.talk("work")
    async with ada.locks.of("work"):
        assert list((tmp_path / "locks").iterdir()) != []
    await ada.eraser.thread("work")
    assert list((tmp_path / "locks").iterdir()) == []


async def test_nobody_attaches_what_is_going_with_a_conversation(ada: Person, monkeypatch: pytest.MonkeyPatch):
    picture = await ada.keep(b"picture")
    await ada.talk("work", picture)
    await ada.chats.create_thread("other")
    remove_files = ada.artifacts.remove_files

    async def attach_first(hashes: Any) -> None:
        with pytest.raises(NotFoundError):
            await ada.chats.start_run("other", "look again", [picture], model="m")
        await remove_files(hashes)

    monkeypatch.setattr(ada.artifacts, "remove_files", attach_first)
    await ada.eraser.thread("work")
    assert await ada.chats.messages("other") == []
