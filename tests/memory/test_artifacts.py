from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import memory.blobs
import memory.receiving
from engines.errors import InputError, MediaError, NotFoundError, SensoriumError
from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.blobs import LocalBlobs
from memory.database import Database

UPLOAD = Lineage(tool="upload")

#: Takes the same bytes in and deletes them again, many times.
CHURN = """
import asyncio, sys
from pathlib import Path
from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.blobs import LocalBlobs
from memory.database import Database

async def main():
    db = await Database.open(sys.argv[1])
    store = ArtifactStore(db, LocalBlobs(Path(sys.argv[2])), "ada", probe=None)
    for _ in range(40):
        ref = await store.add_bytes(b"the same", name="n.txt", lineage=Lineage(tool="upload"), kind="text")
        assert (await store.path(ref.id)).read_bytes() == b"the same"
        await store.delete(ref.id)
    await db.close()

asyncio.run(main())
"""

#: Dies after the file is in place and before its row is.
CRASH = """
import asyncio, os, signal, sys
from pathlib import Path
import memory.blobs as blobs
from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.database import Database

in_place = blobs.put_in_place

def die(incoming, target):
    in_place(incoming, target)
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    blobs.put_in_place = die
    db = await Database.open(sys.argv[1])
    store = ArtifactStore(db, blobs.LocalBlobs(Path(sys.argv[2])), "ada", probe=None)
    await store.add_bytes(b"halfway", name="n.txt", lineage=Lineage(tool="upload"), kind="text")

asyncio.run(main())
"""


def probe(path: Path, name: str) -> SimpleNamespace:
    """Reads like the real one: the bytes decide, not the name."""
    data = path.read_bytes()
    if data.startswith(b"PNG"):
        return SimpleNamespace(kind="image", mime="image/png", width=4, height=3, seconds=None)
    if data.startswith(b"WAV"):
        return SimpleNamespace(kind="audio", mime="audio/wav", width=None, height=None, seconds=1.5)
    raise MediaError(f"{name} can't be read.")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def store(db: Database, root: Path) -> ArtifactStore:
    return ArtifactStore(db, LocalBlobs(root), "ada", probe=probe, max_bytes=5_000_000)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def place(data: bytes) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    return f"{sha256[:2]}/{sha256[2:]}"


# --------------------------------------------------------------------------------------------------------- adding


async def test_a_file_is_copied_hashed_and_described(store: ArtifactStore, root: Path, tmp_path: Path):
    data = b"PNG" + os.urandom(3_000_000)
    source = tmp_path / "holiday.png"
    source.write_bytes(data)
    ref = await store.add_file(source, lineage=UPLOAD)
    assert (ref.kind, ref.mime, ref.name, ref.bytes) == ("image", "image/png", "holiday.png", len(data))
    assert (ref.width, ref.height, ref.seconds) == (4, 3, None)
    assert ref.sha256 == hashlib.sha256(data).hexdigest()
    assert files(root) == [place(data)]
    assert (await store.path(ref.id)).read_bytes() == data
    assert source.read_bytes() == data
    assert await store.get(ref.id) == ref


async def test_sound_has_seconds(store: ArtifactStore):
    ref = await store.add_bytes(b"WAV...", name="a.wav", lineage=UPLOAD)
    assert (ref.kind, ref.seconds, ref.width) == ("audio", 1.5, None)


async def test_whoever_knows_better_names_the_kind(store: ArtifactStore):
    mask = await store.add_bytes(b"PNG mask", name="mask.png", lineage=UPLOAD, kind="mask")
    assert (mask.kind, mask.mime, mask.width) == ("mask", "image/png", 4)


@pytest.mark.parametrize(
    ("kind", "mime"),
    [("boxes", "application/json"), ("text", "text/plain"), ("embedding", "application/octet-stream")],
)
async def test_what_no_media_library_reads_is_not_probed(store: ArtifactStore, kind, mime: str):
    ref = await store.add_bytes(b"[]", name="boxes", lineage=UPLOAD, kind=kind)
    assert (ref.kind, ref.mime) == (kind, mime)
    other = await store.add_bytes(b"[]", name="boxes", lineage=UPLOAD, kind=kind, mime="text/markdown")
    assert other.mime == "text/markdown"


