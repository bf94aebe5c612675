"""``sensorium models``: list, fetch, check and remove models, and see which are loaded."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, TypeVar

import click

from agent.cli import pulling
from agent.settings import Settings, load_settings
from engines.catalog import Catalog, ModelEntry
from engines.errors import SensoriumError, UnavailableError
from engines.loading import how_to_install
from engines.readiness import Readiness, Shelf
from engines.weights import WeightStore

T = TypeVar("T")

_PIPE_WIDTH = 200
"""Columns of a table that is not written to a terminal."""

_SERVER_SECONDS = 5.0

_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
_ids = click.argument("ids", nargs=-1, metavar="[ID]...")


@click.group()
def models() -> None:
    """List, fetch, check and remove models."""


def _open() -> tuple[Catalog, WeightStore, Shelf]:
    settings = load_settings()
    catalog, store = Catalog.load(*settings.catalog_files), WeightStore(settings.models_dir)
    return catalog, store, Shelf(catalog, store, settings.for_models)


def _size(size: int) -> str:
    from rich.filesize import decimal

    return decimal(size) if size else "-"


# ------------------------------------------------------------------------------------------------------- look


@models.command("list")
@_json_option
def list_models(as_json: bool) -> None:
    """List every model by what it can do."""
    catalog, _, shelf = _open()
    if as_json:
        keys = {"id", "title", "capability", "licence", "memory_mb", "default", "fallback", "embedded", "extra"}
        rows = [
            {**entry.model_dump(mode="json", include=keys), "bytes": entry.bytes, **asdict(shelf.readiness(entry))}
            for entry in catalog
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    cells = []
    for capability in catalog.capabilities:
        for entry in catalog.of(capability):
            state = shelf.readiness(entry).state
            shown = f"{state}: {entry.extra}" if state == "needs extra" and entry.extra else state
            shown += " (on another server)" if entry.remote else ""
            name = f"{entry.id} *" if entry.default else entry.id
            memory = f"{entry.memory_mb} MB" if entry.memory_mb else "-"
            cells.append((capability, name, _size(entry.bytes), memory, entry.licence, shown))
    _table(("Capability", "Model", "Size", "RAM", "Licence", "State"), cells)
    click.echo("* used when no model is named")


@models.command()
@click.argument("model_id", metavar="ID")
@_json_option
def show(model_id: str, as_json: bool) -> None:
    """Show all that is known of a model."""
    catalog, store, shelf = _open()
    entry = catalog.get(model_id)
    found = shelf.readiness(entry)
    if as_json:
        more = {**asdict(found), "bytes": entry.bytes, "folder": str(store.folder(entry))}
        click.echo(json.dumps(entry.model_dump(mode="json") | more, indent=2))
        return
    for label, value in _facts(entry, store, found):
        if value:
            click.echo(f"{label + ':':<11} {value}")


def _facts(entry: ModelEntry, store: WeightStore, found: Readiness) -> Iterable[tuple[str, str]]:
    from engines.sources import describe

    yield "Model", f"{entry.id}: {entry.title}"
    yield "Capability", entry.capability + (" (default)" if entry.default else "")
    yield "State", found.state
    yield "To do", found.fix
    yield "Licence", entry.licence
    yield "Mind", entry.licence_note
    yield "Extra", how_to_install(entry)
    yield "RAM", f"{entry.memory_mb} MB" if entry.memory_mb else ""
    yield "Languages", ", ".join(entry.languages)
    yield "Works with", ", ".join((*entry.uses, *entry.weights_of))
    yield "Quality", f"{entry.quality.figure} ({entry.quality.where})" if entry.quality else ""
    yield "Note", entry.note
    yield "Folder", str(store.folder(entry)) if entry.has_weights else ""
    if entry.snapshot and entry.snapshot.repo:
        yield "Source", f"hub {entry.snapshot.repo}, about {_size(entry.snapshot.bytes)}"
        yield "Revision", store.revision(entry) or entry.snapshot.revision
    for file in entry.files:
        yield "File", f"{file.name}, {_size(file.bytes)}, sha256 {file.sha256}"
    for source in entry.sources:
        yield "Source", describe(source)


@models.command()
@_json_option
def ps(as_json: bool) -> None:
    """Show the models that the running server has loaded."""
    rows = _loaded(load_settings())
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("The server has no model loaded.")
        return
    cells = [
        (
            str(row["model"]),
            str(row["capability"]),
            str(row["state"]) + (" (pinned)" if row["pinned"] else ""),
            str(row["users"]),
            f"{row['memory_mb']:.0f} MB",
            f"{row['idle_seconds']:.0f} s",
        )
        for row in rows
    ]
    _table(("Model", "Capability", "State", "Users", "RAM", "Idle"), cells)


def _loaded(settings: Settings) -> list[dict[str, Any]]:
    base = f"http://{settings.host}:{settings.port}"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{base}/api/models/loaded", timeout=_SERVER_SECONDS) as answer:
            rows = list(json.load(answer)["models"])
    except (urllib.error.HTTPError, ValueError, TypeError, KeyError) as error:
        raise UnavailableError(
            f"What answers at {base} is not this version's server: {error}.", fix="Restart it: sensorium serve"
        ) from error
    except OSError as error:
        raise UnavailableError(f"No server runs at {base}.", fix="Start one: sensorium serve") from error
    return rows


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*head, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    console.print(table)


# ----------------------------------------------------------------------------------------------------- change


@models.command()
@_ids
def pull(ids: tuple[str, ...]) -> None:
    """Fetch the named models; without a name, all that are embedded. A broken pull goes on where it stopped."""
    _, store, shelf = _open()
    _each(pulling.jobs(ids, shelf, store, load_settings()), pulling.run)


@models.command()
@_ids
def verify(ids: tuple[str, ...]) -> None:
    """Hash the files of the named models; without a name, of all that are on this disk."""
    catalog, store, _ = _open()
    entries = [catalog.get(model_id) for model_id in ids] or [e for e in catalog if e.has_weights and store.is_ready(e)]
    if not entries:
        click.echo("No model is on this disk.")

    def one(entry: ModelEntry) -> None:
        store.verify(entry)
        if entry.snapshot and entry.snapshot.folder:
            click.echo(f"{entry.id}: {entry.snapshot.folder} is a folder of yours, nothing to compare it with")
        else:
            click.echo(f"{entry.id}: ok" if entry.has_weights else f"{entry.id}: has no files of its own")

    _each(entries, one)


@models.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--yes", is_flag=True, help="Don't ask.")
def remove(ids: tuple[str, ...], yes: bool) -> None:
    """Delete the files of models, and of unfinished pulls."""
    catalog, store, _ = _open()
    entries = [catalog.get(model_id) for model_id in ids]
    if not yes:
        click.confirm(f"Delete the files of {', '.join(ids)}?", abort=True)
    for entry in entries:
        freed = store.remove(entry)
        if entry.has_weights and store.is_in_place(entry):
            click.echo(f"{entry.id}: its files in {store.folder(entry)} are used where they lie; left alone")
        else:
            click.echo(f"{entry.id}: {_size(freed) if freed else 'nothing'} freed")


def _each(entries: Iterable[T], work: Callable[[T], None]) -> None:
    """Go on after a failure, so that one model does not hold up the others; the last failure is raised at the end."""
    failed: SensoriumError | None = None
    for entry in entries:
        try:
            work(entry)
        except SensoriumError as error:
            if failed:
                click.echo(str(failed), err=True)
            failed = error
    if failed:
        raise failed
