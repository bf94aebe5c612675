"""``sensorium doctor``: what is ready, what is missing, and the command that mends it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from agent.settings import Settings, config_file, load_settings
from engines.catalog import Catalog
from engines.errors import SensoriumError
from engines.readiness import Shelf
from engines.text.remote import Provider, list_models
from engines.weights import WeightStore

State = Literal["ok", "missing", "optional"]

#: Free space below which the doctor speaks up, in bytes.
LITTLE_SPACE = 2_000_000_000

_MARKS = {"ok": ("✓", "green"), "missing": ("✗", "red"), "optional": ("-", "yellow")}


@dataclass(frozen=True)
class Finding:
    """``fix`` is a command or a sentence; ``optional`` findings don't fail the check-up."""

    about: str
    state: State
    detail: str
    fix: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print findings as JSON.")
def doctor(as_json: bool) -> int:
    """Say what is ready, what is missing and the command that mends it. Exit code 1: something needed is missing."""
    findings = list(examine(load_settings()))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            mark, colour = _MARKS[finding.state]
            click.echo(f"{click.style(mark, fg=colour)} {finding.about}: {finding.detail}")
            if finding.fix:
                click.echo(f"    {finding.fix}")
    return 1 if any(finding.state == "missing" for finding in findings) else 0


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, in the order in which a newcomer would mend them."""
    yield Finding("Python", "ok", ".".join(map(str, sys.version_info[:3])))
    yield _config()
    yield _home(settings.home)
    yield from _space(settings)
    yield _page()
    yield from _models(
        Shelf(Catalog.load(*settings.catalog_files), WeightStore(settings.models_dir), settings.for_models)
    )
    yield from _servers(settings)


def _config() -> Finding:
    path = config_file()
    return Finding("Settings", "ok", str(path) if path.is_file() else f"defaults (no {path})")


def _home(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        return Finding("Data folder", "ok", str(home))
    return Finding("Data folder", "missing", f"{existing} can't be written", "Set SENSORIUM_HOME to another folder.")


def _space(settings: Settings) -> Iterator[Finding]:
    existing = next(folder for folder in (settings.models_dir, *settings.models_dir.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 1e9:.1f} GB free"
    if free < LITTLE_SPACE:
        yield Finding("Disk", "optional", detail, "Free some space, or set SENSORIUM_MODELS_DIR to another disk.")
    else:
        yield Finding("Disk", "ok", detail)
    yield Finding("Memory", "ok", f"models may use {settings.memory_budget_mb / 1000:.1f} GB together")


def _page() -> Finding:
    if importlib.util.find_spec("streamlit"):
        return Finding("Page", "ok", "Streamlit is installed")
    return Finding("Page", "optional", "Streamlit is not installed", "pip install 'sensorium[ui]'")


def _models(shelf: Shelf) -> Iterator[Finding]:
    """The embedded models, each; the others only where they are ready, or something of them is here."""
    found = [(entry, shelf.readiness(entry)) for entry in shelf.catalog]
    for entry, readiness in found:
        if readiness.state == "ready":
            yield Finding(f"Model {entry.id}", "ok", f"ready ({entry.capability})")
        elif entry.embedded:
            state: State = "optional" if readiness.state == "needs extra" else "missing"
            yield Finding(f"Model {entry.id}", state, f"{readiness.state} ({entry.capability})", readiness.fix)
    others = sum(readiness.state != "ready" and not entry.embedded for entry, readiness in found)
    yield Finding("More models", "optional", f"{others} can be added", "See: sensorium models list")


def _servers(settings: Settings) -> Iterator[Finding]:
    """Other servers are optional: what the embedded models do needs none."""
    addresses: dict[str, tuple[Provider, str]] = {"Ollama": ("ollama", settings.ollama_url)}
    if settings.openai_url:
        addresses["OpenAI-compatible server"] = ("openai", settings.openai_url)
    for about, (provider, url) in addresses.items():
        try:
            names = asyncio.run(list_models(provider, url))
        except SensoriumError as error:
            yield Finding(about, "optional", error.message, error.fix)
        else:
            yield Finding(about, "ok", f"{url}: {', '.join(names) or 'no model'}")
