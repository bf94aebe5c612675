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
from engines.catalog import Catalog, ModelEntry
from engines.errors import SensoriumError
from engines.text.remote import Provider, list_models
from engines.weights import WeightStore

State = Literal["ok", "missing", "optional"]

#: Import name of the package behind each extra.
EXTRAS = {"ui": "streamlit", "speech": "piper"}

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
    for extra, package in EXTRAS.items():
        yield _extra(extra, package)
    catalog = Catalog.load(*settings.catalog_files)
    weights = WeightStore(settings.models_dir)
    for entry in catalog:
        if not entry.remote:
            yield _model(entry, weights)
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


def _extra(extra: str, package: str) -> Finding:
    if importlib.util.find_spec(package):
        return Finding(f"Extra {extra}", "ok", f"{package} is installed")
    return Finding(f"Extra {extra}", "optional", f"{package} is not installed", f"pip install 'sensorium[{extra}]'")


def _model(entry: ModelEntry, weights: WeightStore) -> Finding:
    about = f"Model {entry.id}"
    if entry.extra and not importlib.util.find_spec(EXTRAS.get(entry.extra, entry.extra)):
        return Finding(about, "optional", f"needs the extra {entry.extra}", f"pip install 'sensorium[{entry.extra}]'")
    if weights.is_ready(entry):
        return Finding(about, "ok", f"ready ({entry.capability})")
    state: State = "missing" if entry.embedded else "optional"
    return Finding(about, state, f"not on this disk ({entry.capability})", f"sensorium models pull {entry.id}")


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
