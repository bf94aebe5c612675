"""Drops checkpoints that nobody comes back to: those between the steps of turns that are over.

Of each turn two stay. The newest is where a conversation goes on, or is taken up again from. Before it stands a
*carrier*: the turn's first checkpoint, emptied but for the writes to its *delta* channels. LangGraph keeps the messages
of a conversation in such a channel: no checkpoint holds them all, they are put together from the writes of its
ancestors, so these must stay, in their order. Once another turn has gone on from it, a turn's newest checkpoint is
*trimmed* to what outlives a turn. A branch made from a checkpoint that stays has all it needs.

One transaction a conversation, on either saver's own tables; it may run beside turns of that conversation, which only
ever add to its newest checkpoint.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from langgraph.checkpoint.serde.base import SerializerProtocol
from sqlalchemy import (
    URL,
    Connection,
    LargeBinary,
    String,
    and_,
    column,
    delete,
    literal,
    select,
    table,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from memory.blocking import blocking_engine

#: A turn begins with a checkpoint of one of these sources; its parent is the last of the turn before.
_BEGINS = frozenset({"input", "fork", "update"})
_CARRIER = "carrier"
_TRIMMED = "trimmed"

#: PostgreSQL takes 65,535 parameters in a statement.
_AT_ONCE = 1_000

#: LangGraph's own channels, which say where in the graph a checkpoint stands.
_INTERNAL = ("branch:", "__")


@dataclass(frozen=True, slots=True)
class _Node:
    id: str
    parent: str | None
    metadata: dict[str, Any]

    @property
    def is_carrier(self) -> bool:
        return _CARRIER in self.metadata

    @property
    def is_trimmed(self) -> bool:
        return _TRIMMED in self.metadata

    @property
    def begins_turn(self) -> bool:
        return self.is_carrier or self.metadata.get("source") in _BEGINS


class _Tables(Protocol):
    """How a saver lays out its tables; everything of one conversation, outside of subgraphs."""

    def nodes(self) -> list[_Node]: ...
    def has_writes(self, checkpoint_id: str) -> bool: ...
    def checkpoint(self, checkpoint_id: str) -> dict[str, Any]: ...
    def carry(self, writes_of: Mapping[str, Collection[str]], carrier: str) -> None:
        """Of each of these checkpoints, in order, move the writes to these channels to the carrier; drop the others."""

    def change(self, node: _Node, parent: str | None) -> None:
        """Give it another parent."""

    def fill(self, node: _Node, checkpoint: dict[str, Any], mark: str) -> None:
        """Give it another content, and say so in its metadata."""

    def drop(self, ids: Sequence[str]) -> None: ...
    def finish(self) -> None: ...


def prune(
    url: URL, thread: str, serde: SerializerProtocol, *, deltas: AbstractSet[str], lasting: AbstractSet[str]
) -> int:
    """Drop what the turns of a conversation that are over no longer need; say how many checkpoints that were. Blocking.

    ``url`` as `memory.checkpoints.checkpoints_url` gives it; ``serde`` is the saver's. ``deltas`` names the graph's
    delta channels, ``lasting`` what else outlives a turn. A turn that waits for somebody, or was stopped in
    the middle of a step, keeps all its checkpoints.
    """
    with blocking_engine(url).begin() as connection:
        if connection.dialect.name == "sqlite":  # a transaction that writes is alone anyway
            return _prune(_Sqlite(connection, thread, serde), deltas, lasting)
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"prune:{thread}"})
        return _prune(_Postgres(connection, thread), deltas, lasting)


def _prune(tables: _Tables, deltas: AbstractSet[str], lasting: AbstractSet[str]) -> int:
    nodes = tables.nodes()
    dropped = _drop_between(tables, nodes, deltas)
    gone_on_from = {node.parent for node in nodes if node.begins_turn}
    for node in nodes:
        if node.id in gone_on_from and not node.is_carrier and not node.is_trimmed:
            tables.fill(node, _trimmed(tables.checkpoint(node.id), lasting | deltas), _TRIMMED)
    tables.finish()
    return dropped


def _drop_between(tables: _Tables, nodes: Sequence[_Node], deltas: AbstractSet[str]) -> int:
    dropped = 0
    for before, between, end in _turns(nodes):
        if all(node.is_carrier for node in between) or (end.is_leaf and tables.has_writes(end.node.id)):
            continue
        carrier, *others = between
        whole = [tables.checkpoint(node.id) for node in between]
        # From time to time a checkpoint holds all of a delta channel: what was written before that is in it.
        snapshots = {channel: i for i, found in enumerate(whole) for channel in deltas & found["channel_values"].keys()}
        writes_of = {
            node.id: [channel for channel in deltas if i >= snapshots.get(channel, 0)] for i, node in enumerate(between)
        }
        tables.carry(writes_of, carrier.id)
        tables.change(carrier, before)
        tables.fill(carrier, _emptied(whole, snapshots), _CARRIER)
        tables.change(end.node, carrier.id)
        tables.drop([node.id for node in others])
        dropped += len(others)
    return dropped


def _emptied(whole: Sequence[dict[str, Any]], snapshots: Mapping[str, int]) -> dict[str, Any]:
    """The first of these checkpoints with nothing in it but the snapshots: channel -> which checkpoint has it."""
    kept = {
        part: {channel: whole[i][part][channel] for channel, i in snapshots.items()}
        for part in ("channel_values", "channel_versions")
    }
    return {**whole[0], **kept, "versions_seen": {}, "updated_channels": None}


def _trimmed(checkpoint: dict[str, Any], lasting: AbstractSet[str]) -> dict[str, Any]:
    """With the channels that outlive the turn, and where in the graph it stands."""
    kept = {
        part: {name: each for name, each in checkpoint[part].items() if name in lasting or name.startswith(_INTERNAL)}
        for part in ("channel_values", "channel_versions")
    }
    return {**checkpoint, **kept}


@dataclass(frozen=True, slots=True)
class _End:
    node: _Node
    is_leaf: bool


def _turns(nodes: Sequence[_Node]) -> Iterator[tuple[str | None, list[_Node], _End]]:
    """Of each turn: the last checkpoint before it, those between, oldest first, and its newest."""
    by_id = {node.id: node for node in nodes}
    children: dict[str, list[_Node]] = {}
    for node in nodes:
        if node.parent:
            children.setdefault(node.parent, []).append(node)
    stays = {n.id for n in nodes if n.id not in children or len(children[n.id]) > 1}
    stays |= {node.parent for node in nodes if node.begins_turn and node.parent}
    for end in sorted(stays & by_id.keys()):
        between: list[_Node] = []
        parent = by_id[end].parent
        while parent in by_id and parent not in stays:
            between.append(by_id[parent])
            parent = by_id[parent].parent
        if between:
            yield parent, between[::-1], _End(by_id[end], end not in children)


class _Layout(ABC):
    writes_table: str
    content: Any
    """Type of the columns ``checkpoint`` and ``metadata``."""

    def __init__(self, connection: Connection, thread: str) -> None:
        self._connection = connection
        self._thread = thread
        self._checkpoints = table(
            "checkpoints",
            *map(column, ("thread_id", "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "type")),
            *(column(name, self.content) for name in ("checkpoint", "metadata")),
        )
        names = ("thread_id", "checkpoint_ns", "checkpoint_id", "idx", "channel")
        self._writes = table(self.writes_table, *map(column, names), column("task_path", String))
        self._here = _of(self._checkpoints, thread)
        self._written = _of(self._writes, thread)

    def nodes(self) -> list[_Node]:
        c = self._checkpoints.c
        rows = self._connection.execute(
            select(c.checkpoint_id, c.parent_checkpoint_id, c.metadata).where(self._here).order_by(c.checkpoint_id)
        )
        return [_Node(id_, parent or None, self._read_metadata(metadata)) for id_, parent, metadata in rows]

    def has_writes(self, checkpoint_id: str) -> bool:
        w = self._writes.c
        query = select(w.idx).where(self._written, w.checkpoint_id == checkpoint_id).limit(1)
        return self._connection.execute(query).first() is not None

    def carry(self, writes_of: Mapping[str, Collection[str]], carrier: str) -> None:
        w = self._writes.c
        for position, (id_, channels) in enumerate(writes_of.items()):
            here = and_(self._written, w.checkpoint_id == id_)
            self._connection.execute(delete(self._writes).where(here, w.channel.not_in(channels)))
            # Within a checkpoint writes are sorted by path first.
            path = literal(f"{position:06d}") + w.task_path
            moved = update(self._writes).where(here, w.channel.in_(channels))
            self._connection.execute(moved.values(checkpoint_id=carrier, task_path=path))

    def drop(self, ids: Sequence[str]) -> None:
        c = self._checkpoints.c
        self._connection.execute(delete(self._checkpoints).where(self._here, c.checkpoint_id.in_(ids)))

    def change(self, node: _Node, parent: str | None) -> None:
        self._change(node.id, parent_checkpoint_id=parent)

    def _row(self, checkpoint_id: str) -> Any:
        c = self._checkpoints.c
        query = select(c.type, c.checkpoint).where(self._here, c.checkpoint_id == checkpoint_id)
        return self._connection.execute(query).one()

    def _change(self, checkpoint_id: str, **values: Any) -> None:
        c = self._checkpoints.c
        changed = update(self._checkpoints).where(self._here, c.checkpoint_id == checkpoint_id)
        self._connection.execute(changed.values(**values))

    @abstractmethod
    def _read_metadata(self, stored: Any) -> dict[str, Any]: ...


class _Sqlite(_Layout):
    writes_table = "writes"
    content = LargeBinary

    def __init__(self, connection: Connection, thread: str, serde: SerializerProtocol) -> None:
        super().__init__(connection, thread)
        self._serde = serde

    def checkpoint(self, checkpoint_id: str) -> dict[str, Any]:
        type_, blob = self._row(checkpoint_id)
        return dict(self._serde.loads_typed((type_, blob)))

    def fill(self, node: _Node, checkpoint: dict[str, Any], mark: str) -> None:
        type_, content = self._serde.dumps_typed(checkpoint)
        metadata = json.dumps({**node.metadata, mark: True}, ensure_ascii=False).encode()
        self._change(node.id, type=type_, checkpoint=content, metadata=metadata)

    def finish(self) -> None:
        """Everything of a checkpoint is in its row."""

    def _read_metadata(self, stored: Any) -> dict[str, Any]:
        return dict(json.loads(stored)) if stored else {}


class _Postgres(_Layout):
    writes_table = "checkpoint_writes"
    content = JSONB

    def __init__(self, connection: Connection, thread: str) -> None:
        super().__init__(connection, thread)
        self._blobs = table("checkpoint_blobs", *map(column, ("thread_id", "checkpoint_ns", "channel", "version")))
        self._freed: set[tuple[str, str]] = set()
        """Channel and version of values that checkpoints named which are gone."""

    def checkpoint(self, checkpoint_id: str) -> dict[str, Any]:
        found = dict(self._row(checkpoint_id)[1])
        self._freed |= set(found["channel_versions"].items())
        return found

    def fill(self, node: _Node, checkpoint: dict[str, Any], mark: str) -> None:
        self._change(node.id, checkpoint=checkpoint, metadata={**node.metadata, mark: True})

    def finish(self) -> None:
        """Values stand beside the checkpoints that name them, and a running turn's may stand there before: drop only
        those that were named by what is gone, and are by nothing else.
        """
        if not self._freed:
            return
        named = select(self._checkpoints.c.checkpoint["channel_versions"]).where(self._here)
        for versions in self._connection.scalars(named):
            self._freed -= set(versions.items())
        key = tuple_(self._blobs.c.channel, self._blobs.c.version)
        freed = sorted(self._freed)
        for first in range(0, len(freed), _AT_ONCE):
            some = key.in_(freed[first : first + _AT_ONCE])
            self._connection.execute(delete(self._blobs).where(_of(self._blobs, self._thread), some))

    def _read_metadata(self, stored: Any) -> dict[str, Any]:
        return dict(stored)


def _of(found: Any, thread: str) -> Any:
    return and_(found.c.thread_id == thread, found.c.checkpoint_ns == "")
