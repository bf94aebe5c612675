"""``sensorium config``: every setting with what it means, as a `sensorium.toml` to start from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from agent.settings import Settings, config_file, load_settings

_PASSWORD = re.compile(r"(//[^/@]*:)[^/@]*@")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print names and values as JSON.")
def config(as_json: bool) -> None:
    """Print the settings in force as a documented sensorium.toml.

    What is not set stands as a comment. Keys are not shown.
    """
    settings = load_settings()
    if as_json:
        click.echo(json.dumps({name: _plain(name, getattr(settings, name)) for name in Settings.model_fields}))
        return
    click.echo(f"# Goes to {config_file()}; the environment (SENSORIUM_NAME) is stronger.")
    click.echo("\n".join(as_toml(settings)))


def as_toml(settings: Settings) -> Iterator[str]:
    """Lines of the file; defaults are commented out."""
    for name, field in Settings.model_fields.items():
        value = _plain(name, getattr(settings, name))
        # What is not shown can't be pasted back either.
        is_set = name in settings.model_fields_set and not _is_hidden(name, getattr(settings, name))
        yield ""
        yield f"# {field.description}"
        yield f"{'' if is_set else '# '}{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return json.dumps("" if value is None else value, ensure_ascii=False)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "(set, not shown)"
    return (
        _PASSWORD.sub(r"\1***@", value) if name == "database_url" else str(value) if isinstance(value, Path) else value
    )


def _is_hidden(name: str, value: Any) -> bool:
    return isinstance(value, SecretStr) or (name == "database_url" and _plain(name, value) != value)
