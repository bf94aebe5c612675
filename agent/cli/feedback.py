"""``sensorium feedback``: what you think of answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import get_args

import click
from rich.console import Console
from rich.table import Table

from agent.cli.session import open_session
from memory.feedback import FeedbackInfo, Rating

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_RATING = click.Choice(get_args(Rating))


@click.group()
def feedback() -> None:
    """Say what answers are like, and read what was said."""


@feedback.command("list")
@click.option("--rating", type=_RATING, help="Only these.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@_JSON
def list_feedback(rating: Rating | None, limit: int, as_json: bool) -> None:
    """What was said, the newest first."""
    with open_session() as session:
        found = session.run(session.app.feedback.list(rating, limit))
    if as_json:
        click.echo(json.dumps([each.model_dump(mode="json") for each in found], ensure_ascii=False))
    elif found:
        _table(found)
    else:
        click.echo("Nothing has been said yet.")


@feedback.command()
@click.argument("run")
@click.argument("rating", type=_RATING)
@click.option("--comment", default="", help="Why.")
@_JSON
def give(run: str, rating: Rating, comment: str, as_json: bool) -> None:
    """Say that the answer of RUN was good (up) or bad (down), in place of what was said before."""
    with open_session() as session:
        given = session.run(session.app.feedback.give(run, rating, comment))
    click.echo(given.model_dump_json() if as_json else f"{given.run_id}: {given.rating}")


@feedback.command("take-back")
@click.argument("run")
def take_back(run: str) -> None:
    """Delete what was said of RUN."""
    with open_session() as session:
        session.run(session.app.feedback.take_back(run))
    click.echo("Taken back.")


def _table(found: Sequence[FeedbackInfo]) -> None:
    table = Table("Said on", "Run", "Rating", "Comment", box=None, pad_edge=False)
    for each in found:
        table.add_row(f"{each.created_at.astimezone():%Y-%m-%d %H:%M}", each.run_id, each.rating, each.comment)
    Console(emoji=False, markup=False, highlight=False, soft_wrap=True).print(table)
