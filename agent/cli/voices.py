"""``sensorium voices``: who can read aloud, without loading anybody."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from agent.settings import load_settings
from engines.audio.voices import Offered, offered
from engines.catalog import Catalog
from engines.readiness import Shelf
from engines.text.languages import language_code, language_name
from engines.weights import WeightStore

_PIPE_WIDTH = 140
"""Columns of a table that is not written to a terminal."""


@click.command()
@click.option("--language", help="Only voices of this language, such as Spanish or es.")
@click.option("--all", "everybody", is_flag=True, help="Also voices of models that are not ready.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def voices(language: str | None, everybody: bool, as_json: bool) -> None:
    """List the voices that read aloud. Name one by its id, or in words: voice="British female"."""
    settings = load_settings()
    catalog, store = Catalog.load(*settings.catalog_files), WeightStore(settings.models_dir)
    found = offered(Shelf(catalog, store, settings.for_models))
    code = language_code(language) if language is not None else ""
    if code:
        found = [offer for offer in found if offer.voice.language == code]
    shown = [offer for offer in found if everybody or offer.is_ready]
    if as_json:
        click.echo(json.dumps([_as_data(offer) for offer in shown], ensure_ascii=False, indent=2))
        return
    if shown:
        _table(shown)
    else:
        ready = "" if everybody else " that is ready"
        click.echo(f"There is no voice{ready}{f' for {language_name(code)}' if code else ''}.")
    if hidden := len(found) - len(shown):
        click.echo(f"{hidden} more voices are of models that are not ready: sensorium voices --all", err=True)


def _as_data(offer: Offered) -> dict[str, str]:
    return {**asdict(offer.voice), "model": offer.entry.id, "state": offer.readiness.state, "fix": offer.readiness.fix}


def _table(shown: list[Offered]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("Voice", "Name", "Language", "Gender", "Accent", "Model", "State", "Note", box=box.SIMPLE_HEAD)
    for offer in shown:
        voice = offer.voice
        language = language_name(voice.language)
        model, state = offer.entry.id, offer.readiness.state
        table.add_row(voice.id, voice.name, language, voice.gender, voice.accent, model, state, voice.note)
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)
