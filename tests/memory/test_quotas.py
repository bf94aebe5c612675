"""How much an owner may keep."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engines.errors import QuotaError
from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.blobs import LocalBlobs
from memory.database import Database
from memory.quotas import Quota, Usage

UPLOAD = Lineage(tool="upload")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def make(db: Database, root: Path, quota: Quota, owner: str = "ada") -> ArtifactStore:
    return ArtifactStore(db, LocalBlobs(root), owner, probe=None, quota=quota)


async def add(store: ArtifactStore, data: bytes, name: str = "n.txt") -> str:
    return (await store.add_bytes(data, name=name, kind="text", lineage=UPLOAD)).id


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def test_more_bytes_than_allowed_are_refused_and_leave_nothing(db: Database, root: Path):
    store = make(db, root, Quota(bytes=2_500_000))
    await add(store, b"a" * 1_500_000)
    with pytest.raises(QuotaError, match=r"big\.txt \(1\.2 MB\) .* artifacts take 1\.5 MB of the 2\.5 MB"):
        await add(store, b"b" * 1_200_000, "big.txt")
    assert await store.usage() == Usage(artifacts=1, bytes=1_500_000)
    assert len(files(root)) == 1
    await add(store, b"c" * 1_000_000)


async def test_more_files_than_allowed_are_refused_until_one_goes(db: Database, root: Path):
    store = make(db, root, Quota(artifacts=2))
    first = await add(store, b"1")
    await add(store, b"2")
    with pytest.raises(QuotaError, match="2 artifacts are kept, and 2 are allowed") as refused:
        await add(store, b"3")
    assert "sensorium artifacts gc" in refused.value.fix
    await store.delete(first)
    await add(store, b"3")


async def test_the_same_file_again_costs_no_room(db: Database, root: Path):
    store = make(db, root, Quota(bytes=15))
    await add(store, b"0123456789")
    await add(store, b"0123456789")
    assert await store.usage() == Usage(artifacts=2, bytes=10)


async def test_each_owner_has_room_of_their_own(db: Database, root: Path):
    await add(make(db, root, Quota(artifacts=1)), b"mine")
    await add(make(db, root, Quota(artifacts=1), owner="bob"), b"mine")
    assert await make(db, root, Quota(), owner="eve").usage() == Usage(0, 0)


async def test_of_many_at_once_no_more_than_allowed_get_in(db: Database, root: Path):
    stores = [make(db, root, Quota(artifacts=5, bytes=35)) for _ in range(3)]
    attempts = (add(stores[number % 3], b"%010d" % number) for number in range(15))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 3
    assert all(isinstance(outcome, str | QuotaError) for outcome in outcomes)
    assert await stores[0].usage() == Usage(artifacts=3, bytes=30)
    assert len(files(root)) == 3


async def test_room_can_be_asked_for_before_long_work(db: Database, root: Path):
    store = make(db, root, Quota(artifacts=1))
    await store.check_room("a picture")
    await add(store, b"1")
    with pytest.raises(QuotaError, match="a picture can't be stored"):
        await store.check_room("a picture")
