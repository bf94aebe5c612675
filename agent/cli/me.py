"""``sensorium me`` and ``sensorium usage``: what the user has chosen, and what the models were used for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import get_args

import click
from rich.console import Console
from rich.table import Table

from agent.cli.session import open_session
from agent.preferences import Changes, Profile
from engines.errors import InputError
from graphs.policy import Policy
from memory.usage import UsageTotal

_BACK = "default"
"""In the place of a choice: as the settings say."""

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.command()
@click.option("--name", help="What you are called.")
@click.option("--model", metavar="ID|auto|default", help="The chat model of turns that name none.")
@click.option(
    "--approval",
    "approvals",
    multiple=True,
    metavar="TOOL=auto|ask|deny|default",
    help="Whether a tool works unasked, asks first, or never works. May be repeated.",
)
@_JSON
def me(name: str | None, model: str | None, approvals: tuple[str, ...], as_json: bool) -> None:
    """Show or change what holds for all your turns."""
    changes: Changes = {"approval": dict(map(_approval, approvals))}
    if name is not None:
        changes["name"] = name
    if model is not None:
        changes["model"] = None if model == _BACK else model
    with open_session() as session:
        shown = session.run(session.app.preferences.change(**changes))
    if as_json:
        click.echo(shown.model_dump_json())
    else:
        _print_profile(shown)


@click.command()
@click.option("--since", type=_DAY, help="From this day on, by your clock.")
@click.option("--until", type=_DAY, help="Up to this day, and without it.")
@_JSON
def usage(since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Tokens and time by chat model, over all runs that have finished."""
    with open_session() as session:
        totals = session.run(session.app.usage.totals(_utc(since), _utc(until)))
    if as_json:
        click.echo(json.dumps([each.model_dump() for each in totals]))
    elif totals:
        _print_usage(totals)
    else:
        click.echo("No run has finished in that time." if since or until else "No run has finished yet.")


def _approval(given: str) -> tuple[str, Policy | None]:
    tool, _, policy = given.partition("=")
    if policy == _BACK:
        return tool, None
    for known in get_args(Policy):
        if policy == known:
            return tool, known
    raise InputError(f"{given!r} is no approval.", fix=f"Write {tool or 'TOOL'}=auto, =ask, =deny or ={_BACK}.")


def _utc(day: datetime | None) -> datetime | None:
    return day.astimezone(UTC) if day else None


def _print_profile(shown: Profile) -> None:
    click.echo(f"{shown.name}\nChat model: {shown.model or 'as the settings say'}")
    table = Table("Tool", "Works", "Chosen by", box=None, pad_edge=False)
    works = {"auto": "unasked", "ask": "when you have agreed", "deny": "never"}
    for each in shown.approval:
        table.add_row(each.tool, works[each.policy], "you" if each.chosen_by == "user" else each.chosen_by)
    Console(emoji=False, markup=False, highlight=False).print(table)


def _print_usage(totals: list[UsageTotal]) -> None:
    table = Table("Model", box=None, pad_edge=False)
    for column in ("Runs", "Tokens read", "Tokens written", "Seconds"):
        table.add_column(column, justify="right")
    for each in totals:
        numbers = (each.runs, each.prompt_tokens, each.completion_tokens, round(each.seconds))
        table.add_row(each.model, *(f"{number:,}" for number in numbers))
    Console(emoji=False, markup=False, highlight=False).print(table)