async def test_lineage_comes_back(store: ArtifactStore):
    lineage = Lineage(
        tool="upscale", args={"scale": 4, "of": ["a"]}, models=({"id": "m", "sha256": "0"},), seed=7, parents=("a", "b")
    )
    ref = await store.add_bytes(b"PNG", name="a.png", lineage=lineage)
    assert await store.lineage(ref.id) == lineage


async def test_the_same_bytes_are_stored_once(db: Database, store: ArtifactStore, root: Path):
    first = await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    second = await store.add_bytes(b"PNG", name="b.png", lineage=UPLOAD)
    others = await ArtifactStore(db, LocalBlobs(root), "bob", probe=probe).add_bytes(
        b"PNG", name="c.png", lineage=UPLOAD
    )
    assert len({first.id, second.id, others.id}) == 3
    assert files(root) == [place(b"PNG")]


async def test_many_uploads_at_once_are_all_there(store: ArtifactStore, root: Path):
    contents = [b"PNG%d" % (number % 5) for number in range(30)]
    refs = await asyncio.gather(*(store.add_bytes(data, name="a.png", lineage=UPLOAD) for data in contents))
    assert [(await store.path(ref.id)).read_bytes() for ref in refs] == contents
    assert files(root) == sorted({place(data) for data in contents})


async def test_a_damaged_file_is_mended_when_its_bytes_come_again(store: ArtifactStore):
    path = await store.path((await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)).id)
    path.write_bytes(b"P")
    await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    assert path.read_bytes() == b"PNG"


# --------------------------------------------------------------------------------------------------------- refusing


async def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(store: ArtifactStore, root: Path):
    await store.add_bytes(b"PNG" + bytes(5_000_000 - 3), name="just.png", lineage=UPLOAD)
    kept = files(root)
    with pytest.raises(InputError, match=r"big\.png is larger than 5 MB"):
        await store.add_bytes(b"PNG" + bytes(5_000_000 - 2), name="big.png", lineage=UPLOAD)
    assert files(root) == kept


async def test_a_file_that_can_not_be_read_as_media_leaves_nothing(store: ArtifactStore, root: Path):
    with pytest.raises(MediaError, match="evil"):
        await store.add_bytes(b"#!/bin/sh", name="evil.png", lineage=UPLOAD)
    assert files(root) == []
    assert await store.list() == ()


@pytest.mark.parametrize("name", ["missing.png", "."])
async def test_a_file_that_is_not_there_is_an_input_error(store: ArtifactStore, tmp_path: Path, name: str):
    with pytest.raises(InputError, match="can't be read"):
        await store.add_file(tmp_path / name, lineage=UPLOAD)


async def test_a_full_disk_is_said_so_and_leaves_nothing(store: ArtifactStore, root: Path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(memory.receiving.os, "fsync", full)
        with pytest.raises(SensoriumError, match=r"no room left on the disk to store a\.png"):
            await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    assert files(root) == []
    assert await store.list() == ()
    await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)


async def test_a_disk_that_fills_up_when_the_file_is_put_in_place_leaves_neither_file_nor_row(
    store: ArtifactStore, root: Path, monkeypatch
):
    in_place = memory.blobs.put_in_place

    def full(incoming: Path, target: Path) -> None:
        in_place(incoming, target)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(memory.blobs, "put_in_place", full)
    with pytest.raises(SensoriumError, match="no room left"):
        await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    assert files(root) == []
    assert await store.list() == ()


async def test_a_row_that_can_not_be_written_takes_its_file_along(db: Database, store: ArtifactStore, root: Path):
    async with db.transaction() as session:
        await session.execute(text("CREATE UNIQUE INDEX one_each ON artifacts (owner)"))
    await store.add_bytes(b"first", name="a.txt", lineage=UPLOAD, kind="text")
    before = files(root)
    with pytest.raises(IntegrityError):
        await store.add_bytes(b"second", name="b.txt", lineage=UPLOAD, kind="text")
    assert files(root) == before


