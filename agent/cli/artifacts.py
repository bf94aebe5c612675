"""``sensorium artifacts``: the media that are kept, where they come from, and what can go."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import click
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agent.cli import INTERRUPTED
from agent.cli.lineage_tree import as_tree
from agent.cli.session import Session, open_session, save
from agent.cli.views import TerminalView
from engines.errors import InputError
from memory.artifact_types import ArtifactKind, ArtifactRef
from memory.events import Event, EventBody
from memory.garbage import Collected
from memory.lineage_graph import MAX_DEPTH
from tools.replay import Replayed, ReplayPlan

_SHORT_ID = 12

DIFFERS = 1
"""Exit code of ``replay --check`` when what was made is not the same."""

_AGE = re.compile(r"(\d+(?:\.\d+)?)([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


class _Age(click.ParamType[timedelta]):
    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _AGE.fullmatch(str(value))
        try:
            return timedelta(**{_UNITS[found[2]]: float(found[1])}) if found else self.fail("no age", param, ctx)
        except (OverflowError, click.BadParameter):
            self.fail(f"{value!r} is no age: write 30m, 12h, 7d or 2w.", param, ctx)


@click.group()
def artifacts() -> None:
    """List media, show where they come from, make them again, and remove what is not needed.

    An id may be shortened to what only one artifact begins with.
    """


@artifacts.command("list")
@click.option("--kind", type=click.Choice(get_args(ArtifactKind)), help="Only of this kind.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The newest so many.")
@_AS_JSON
def list_artifacts(kind: ArtifactKind | None, limit: int, as_json: bool) -> None:
    """What is kept, the newest first, and how much room all of it takes."""
    with open_session() as session:
        found = session.run(session.app.artifacts.list(kind, limit))
        usage = session.run(session.app.artifacts.usage())
        settings = session.app.settings
    if as_json:
        click.echo(_json({"artifacts": found, "used": {"artifacts": usage.artifacts, "bytes": usage.bytes}}))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "kind", "size", "name"):
        table.add_column(column, no_wrap=column == "id", justify="right" if column == "size" else "left")
    for ref in found:
        table.add_row(ref.id[:_SHORT_ID], ref.kind, size(ref.bytes), escape(ref.name))
    if found:
        Console(highlight=False, emoji=False).print(table)
    many = f" of {settings.max_artifacts:,}" if settings.max_artifacts else ""
    much = f" of {size(settings.max_artifacts_mb * 1_000_000)}" if settings.max_artifacts_mb else ""
    click.echo(f"{usage.artifacts:,}{many} artifacts, {size(usage.bytes)}{much}.", err=True)


@artifacts.command()
@click.argument("id_", metavar="ID")
@click.option("--save", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where a copy is saved.")
@_AS_JSON
def show(id_: str, folder: Path | None, as_json: bool) -> None:
    """Describe one artifact, with the call that made it."""
    with open_session() as session:
        ref = session.run(session.app.artifacts.find(id_))
        lineage = session.run(session.app.artifacts.lineage(ref.id))
        saved = session.run(save(session.app, [ref], folder)) if folder else []
    if as_json:
        click.echo(_json({"artifact": ref, "lineage": lineage}))
    else:
        facts = {**ref.model_dump(), **lineage.model_dump(exclude={"call"})}
        for name, value in facts.items():
            if value not in (None, "", (), {}):
                click.echo(f"{name:10} {_printable(value)}")
    for path in saved:
        click.echo(f"Saved {path}", err=True)


@artifacts.command()
@click.argument("id_", metavar="ID")
@click.option("--depth", type=click.IntRange(1, MAX_DEPTH), default=10, show_default=True, help="Generations.")
@_AS_JSON
def lineage(id_: str, depth: int, as_json: bool) -> None:
    """What an artifact was made from and with which models, and what was made of it."""
    with open_session() as session:
        ref = session.run(session.app.artifacts.find(id_))
        graph = session.run(session.app.artifacts.graph(ref.id, depth=depth))
    if as_json:
        click.echo(_json(graph))
        return
    Console(highlight=False, emoji=False).print(as_tree(graph))
    if graph.truncated:
        click.echo("There is more, farther away: --depth", err=True)


@artifacts.command()
@click.argument("id_", metavar="ID")
@click.option("--check", is_flag=True, help=f"End with exit code {DIFFERS} when the bytes are not the same.")
@click.option("--dry-run", is_flag=True, help="Only say whether it can be made again, and with what.")
@_AS_JSON
def replay(id_: str, check: bool, dry_run: bool, as_json: bool) -> int:
    """Make an artifact again with the same tool, arguments, seed and models, and compare."""
    with open_session() as session:
        ref = session.run(session.app.artifacts.find(id_))
        if dry_run:
            plan = session.run(session.app.replays.plan(ref.id))
            click.echo(_json(plan) if as_json else _plan_words(plan))
            return DIFFERS if check and plan.problems else 0
        try:
            made = session.run(_replay(session, ref, quiet=as_json))
        except KeyboardInterrupt:
            return INTERRUPTED
    click.echo(_json(made) if as_json else _replay_words(made))
    return DIFFERS if check and not made.comparison.identical else 0


async def _replay(session: Session, ref: ArtifactRef, *, quiet: bool) -> Replayed:
    view = TerminalView(show_receipts=False)

    def show_event(body: EventBody) -> None:
        if not quiet and body.type != "tool.finished":
            view.show(Event.model_construct(run_id="", seq=0, at=None, body=body))

    try:
        return await session.app.replays.replay(ref.id, emit=show_event)
    finally:
        view.close()


@artifacts.command()
@click.option("--older-than", type=_Age(), metavar="AGE", help="Such as 30m, 12h, 7d; none: as set (7 days).")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@_AS_JSON
def gc(older_than: timedelta | None, dry_run: bool, as_json: bool) -> None:
    """Remove what no conversation names and nothing that is kept was made from."""
    with open_session() as session:
        age = older_than if older_than is not None else timedelta(days=session.app.settings.artifacts_grace_days)
        found = session.run(session.app.artifacts.collect(older_than=age, dry_run=dry_run))
    if as_json:
        click.echo(_json(_collected(found, dry_run)))
        return
    for ref in found.artifacts:
        click.echo(f"{ref.id[:_SHORT_ID]}  {size(ref.bytes):>9}  {_printable(ref.name)}")
    done = "Would remove" if dry_run else "Removed"
    stray = f" and {found.stray_files:,} stray files" if found.stray_files else ""
    click.echo(f"{done} {len(found.artifacts):,} artifacts{stray}, {size(found.freed_bytes)}.", err=True)


@artifacts.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Also what a conversation names or something was made from.")
def delete(ids: tuple[str, ...], force: bool) -> None:
    """Remove artifacts."""
    with open_session() as session:
        store = session.app.artifacts
        refs = [session.run(store.find(id_)) for id_ in ids]
        for ref in refs:
            needed = session.run(store.needed_by(ref.id))
            if needed and not force:
                by = "a conversation" if needed.is_named else f"the lineage of {needed.made_from_it[0][:_SHORT_ID]}"
                raise InputError(f"{ref.name} is needed by {by}.", fix="To remove it all the same: --force")
        for ref in dict.fromkeys(refs):
            session.run(store.delete(ref.id))
            click.echo(f"Removed {_printable(ref.name)}", err=True)


def size(count: int) -> str:
    """``1.2 MB``."""
    for unit, of in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= of:
            return f"{count / of:,.1f} {unit}"
    return f"{count} B"


def _plan_words(plan: ReplayPlan) -> str:
    args = ", ".join(f"{name}={_printable(value)}" for name, value in plan.args.items())
    lines = [f"{plan.tool}({args})", *(model.words for model in plan.models)]
    lines += plan.problems or ["It can be made again."]
    return "\n".join(lines)


def _replay_words(made: Replayed) -> str:
    then = "" if made.original_seconds is None else f" (then {made.original_seconds:.1f} s)"
    lines = [f"{made.artifact.id[:_SHORT_ID]}  {_printable(made.artifact.name)}  {made.seconds:.1f} s{then}"]
    return "\n".join([*lines, made.comparison.words, *made.notes])


def _collected(found: Collected, dry_run: bool) -> dict[str, Any]:
    return {
        "artifacts": found.artifacts,
        "freed_bytes": found.freed_bytes,
        "stray_files": found.stray_files,
        "dry_run": dry_run,
    }


def _json(value: BaseModel | Mapping[str, Any]) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False, indent=2)


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is nothing to write as JSON")


def _printable(value: object) -> str:
    """One line, without what would steer the terminal."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= 200 else f"{text[:199]}…"
