"""Where an artifact comes from and what was made of it, as a graph of artifacts and of the calls that made them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from memory.artifact_types import ArtifactRef, Lineage
from memory.tables import ArtifactRow, LineageRow

MAX_DEPTH = 50
MAX_ARTIFACTS = 500
"""A graph that would hold more is cut off, and says so."""

#: Ids -> the ids that each leads to.
_Step = Callable[[AsyncSession, str, Collection[str]], Awaitable[dict[str, tuple[str, ...]]]]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ArtifactNode(_Part):
    id: str
    artifact: ArtifactRef | None = Field(description="Missing when it has been deleted.")
    origin: str = Field(description="`upload`, the tool that made it, or `deleted`.")
    call: str | None = Field(description="The call that made it.")


class CallNode(_Part):
    """A call of a tool. ``models`` are ``{"id", "sha256", "revision"}``."""

    id: str
    tool: str
    args: dict[str, Any]
    models: tuple[dict[str, Any], ...]
    seed: int | None
    seconds: float | None = Field(description="How long it had worked when the last of its artifacts was made.")
    replay_of: str | None = Field(description="The artifact that it was to make again.")


class Edge(_Part):
    """From an artifact to the call that used it, or from a call to the artifact that it made."""

    source: str
    target: str


class LineageGraph(_Part):
    """``root`` is the artifact that was asked about. Ancestors and descendants of it are here, each with its call; a
    call's edges lead to artifacts of the graph only. ``truncated``: there are more, farther away.
    """

    root: str
    artifacts: tuple[ArtifactNode, ...]
    calls: tuple[CallNode, ...]
    edges: tuple[Edge, ...]
    truncated: bool


def parents_of(row: ArtifactRow) -> Sequence[LineageRow]:
    """The rows that go with an artifact's own."""
    return [
        LineageRow(child=row.id, parent=parent, owner=row.owner) for parent in dict.fromkeys(row.lineage["parents"])
    ]


async def lineage_graph(session: AsyncSession, owner: str, root: str, *, depth: int) -> LineageGraph:
    """``depth``: how many generations up and down, 1 to `MAX_DEPTH`. The root must be one of the owner's."""
    ids = {root: None}  # ordered: the root, its ancestors from near to far, its descendants from near to far
    truncated = False
    for step in (_parents_of, children_of):
        near: Collection[str] = (root,)
        for generation in range(depth + 1):
            found = await step(session, owner, near)
            near = [id_ for id_ in dict.fromkeys(_flat(found.values())) if id_ not in ids]
            room = MAX_ARTIFACTS - len(ids) if generation < depth else 0
            truncated = truncated or len(near) > room
            near = near[:room]
            if not near:
                break
            ids |= dict.fromkeys(near)
    return await _graph(session, owner, root, tuple(ids), truncated)


async def _parents_of(session: AsyncSession, owner: str, ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    query = select(LineageRow.child, LineageRow.parent).where(LineageRow.owner == owner, LineageRow.child.in_(ids))
    return _grouped(await session.execute(query))


async def children_of(session: AsyncSession, owner: str, ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Oldest first; without those that have none."""
    query = select(LineageRow.parent, LineageRow.child).join(ArtifactRow, ArtifactRow.id == LineageRow.child)
    query = query.where(LineageRow.owner == owner, LineageRow.parent.in_(ids))
    return _grouped(await session.execute(query.order_by(ArtifactRow.created_at, ArtifactRow.id)))


async def parents_of_all(session: AsyncSession, owner: str) -> dict[str, tuple[str, ...]]:
    """Every artifact of the owner with what it was made from."""
    query = select(ArtifactRow.id, LineageRow.parent).where(ArtifactRow.owner == owner)
    return _grouped(await session.execute(query.outerjoin(LineageRow, LineageRow.child == ArtifactRow.id)))


def with_ancestors(ids: Iterable[str], parents: Mapping[str, Collection[str]]) -> set[str]:
    """The ids, what they were made from, what that was made from, and so on."""
    reached: set[str] = set()
    pending = list(ids)
    while pending:
        id_ = pending.pop()
        if id_ not in reached:
            reached.add(id_)
            pending += parents.get(id_, ())
    return reached


async def _graph(session: AsyncSession, owner: str, root: str, ids: tuple[str, ...], truncated: bool) -> LineageGraph:
    query = select(ArtifactRow).where(ArtifactRow.owner == owner, ArtifactRow.id.in_(ids))
    rows = {row.id: row for row in await session.scalars(query)}
    artifacts: list[ArtifactNode] = []
    calls: dict[str, CallNode] = {}
    edges: dict[Edge, None] = {}
    for id_ in ids:
        row = rows.get(id_)
        if row is None:
            artifacts.append(ArtifactNode(id=id_, artifact=None, origin="deleted", call=None))
            continue
        lineage = Lineage.model_validate(row.lineage)
        ref = ArtifactRef.model_validate(row, from_attributes=True)
        call = None if lineage.tool == "upload" else lineage.call or f"call-of-{id_}"
        artifacts.append(ArtifactNode(id=id_, artifact=ref, origin=lineage.tool, call=call))
        if call is None:
            continue
        calls[call] = _merged(calls.get(call), call, lineage)
        edges |= dict.fromkeys(Edge(source=parent, target=call) for parent in lineage.parents if parent in ids)
        edges[Edge(source=call, target=id_)] = None
    return LineageGraph(
        root=root, artifacts=tuple(artifacts), calls=tuple(calls.values()), edges=tuple(edges), truncated=truncated
    )


def _merged(known: CallNode | None, id_: str, lineage: Lineage) -> CallNode:
    """A call's first artifact may have been made before its last model was used."""
    models = [*(known.models if known else ()), *lineage.models]
    return CallNode(
        id=id_,
        tool=lineage.tool,
        args=lineage.args,
        models=tuple(model for number, model in enumerate(models) if model not in models[:number]),
        seed=lineage.seed,
        seconds=max((s for s in (known.seconds if known else None, lineage.seconds) if s is not None), default=None),
        replay_of=lineage.replay_of,
    )


def _grouped(pairs: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    """First -> every second; a first without one is there too."""
    groups: dict[str, list[str]] = {}
    for first, second in pairs:
        groups.setdefault(first, []).extend([] if second is None else [second])
    return {first: tuple(seconds) for first, seconds in groups.items()}


def _flat(groups: Iterable[Iterable[str]]) -> Iterable[str]:
    return (id_ for group in groups for id_ in group)
