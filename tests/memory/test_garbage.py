"""What the collection of garbage removes, and what it never does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_helpers import make_event
from sqlalchemy import update

from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.blobs import LocalBlobs
from memory.chats import Chats
from memory.database import Database
from memory.event_log import EventLog
from memory.events import SpeechMade, ToolArtifact
from memory.garbage import unneeded
from memory.tables import ArtifactRow

NOW = timedelta(0)
WEEK = timedelta(days=7)

#: Begins runs whose messages name artifacts that were there before, and says which these are.
TALK = """
import asyncio, sys
from pathlib import Path
from engines.errors import NotFoundError
from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.blobs import LocalBlobs
from memory.chats import Chats
from memory.database import Database

async def main():
    db = await Database.open(sys.argv[1])
    store, chats = ArtifactStore(db, LocalBlobs(Path(sys.argv[2])), "ada", probe=None), Chats(db, "ada")
    thread = await chats.create_thread()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(25):
        photo = await store.add_bytes(b"photo %d" % number, name="p.txt", kind="text", lineage=Lineage(tool="upload"))
        lineage = Lineage(tool="edit", parents=(photo.id,))
        edited = await store.add_bytes(b"edited %d" % number, name="e.txt", kind="text", lineage=lineage)
        try:
            await store.get(photo.id)  # may have gone before anything named it; from now on the two stay or go together
            run = await chats.start_run(thread.id, "look", [edited.id], model="m")
        except NotFoundError:
            continue
        made = await store.add_bytes(b"made %d" % number, name="m.txt", kind="text", lineage=Lineage(tool="draw"))
        await chats.finish_run(run.id, status="finished", answer="done", artifacts=[made.id])
        print(photo.id, edited.id, made.id, flush=True)
    await db.close()

asyncio.run(main())
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def store(db: Database, root: Path) -> ArtifactStore:
    return ArtifactStore(db, LocalBlobs(root), "ada", probe=None)


async def add(store: ArtifactStore, name: str, *parents: str) -> str:
    lineage = Lineage(tool="edit" if parents else "upload", parents=parents)
    return (await store.add_bytes(name.encode(), name=name, kind="text", lineage=lineage)).id


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def names(store: ArtifactStore) -> list[str]:
    return sorted(ref.name for ref in await store.list())


async def collected(store: ArtifactStore, older_than: timedelta = NOW, **options) -> list[str]:
    return [ref.name for ref in (await store.collect(older_than=older_than, **options)).artifacts]


async def age(db: Database, id_: str, by: timedelta) -> None:
    async with db.transaction() as session:
        changed = update(ArtifactRow).where(ArtifactRow.id == id_).values(created_at=datetime.now(UTC) - by)
        await session.execute(changed)


# ------------------------------------------------------------------------------------------------- what stays


async def test_what_a_message_names_stays_and_so_does_all_it_was_made_from(db: Database, store: ArtifactStore):
    photo = await add(store, "photo")
    cutout = await add(store, "cutout", photo)
    await add(store, "unused child", cutout)
    await add(store, "unused")
    chats = Chats(db, "ada")
    run = await chats.start_run((await chats.create_thread()).id, "hello", model="m")
    await chats.finish_run(run.id, status="finished", answer="here", artifacts=[cutout])
    assert sorted(await collected(store)) == ["unused", "unused child"]
    assert await names(store) == ["cutout", "photo"]


async def test_attachments_and_what_tools_made_on_the_way_stay(db: Database, store: ArtifactStore):
    attached, made = await add(store, "attached"), await add(store, "made")
    await add(store, "unused")
    chats = Chats(db, "ada")
    run = await chats.start_run((await chats.create_thread()).id, "hello", [attached], model="m")
    body = ToolArtifact(call_id="1", artifact=await store.get(made))
    await EventLog(db, "ada").append([make_event(run.id, 0, body)])
    await chats.finish_run(run.id, status="failed")
    assert await collected(store) == ["unused"]


async def test_what_was_spoken_on_the_way_stays(db: Database, store: ArtifactStore):
    spoken = await add(store, "spoken")
    chats = Chats(db, "ada")
    await chats.create_thread("t")
    run = await chats.start_run("t", "read it", model="m")
    await EventLog(db).append([make_event(run.id, 0, SpeechMade(index=0, text="Hi", artifact=await store.get(spoken)))])
    await chats.finish_run(run.id, status="cancelled")
    assert await collected(store) == []


async def test_what_came_since_a_running_turn_began_stays(db: Database, store: ArtifactStore):
    await add(store, "before")
    chats = Chats(db, "ada")
    run = await chats.start_run((await chats.create_thread()).id, "hello", model="m")
    await add(store, "just made")  # its event is not logged yet
    assert await collected(store) == ["before"]
    await chats.finish_run(run.id, status="failed")
    assert await collected(store) == ["just made"]


