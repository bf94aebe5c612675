"""The same behaviour wherever the files lie: in a folder, in S3 (a real server on loopback), in any fsspec store."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from fsspec.registry import _registry
from s3_server import KEYS, new_bucket, s3_server

from engines.errors import InputError, MissingExtraError, NotFoundError, SensoriumError, UnavailableError
from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.blob_cache import BlobCache
from memory.blobs import Blobs
from memory.database import Database
from memory.remote_blobs import open_blobs

UPLOAD = Lineage(tool="upload")

#: Takes the same bytes in and deletes them again, many times, in a store that is not local.
CHURN = """
import asyncio, sys
from pathlib import Path
from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.blob_cache import BlobCache
from memory.database import Database
from memory.remote_blobs import open_blobs

async def main():
    url, place, endpoint, folder = sys.argv[1:]
    db = await Database.open(url)
    blobs = open_blobs(place, Path(folder), BlobCache(Path(folder), max_bytes=1), endpoint=endpoint)
    store = ArtifactStore(db, blobs, "ada", probe=None)
    for _ in range(10):
        ref = await store.add_bytes(b"the same", name="n.txt", lineage=Lineage(tool="upload"), kind="text")
        assert (await store.path(ref.id)).read_bytes() == b"the same"
        await store.delete(ref.id)
    await db.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def s3_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    address = request.getfixturevalue("s3")
    return SimpleNamespace(url=f"s3://{new_bucket(address)}/media", endpoint=address)


@pytest.fixture(params=["local", "s3", "memory"])
def place(request: pytest.FixtureRequest) -> SimpleNamespace:
    if request.param == "s3":
        return request.getfixturevalue("s3_place")
    return SimpleNamespace(url=f"memory://{uuid4().hex}" if request.param == "memory" else None, endpoint=None)


Opener = Callable[..., Blobs]


@pytest.fixture
def machine(tmp_path: Path, place: SimpleNamespace) -> Opener:
    """The store as a machine sees it: each has a cache of its own, a local folder is shared."""

    def opened(name: str = "one", **cache: float) -> Blobs:
        kept = BlobCache(tmp_path / name, **({"max_bytes": 10_000_000} | cache))
        return open_blobs(place.url, tmp_path / "artifacts", kept, endpoint=place.endpoint)

    return opened


@pytest.fixture
def make(db: Database, machine: Opener) -> Callable[..., ArtifactStore]:
    def made(name: str = "one", owner: str = "ada", **cache: float) -> ArtifactStore:
        return ArtifactStore(db, machine(name, **cache), owner, probe=None)

    return made


async def add(store: ArtifactStore, data: bytes) -> str:
    return (await store.add_bytes(data, name="n.txt", kind="text", lineage=UPLOAD)).id


async def test_what_one_machine_puts_in_another_reads(make):
    data = os.urandom(3_000_000)
    id_ = await add(make("one"), data)
    assert (await make("one").path(id_)).read_bytes() == data
    assert (await make("two").path(id_)).read_bytes() == data


async def test_the_same_bytes_are_stored_once_and_go_with_their_last_row(make, machine):
    mine, bobs = await add(make(), b"same"), await add(make(owner="bob"), b"same")
    assert len(list(machine().hashes())) == 1
    await make().delete(mine)
    assert (await make("two", owner="bob").path(bobs)).read_bytes() == b"same"
    await make(owner="bob").delete(bobs)
    assert list(machine().hashes()) == []
    with pytest.raises(NotFoundError):
        await make(owner="bob").path(bobs)


async def test_a_sweep_removes_files_without_a_row_and_nothing_else(make, machine, tmp_path: Path):
    kept = await add(make(), b"kept")
    stray = tmp_path / "stray"
    stray.write_bytes(b"stray")
    blobs, sha256 = machine(), "ab" * 32
    blobs.incoming.mkdir(parents=True, exist_ok=True)
    stray = stray.rename(blobs.incoming / "stray")
    blobs.prepare(stray, sha256)
    assert blobs.keep(stray, sha256)
    assert await make().sweep() == 1
    assert await make().sweep() == 0
    assert (await make("two").path(kept)).read_bytes() == b"kept"


async def test_a_file_that_is_gone_is_reported_and_its_row_can_go(make, machine):
    id_ = await add(make(), b"here")
    machine().remove((await make().get(id_)).sha256)
    with pytest.raises(NotFoundError, match="is gone"):
        await make().path(id_)
    await make().delete(id_)
    assert await make().list() == ()


@pytest.mark.parametrize("removals", [1, 3, 20])
async def test_a_file_removed_between_upload_and_row_is_brought_in_again(
    make, db: Database, monkeypatch: pytest.MonkeyPatch, removals: int
):
    store, left = make(), removals
    blobs, prepare, loop = type(store._blobs), type(store._blobs).prepare, asyncio.get_running_loop()

    async def remove(self: Blobs, sha256: str) -> None:  # as a sweep of another process would
        async with db.transaction() as session:
            await db.alone(session, f"file:{sha256}")
            self.remove(sha256)

    def prepare_and_lose(self: Blobs, incoming: Path, sha256: str) -> None:
        nonlocal left
        prepare(self, incoming, sha256)
        if left:
            left -= 1
            removal = asyncio.run_coroutine_threadsafe(remove(self, sha256), loop)
            with suppress(TimeoutError):  # then the sweep waits for its turn, and comes too late
                removal.result(1)
            removal.cancel()

    monkeypatch.setattr(blobs, "prepare", prepare_and_lose)
    id_ = await add(store, b"contested")
    assert (await make("two").path(id_)).read_bytes() == b"contested"


