"""``sensorium memory``: what is remembered."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table

from agent.cli.session import Session, open_session
from engines.errors import InputError
from memory.longterm.memories import Memories
from memory.longterm.types import USER, MemoryInfo, NewMemory, TextKind

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KIND = click.option("--kind", type=click.Choice(get_args(TextKind)), help="fact, preference or episode.")
_ABOUT = click.option("--about", help="Whom or what it is about; none: you.")
_PIPE_WIDTH = 200
_SHORT_ID = 8
_PAGE = 200


@click.group()
def memory() -> None:
    """See, edit, forget and export what is remembered."""


@memory.command("list")
@click.argument("question", required=False)
@click.option("--all", "superseded", is_flag=True, help="Those too that no longer hold.")
@_JSON
def list_memories(question: str | None, superseded: bool, as_json: bool) -> None:
    """What is remembered; with QUESTION, what would be found for it, best first."""
    with open_session() as session:
        shown = session.run(_found(session, question) if question else _all(session, superseded=superseded))
        trouble = session.app.memories.trouble
    if as_json:
        _print_json(shown)
    elif shown:
        _table(shown)
    else:
        click.echo("Nothing fits." if question else "Nothing is remembered yet.")
    if trouble:
        click.echo(trouble, err=True)


@memory.command()
@click.argument("memory_id")
@_JSON
def show(memory_id: str, as_json: bool) -> None:
    """One memory with its dates and where it came from. The first letters of its id are enough."""
    with open_session() as session:
        found = session.run(_by_id(session.app.memories, memory_id))
    if as_json:
        _print_json(found)
        return
    for name, value in found.model_dump(mode="json").items():
        if value not in (None, ""):
            click.echo(f"{name}: {value}")


@memory.command()
@click.argument("text")
@_KIND
@_ABOUT
@click.option("--pin", is_flag=True, help="Recall it in every turn.")
def add(text: str, kind: TextKind | None, about: str | None, pin: bool) -> None:
    """Remember TEXT."""
    if not text.strip():
        raise InputError("There is nothing to remember: the text is empty.", fix="Say what to keep.")
    with open_session() as session:
        kept = session.run(_add(session, NewMemory(text=text, kind=kind or "fact", about=about or USER, pinned=pin)))
    click.echo(f"{kept.id[:_SHORT_ID]}  {kept.text}")


@memory.command()
@click.argument("memory_id")
@click.option("--text", help="What it should say.")
@_KIND
@_ABOUT
@click.option("--pin/--unpin", "pinned", default=None, help="Whether to recall it in every turn.")
def edit(memory_id: str, text: str | None, kind: TextKind | None, about: str | None, pinned: bool | None) -> None:
    """Correct a memory."""
    given = {"text": text, "kind": kind, "about": about, "pinned": pinned}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise InputError("Nothing was given to change.", fix="Add --text, --kind, --about, --pin or --unpin.")
    with open_session() as session:
        changed = session.run(_edit(session, memory_id, changes))
    click.echo(f"{changed.id[:_SHORT_ID]}  {changed.text}")


@memory.command()
@click.argument("memory_id", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that is remembered.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def forget(memory_id: str | None, everything: bool, yes: bool) -> None:
    """Delete a memory for good, or all of them."""
    if everything == bool(memory_id):
        raise InputError("Say what to forget.", fix="Give one id from `sensorium memory list`, or --all.")
    if everything and not yes:
        click.confirm("Forget everything for good?", abort=True, err=True)
    with open_session() as session:
        count = session.run(_forget(session.app.memories, memory_id))
    click.echo(f"Forgot {count} {'memory' if count == 1 else 'memories'}.")


@memory.command()
@_JSON
def export(as_json: bool) -> None:
    """Print everything, superseded memories too: JSON lines, or with --json one list."""
    with open_session() as session:
        everything = session.run(session.app.memories.export())
    if as_json:
        _print_json(everything)
        return
    for each in everything:
        click.echo(each.model_dump_json())


@memory.command()
def reindex() -> None:
    """Make the vectors again from what is stored, after a change of the model or a damaged folder."""
    with open_session() as session:
        count = session.run(session.app.memories.reindex())
    click.echo(f"{count} {'memory' if count == 1 else 'memories'} indexed.")


async def _all(session: Session, *, superseded: bool) -> Sequence[MemoryInfo]:
    found: list[MemoryInfo] = []
    while True:
        before = found[-1].id if found else None
        page = await session.app.memories.page(limit=_PAGE, before=before, superseded=superseded)
        found += page
        if len(page) < _PAGE:
            return found


async def _found(session: Session, question: str) -> Sequence[MemoryInfo]:
    return [hit.memory for hit in await session.app.memories.search(question)]


async def _add(session: Session, new: NewMemory) -> MemoryInfo:
    kept = await session.app.memories.add(new)
    await session.app.memories.catch_up()
    return kept


async def _edit(session: Session, memory_id: str, changes: dict[str, Any]) -> MemoryInfo:
    memories = session.app.memories
    changed = await memories.edit((await _by_id(memories, memory_id)).id, **changes)
    await memories.catch_up()
    return changed


async def _forget(memories: Memories, memory_id: str | None) -> int:
    if memory_id is None:
        return await memories.forget_all()
    await memories.forget((await _by_id(memories, memory_id)).id)
    return 1


async def _by_id(memories: Memories, beginning: str) -> MemoryInfo:
    """Raises InputError when several begin so, NotFoundError when none does."""
    fitting = [each for each in await memories.export() if each.id.startswith(beginning)]
    if len(fitting) > 1:
        raise InputError(f"{len(fitting)} memories' ids begin with {beginning!r}.", fix="Give more of it.")
    return fitting[0] if fitting else await memories.get(beginning)


def _print_json(shown: MemoryInfo | Sequence[MemoryInfo]) -> None:
    data = (
        shown.model_dump(mode="json") if isinstance(shown, MemoryInfo) else [m.model_dump(mode="json") for m in shown]
    )
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def _table(shown: Sequence[MemoryInfo]) -> None:
    table = Table("Id", "Told on", "Kind", "About", "Memory", "", box=None, pad_edge=False)
    for each in shown:
        state = f"superseded {each.superseded_at:%Y-%m-%d}" if each.superseded_at else "pinned" if each.pinned else ""
        table.add_row(each.id[:_SHORT_ID], f"{each.said_at:%Y-%m-%d}", each.kind, each.about, each.text, state)
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, emoji=False, markup=False).print(table)