async def test_a_turn_that_waits_for_approval_keeps_what_it_has(db: Database, store: ArtifactStore):
    attached = await add(store, "attached")
    chats = Chats(db, "ada")
    run = await chats.start_run((await chats.create_thread()).id, "hello", [attached], model="m")
    await chats.pause_run(run.id)
    await add(store, "unused")
    assert await collected(store) == ["unused"]


async def test_what_is_young_stays_and_so_does_all_it_was_made_from(db: Database, store: ArtifactStore):
    photo, other = await add(store, "photo"), await add(store, "other")
    await add(store, "young", photo)
    for id_ in (photo, other):
        await age(db, id_, timedelta(days=8))
    assert await collected(store, WEEK) == ["other"]
    assert await names(store) == ["photo", "young"]


async def test_what_the_caller_knows_to_be_used_stays(store: ArtifactStore):
    photo = await add(store, "photo")
    cutout = await add(store, "cutout", photo)
    await add(store, "unused")
    assert await collected(store, also_kept=[cutout, "gone long ago"]) == ["unused"]


async def test_other_owners_artifacts_stay(db: Database, store: ArtifactStore, root: Path):
    bob = ArtifactStore(db, LocalBlobs(root), "bob", probe=None)
    await add(bob, "bobs")
    assert await collected(store) == []
    assert await names(bob) == ["bobs"]


# ----------------------------------------------------------------------------------------------- what goes, and how


async def test_a_dry_run_says_the_same_and_removes_nothing(store: ArtifactStore, root: Path):
    await add(store, "12345")
    (root / "ab").mkdir()
    (root / "ab" / ("c" * 62)).write_bytes(b"stray")
    would = await store.collect(older_than=NOW, dry_run=True)
    assert await names(store) == ["12345"]
    did = await store.collect(older_than=NOW)
    assert (did.artifacts, did.freed_bytes) == (would.artifacts, would.freed_bytes) == (would.artifacts, 5)
    assert (would.stray_files, did.stray_files) == (0, 1)
    assert files(root) == []


async def test_a_file_that_somebody_else_has_is_not_counted_as_freed(db: Database, store: ArtifactStore, root: Path):
    await add(store, "shared")
    bob = ArtifactStore(db, LocalBlobs(root), "bob", probe=None)
    bobs = await add(bob, "shared")
    assert (await store.collect(older_than=NOW, dry_run=True)).freed_bytes == 0
    assert (await store.collect(older_than=NOW)).freed_bytes == 0
    assert (await bob.path(bobs)).read_bytes() == b"shared"


async def test_many_are_removed_in_pieces_that_a_database_takes(store: ArtifactStore, monkeypatch):
    monkeypatch.setattr("memory.artifact_rows._AT_ONCE", 4)
    ids = [await add(store, f"{number}") for number in range(15)]
    assert len(await collected(store, also_kept=ids[:2])) == 13


async def test_collecting_while_another_process_talks_takes_nothing_that_is_named(
    db: Database, store: ArtifactStore, url: str, root: Path, start_python
):
    talker = start_python(TALK, url, str(root))
    assert talker.stdout.readline() == "ready\n", talker.communicate()
    talk = asyncio.create_task(asyncio.to_thread(talker.communicate, "\n"))
    while not talk.done():
        await store.collect(older_than=NOW)
    said, problems = await talk
    assert (talker.returncode, problems) == (0, "")
    for id_ in said.split():
        assert (await store.path(id_)).is_file()
    await store.collect(older_than=NOW)
    assert sorted(said.split()) == sorted(ref.id for ref in await store.list(limit=1000))


# --------------------------------------------------------------------------------------------------- for any graph


@st.composite
def families(draw: st.DrawFn) -> Mapping[str, list[str]]:
    """Artifacts, each made from some that were there before, and from some that have been deleted."""
    count = draw(st.integers(0, 25))
    parents: dict[str, list[str]] = {}
    for number in range(count):
        before = [*parents, "deleted 1", "deleted 2"]
        parents[f"a{number}"] = draw(st.lists(st.sampled_from(before), max_size=3, unique=True))
    return parents


@given(families(), st.data())
def test_nothing_that_is_kept_loses_what_it_was_made_from(parents: Mapping[str, list[str]], data: st.DataObject):
    kept = data.draw(st.sets(st.sampled_from([*parents, "gone"])))
    removed = unneeded(parents, kept)
    for id_ in set(parents) - removed:
        assert not removed & set(parents[id_])
    assert not removed & kept


@given(families(), st.data())
def test_everything_goes_that_no_path_leads_to(parents: Mapping[str, list[str]], data: st.DataObject):
    kept = data.draw(st.sets(st.sampled_from([*parents, "gone"])))

    def is_needed(id_: str) -> bool:
        return id_ in kept or any(id_ in made_from and is_needed(child) for child, made_from in parents.items())

    assert unneeded(parents, kept) == {id_ for id_ in parents if not is_needed(id_)}
    assert unneeded({id_: parents[id_] for id_ in set(parents) - unneeded(parents, kept)}, kept) == set()
