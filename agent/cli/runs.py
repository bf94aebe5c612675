"""``sensorium runs``: what waits or was interrupted, and going on with it."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from agent.cli import INTERRUPTED
from agent.cli.asking import parse_answers, show_run
from agent.cli.session import View, open_session
from agent.cli.views import JsonView, TerminalView
from engines.errors import InputError
from graphs.approve import ALL

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one event a line.")


@click.group()
def runs() -> None:
    """List runs that wait or were interrupted; approve, resume and stop them."""


@runs.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_runs(as_json: bool) -> None:
    """The runs that wait for an answer, and those that can be resumed."""
    with open_session() as session:
        found = session.run(session.app.chats.unfinished())
    if as_json:
        click.echo(json.dumps([info.model_dump(mode="json") for info in found], ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("run", "status", "conversation", "message"):
        table.add_column(column, no_wrap=column == "run")
    for info in found:
        table.add_row(info.id, info.status, info.thread_id, " ".join(info.message.split())[:60])
    Console(emoji=False, markup=False).print(table)


@runs.command()
@click.argument("run")
@click.option("--yes", is_flag=True, help="Let it be done.")
@click.option("--deny", is_flag=True, help="Let it not be done.")
@click.option("--args", "arguments", metavar="JSON", help="Let it be done with these arguments instead.")
@click.option("--step", default=ALL, help="Only this step, such as $1. Left out: every step that is asked about.")
@click.option("--reason", default="", help="With --deny: why.")
@click.option("--remember", is_flag=True, help="The same for this tool for the rest of the conversation.")
@_JSON
def approve(
    run: str, yes: bool, deny: bool, arguments: str | None, step: str, reason: str, remember: bool, as_json: bool
) -> int:
    """Answer what RUN asks, and follow it to its end."""
    answers = parse_answers(yes, deny, arguments, step, reason, remember)
    with open_session() as session:
        after = session.run(session.app.agent.last_seq(run))
        try:
            session.run(session.app.agent.approve(run, answers))
            return show_run(session, run, _view(as_json), after=after)
        except KeyboardInterrupt:
            return INTERRUPTED


@runs.command()
@click.argument("run")
@_JSON
def resume(run: str, as_json: bool) -> int:
    """Go on with RUN where it was interrupted, and follow it to its end."""
    with open_session() as session:
        after = session.run(session.app.agent.last_seq(run))
        try:
            session.run(session.app.agent.resume(run))
            return show_run(session, run, _view(as_json), after=after)
        except KeyboardInterrupt:
            return INTERRUPTED


@runs.command()
@click.argument("run")
def cancel(run: str) -> None:
    """Stop RUN, which waits for an answer."""
    with open_session() as session:
        if not session.run(session.app.agent.cancel(run)):
            raise InputError(
                f"Run {run} can't be stopped from here: it has ended, or another process works on it.",
                fix="Look at: sensorium runs list",
            )


def _view(as_json: bool) -> View:
    return JsonView() if as_json else TerminalView()
