"""Where artifacts come from, as a graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from engines.errors import NotFoundError
from memory.artifact_types import Lineage
from memory.artifacts import ArtifactStore
from memory.blobs import LocalBlobs
from memory.database import Database
from memory.lineage_graph import MAX_ARTIFACTS, LineageGraph


@pytest.fixture
def store(db: Database, tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(db, LocalBlobs(tmp_path / "artifacts"), "ada", probe=None)


async def upload(store: ArtifactStore, name: str) -> str:
    return (await store.add_bytes(name.encode(), name=name, kind="text", lineage=Lineage(tool="upload"))).id


async def make(store: ArtifactStore, name: str, *parents: str, **lineage) -> str:
    made = Lineage(**({"tool": "edit", "call": f"call {name}", "parents": parents} | lineage))
    return (await store.add_bytes(name.encode(), name=name, kind="text", lineage=made)).id


def names(graph: LineageGraph) -> list[str]:
    return sorted(node.artifact.name for node in graph.artifacts if node.artifact)


async def test_an_upload_nothing_was_made_of_stands_alone(store: ArtifactStore):
    root = await upload(store, "photo")
    graph = await store.graph(root)
    assert [(node.id, node.origin, node.call) for node in graph.artifacts] == [(root, "upload", None)]
    assert (graph.calls, graph.edges, graph.truncated) == ((), (), False)


async def test_a_call_says_how_it_worked_and_stands_between_what_it_used_and_made(store: ArtifactStore):
    photo = await upload(store, "photo")
    model = {"id": "u2net", "sha256": "ab", "revision": ""}
    cutout = await make(
        store, "cutout", photo, tool="segment", args={"target": "cat"}, models=[model], seed=7, seconds=1.5
    )
    graph = await store.graph(cutout)
    (call,) = graph.calls
    assert (call.tool, call.args, call.models, call.seed, call.seconds) == (
        "segment",
        {"target": "cat"},
        (model,),
        7,
        1.5,
    )
    assert [(edge.source, edge.target) for edge in graph.edges] == [(photo, call.id), (call.id, cutout)]


async def test_artifacts_of_one_call_share_it(store: ArtifactStore):
    photo = await upload(store, "photo")
    one, other = {"id": "sees"}, {"id": "draws"}
    await make(store, "mask", photo, call="c", models=[one], seconds=1)
    await make(store, "shown", photo, call="c", models=[one, other], seconds=2)
    graph = await store.graph(photo)
    assert names(graph) == ["mask", "photo", "shown"]
    ((id_, models, seconds),) = [(call.id, call.models, call.seconds) for call in graph.calls]
    assert (id_, models, seconds) == ("c", (one, other), 2)
    assert [(edge.source, edge.target) for edge in graph.edges].count((photo, "c")) == 1


async def test_both_directions_are_followed_and_side_branches_are_not(store: ArtifactStore):
    photo = await upload(store, "photo")
    middle = await make(store, "middle", photo)
    await make(store, "beside", photo)
    child = await make(store, "child", middle, await upload(store, "other"))
    await make(store, "grandchild", child)
    graph = await store.graph(middle)
    assert names(graph) == ["child", "grandchild", "middle", "photo"]
    nearer = await store.graph(middle, depth=1)
    assert names(nearer) == ["child", "middle", "photo"]
    assert (graph.truncated, nearer.truncated) == (False, True)


async def test_a_diamond_holds_each_artifact_once(store: ArtifactStore):
    top = await upload(store, "top")
    bottom = await make(store, "bottom", await make(store, "left", top), await make(store, "right", top))
    graph = await store.graph(bottom)
    assert names(graph) == ["bottom", "left", "right", "top"]
    assert len(graph.edges) == len(set(graph.edges)) == 7


async def test_a_deleted_parent_is_still_named(store: ArtifactStore):
    photo = await upload(store, "photo")
    cutout = await make(store, "cutout", photo)
    await store.delete(photo)
    graph = await store.graph(cutout)
    assert [(node.id, node.origin, node.artifact is None) for node in graph.artifacts] == [
        (cutout, "edit", False),
        (photo, "deleted", True),
    ]
    assert [(edge.source, edge.target) for edge in graph.edges] == [(photo, "call cutout"), ("call cutout", cutout)]


async def test_a_graph_that_is_too_large_is_cut_and_says_so(store: ArtifactStore, monkeypatch):
    monkeypatch.setattr("memory.lineage_graph.MAX_ARTIFACTS", 4)
    assert MAX_ARTIFACTS == 500
    photo = await upload(store, "photo")
    for number in range(6):
        await make(store, f"{number}", photo)
    graph = await store.graph(photo)
    assert len(graph.artifacts) == 4
    assert graph.truncated


async def test_a_lineage_that_goes_round_in_a_circle_ends(store: ArtifactStore):
    """No tool makes one; a database restored from parts might hold one."""
    first = await make(store, "first", "0" * 32)
    second = await make(store, "second", first, "1" * 32)
    looped = await make(store, "looped", second, first)
    assert len((await store.graph(looped, depth=50)).artifacts) == 5


async def test_another_owners_artifacts_are_not_there(store: ArtifactStore, db: Database, tmp_path: Path):
    bob = ArtifactStore(db, LocalBlobs(tmp_path / "artifacts"), "bob", probe=None)
    mine = await upload(store, "mine")
    with pytest.raises(NotFoundError):
        await bob.graph(mine)
    bobs = await make(bob, "bobs", mine)
    assert [node.origin for node in (await bob.graph(bobs)).artifacts] == ["edit", "deleted"]
    assert names(await store.graph(mine)) == ["mine"]


@pytest.mark.parametrize("given", ["child", "parent"])
async def test_both_directions_are_looked_up_by_an_index(sqlite_url: str, given: str):
    db = await Database.open(sqlite_url)
    async with db.session() as session:
        plan = await session.execute(text(f"EXPLAIN QUERY PLAN SELECT * FROM lineage WHERE {given} = 'x'"))
        assert f"({given}=?)" in str(plan.all())
    await db.close()