# ---------------------------------------------------------------------------------------------- stores elsewhere


elsewhere = pytest.mark.parametrize("place", ["s3", "memory"], indirect=True)


@elsewhere
async def test_a_copy_is_made_once(make, machine):
    id_ = await add(make("one"), b"copied")
    store = make("two")
    first = await store.path(id_)
    store._blobs._system.rm_file(store._blobs._key((await store.get(id_)).sha256))  # nothing to fetch any more
    assert await store.path(id_) == first


@elsewhere
async def test_a_damaged_copy_is_fetched_again(make):
    id_ = await add(make(), b"whole")
    path = await make().path(id_)
    path.write_bytes(b"who")
    assert (await make().path(id_)).read_bytes() == b"whole"


@elsewhere
async def test_bytes_that_are_not_the_ones_stored_are_refused(make, tmp_path: Path):
    store = make("one")
    id_ = await add(store, b"right")
    store._blobs._system.pipe_file(store._blobs._key((await store.get(id_)).sha256), b"wrong")
    with pytest.raises(SensoriumError, match="is damaged"):
        await make("two").path(id_)
    assert [path for path in (tmp_path / "two").rglob("*") if path.is_file() and ".lock" not in path.name] == []


@elsewhere
async def test_an_upload_that_broke_off_is_replaced_when_the_bytes_come_again(make):
    store = make("one")
    id_ = await add(store, b"complete")
    store._blobs._system.pipe_file(store._blobs._key((await store.get(id_)).sha256), b"comp")
    await add(store, b"complete")
    assert (await make("two").path(id_)).read_bytes() == b"complete"


@elsewhere
async def test_copies_give_way_to_later_ones_unless_they_were_just_used(make, tmp_path: Path):
    ids = [await add(make("one"), bytes([n]) * 1000) for n in range(4)]
    small = make("two", max_bytes=2500, in_use_seconds=60)
    paths = [await small.path(id_) for id_ in ids[:3]]
    assert all(path.exists() for path in paths)  # over the size, but somebody may be about to read them
    os.utime(paths[0], (1000, 1000))
    os.utime(paths[1], (2000, 2000))
    await small.path(ids[0])  # used again: now the second is the oldest
    await small.path(ids[3])
    assert [path.exists() for path in paths] == [True, False, True]
    assert (await small.path(ids[1])).read_bytes() == bytes([1]) * 1000


@elsewhere
async def test_many_that_want_the_same_file_get_it(make, tmp_path: Path):
    data = os.urandom(200_000)
    id_ = await add(make("one"), data)
    paths = await asyncio.gather(*(make("two").path(id_) for _ in range(6)))
    assert {path.read_bytes() for path in paths} == {data}


async def test_two_processes_that_add_and_delete_the_same_bytes_never_lose_a_file(
    url: str, s3_place: SimpleNamespace, tmp_path: Path, db: Database, start_python
):
    processes = [
        start_python(CHURN, url, s3_place.url, s3_place.endpoint, str(tmp_path / name)) for name in ("one", "two")
    ]
    results = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in processes))
    assert [(process.returncode, err) for process, (_, err) in zip(processes, results, strict=True)] == [(0, "")] * 2
    blobs = open_blobs(s3_place.url, tmp_path, BlobCache(tmp_path / "c", max_bytes=1), endpoint=s3_place.endpoint)
    assert list(blobs.hashes()) == []


async def test_a_bucket_that_is_not_there_and_a_server_that_is_not_there_are_said_so(
    db: Database, s3_place: SimpleNamespace, tmp_path: Path
):
    cache = BlobCache(tmp_path / "cache", max_bytes=1)
    for url, endpoint in (("s3://no-such-bucket/media", s3_place.endpoint), (s3_place.url, "http://127.0.0.1:9")):
        store = ArtifactStore(db, open_blobs(url, tmp_path, cache, endpoint=endpoint), "ada", probe=None)
        with pytest.raises(UnavailableError, match="SENSORIUM_ARTIFACTS_URL"):
            await add(store, b"lost")
        assert await store.list() == ()
    assert list((tmp_path / "cache").rglob("*.*")) == [tmp_path / "cache" / ".incoming"]


@pytest.mark.parametrize("url", ["s3://", "nothing-known://bucket/x", "memory://"])
def test_a_place_that_can_not_be_used_is_refused(url: str, tmp_path: Path):
    with pytest.raises(InputError, match="s3://bucket/folder"):
        open_blobs(url, tmp_path, BlobCache(tmp_path, max_bytes=1))


def test_without_its_package_s3_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)  # it remembers what it has imported
    with pytest.raises(MissingExtraError, match=r"sensorium\[s3\]"):
        open_blobs("s3://bucket/media", tmp_path, BlobCache(tmp_path, max_bytes=1))