async def test_a_cancelled_upload_leaves_nothing(db: Database, root: Path):
    looking, go_on = threading.Event(), threading.Event()

    def slow(path: Path, name: str) -> SimpleNamespace:
        looking.set()
        go_on.wait()
        return probe(path, name)

    store = ArtifactStore(db, LocalBlobs(root), "ada", probe=slow)
    task = asyncio.create_task(store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD))
    await asyncio.to_thread(looking.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert files(root) == []
    assert await store.list() == ()


# ------------------------------------------------------------------------------------------------- owners and lists


async def test_other_owners_artifacts_are_not_there(db: Database, store: ArtifactStore, root: Path):
    ref = await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    bob = ArtifactStore(db, LocalBlobs(root), "bob", probe=probe)
    await bob.add_bytes(b"PNG", name="same bytes.png", lineage=UPLOAD)
    for attempt in (bob.get(ref.id), bob.path(ref.id), bob.lineage(ref.id), bob.delete(ref.id)):
        with pytest.raises(NotFoundError):
            await attempt
    assert [found.name for found in await bob.list()] == ["same bytes.png"]
    assert await store.get(ref.id) == ref


async def test_the_list_is_newest_first_and_may_be_of_one_kind(store: ArtifactStore):
    for name, data in (("1", b"PNG"), ("2", b"WAV"), ("3", b"PNG!")):
        await store.add_bytes(data, name=name, lineage=UPLOAD)
    assert [ref.name for ref in await store.list()] == ["3", "2", "1"]
    assert [ref.name for ref in await store.list(kind="image")] == ["3", "1"]
    assert [ref.name for ref in await store.list(limit=1)] == ["3"]


# -------------------------------------------------------------------------------------------------------- removing


async def test_a_file_goes_with_its_last_row(db: Database, store: ArtifactStore, root: Path):
    mine = await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    bob = ArtifactStore(db, LocalBlobs(root), "bob", probe=probe)
    bobs = await bob.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    await store.delete(mine.id)
    assert (await bob.path(bobs.id)).read_bytes() == b"PNG"
    await bob.delete(bobs.id)
    assert files(root) == []
    with pytest.raises(NotFoundError):
        await bob.delete(bobs.id)


async def test_a_file_somebody_removed_by_hand_is_reported_and_its_row_can_go(store: ArtifactStore):
    ref = await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    (await store.path(ref.id)).unlink()
    with pytest.raises(NotFoundError, match="gone from the disk"):
        await store.path(ref.id)
    await store.delete(ref.id)
    assert await store.list() == ()


async def test_two_processes_that_add_and_delete_the_same_bytes_never_lose_a_file(url: str, root: Path, start_python):
    processes = [start_python(CHURN, url, str(root)) for _ in range(2)]
    results = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in processes))
    assert [(process.returncode, err) for process, (_, err) in zip(processes, results, strict=True)] == [(0, "")] * 2
    assert files(root) == []


async def test_a_crash_between_file_and_row_leaves_no_row_and_a_sweep_removes_the_file(
    db: Database, store: ArtifactStore, url: str, root: Path, start_python
):
    kept = await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    process = start_python(CRASH, url, str(root))
    await asyncio.to_thread(process.communicate)
    assert files(root) == sorted([place(b"halfway"), place(b"PNG")])
    assert await store.list() == (kept,)

    assert await store.sweep() == 1
    assert files(root) == [place(b"PNG")]
    assert await store.sweep() == 0


async def test_a_sweep_removes_uploads_given_up_long_ago_and_not_those_under_way(store: ArtifactStore, root: Path):
    await store.add_bytes(b"PNG", name="a.png", lineage=UPLOAD)
    old, new = root / ".incoming" / "old", root / ".incoming" / "new"
    for path in (old, new):
        path.write_bytes(b"part")
    os.utime(old, (0, 0))
    assert await store.sweep() == 1
    assert files(root) == sorted([".incoming/new", place(b"PNG")])


async def test_sweeping_before_anything_was_stored_is_no_error(store: ArtifactStore):
    assert await store.sweep() == 0


# ----------------------------------------------------------------------------------------------------------- names


async def test_a_hostile_name_changes_nothing_but_the_name(store: ArtifactStore, root: Path):
    ref = await store.add_bytes(b"PNG", name="../../etc/pass\u202ewd\n.png", lineage=UPLOAD)
    assert ref.name == "passwd.png"
    assert files(root) == [place(b"PNG")]
