"""A lineage graph as two trees: what an artifact was made from, and what was made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.tree import Tree

from memory.lineage_graph import ArtifactNode, CallNode, LineageGraph

_SHORT_ID = 12
_SHORT_VALUE = 40


@dataclass(frozen=True)
class _Lines:
    """The graph by what leads where, and what has been shown: an artifact's own tree is drawn once."""

    nodes: Mapping[str, ArtifactNode]
    calls: Mapping[str, CallNode]
    into: Mapping[str, list[str]]
    out_of: Mapping[str, list[str]]


def as_tree(graph: LineageGraph) -> Group:
    """To be printed by a console."""
    lines = _Lines(
        {node.id: node for node in graph.artifacts},
        {call.id: call for call in graph.calls},
        _by([(edge.target, edge.source) for edge in graph.edges]),
        _by([(edge.source, edge.target) for edge in graph.edges]),
    )
    above = Tree(_artifact(lines.nodes[graph.root], bold=True))
    _add_above(above, graph.root, lines, set())
    below = Tree("[dim]what was made of it[/]")
    _add_below(below, graph.root, lines, set())
    return Group(above, below) if below.children else Group(above)


def _add_above(tree: Tree, id_: str, lines: _Lines, shown: set[str]) -> None:
    call = lines.nodes[id_].call
    if call is None:
        return
    if id_ in shown:
        tree.add("[dim]as above[/]")
        return
    shown.add(id_)
    branch = tree.add(_call(lines.calls[call]))
    for parent in lines.into.get(call, ()):
        _add_above(branch.add(_artifact(lines.nodes[parent])), parent, lines, shown)


def _add_below(tree: Tree, id_: str, lines: _Lines, shown: set[str]) -> None:
    if id_ in shown:
        if id_ in lines.out_of:
            tree.add("[dim]as above[/]")
        return
    shown.add(id_)
    for call in lines.out_of.get(id_, ()):
        branch = tree.add(_call(lines.calls[call]))
        for child in lines.out_of.get(call, ()):
            _add_below(branch.add(_artifact(lines.nodes[child])), child, lines, shown)


def _artifact(node: ArtifactNode, *, bold: bool = False) -> str:
    if node.artifact is None:
        return f"{node.id[:_SHORT_ID]} [red]deleted[/]"
    ref = node.artifact
    facts = [ref.kind, node.origin if node.call is None else ""]
    facts += [f"{ref.width} x {ref.height}" if ref.width else "", f"{ref.seconds:.1f} s" if ref.seconds else ""]
    name = escape(ref.name)
    named = f"[bold]{name}[/]" if bold else name
    return f"{named} [dim]{ref.id[:_SHORT_ID]} {', '.join(fact for fact in facts if fact)}[/]"


def _call(call: CallNode) -> str:
    args = ", ".join(f"{name}={_short(value)}" for name, value in call.args.items())
    facts = [_model(model) for model in call.models]
    facts += [f"seed {call.seed}"] if call.seed is not None else []
    facts += [f"{call.seconds:.1f} s"] if call.seconds is not None else []
    facts += [f"replay of {call.replay_of[:_SHORT_ID]}"] if call.replay_of else []
    return f"[cyan]{escape(call.tool)}[/]({escape(args)}) [dim]{escape(' · '.join(facts))}[/]"


def _model(model: Mapping[str, Any]) -> str:
    sha256, revision = model.get("sha256") or "", model.get("revision") or ""
    return " ".join(part for part in (str(model["id"]), sha256[:8] or revision[:8]) if part)


def _short(value: Any) -> str:
    text = "".join(char if char.isprintable() else " " for char in str(value))
    return text if len(text) <= _SHORT_VALUE else f"{text[: _SHORT_VALUE - 1]}…"


def _by(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
