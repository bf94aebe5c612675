"""``sensorium history``, ``fork``, ``replay`` and ``compare``: going back in a conversation."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from agent.cli import INTERRUPTED, WAITING
from agent.cli.asking import show_run
from agent.cli.session import Session, open_session, save
from agent.cli.views import JsonView, TerminalView, without_controls
from agent.comparing import Call, RunComparison, StepComparison
from agent.history import History, Moment
from agent.timetravel import Forked
from memory.events import Event, RunFinished

_MESSAGE_DIGITS = 12
"""A shorter word of digits is a message's number; ids of runs are 32 hexadecimal digits."""

_MESSAGE_CHARS = 100


@click.command()
@click.argument("thread")
@click.option("--all", "with_all", is_flag=True, help="With the checkpoints of each run.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def history(thread: str, with_all: bool, as_json: bool) -> None:
    """Show THREAD run by run: what was asked, planned and forked."""
    with open_session() as session:
        found = session.run(session.app.timetravel.history(thread, with_all=with_all))
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        _print_history(found)


@click.command()
@click.argument("thread")
@click.argument("run_or_message")
@click.option("--text", help="Send this in the message's place.")
@click.option("--json", "as_json", is_flag=True, help="Print the fork, and then one event a line.")
def fork(thread: str, run_or_message: str, text: str | None, as_json: bool) -> int:
    """Begin a new conversation that holds what THREAD held before a message.

    RUN_OR_MESSAGE is a run's id or its beginning, or a message's number; `sensorium history` shows both.
    """
    with open_session() as session:
        try:
            which: dict[str, Any] = {"run_id": run_or_message}
            if _may_be_message(run_or_message):
                history = session.run(session.app.timetravel.history(thread))
                which = {"message_id": int(run_or_message)} if _is_message(run_or_message, history) else which
            made = session.run(session.app.timetravel.fork(thread, text=text, **which))
            _tell_fork(made, as_json)
            return _follow(session, made, made.run.id, as_json) if made.run else 0
        except KeyboardInterrupt:
            return INTERRUPTED


@click.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison only, as JSON.")
def replay(run: str, as_json: bool) -> int:
    """Run the message of RUN again, with its plan, models and seeds, and compare the two."""
    with open_session() as session:
        travel = session.app.timetravel
        try:
            again = session.run(travel.replay(run))
            code = show_run(session, again.id, _Silent() if as_json else TerminalView())
            if code in (WAITING, INTERRUPTED):
                click.echo(f"Compare them later: sensorium compare {run} {again.id}", err=True)
                return code
            _print_comparison(session.run(travel.compare(run, again.id)), as_json)
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0


@click.command()
@click.argument("run_a")
@click.argument("run_b")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def compare(run_a: str, run_b: str, as_json: bool) -> None:
    """Compare RUN_A and RUN_B step by step."""
    with open_session() as session:
        _print_comparison(session.run(session.app.timetravel.compare(run_a, run_b)), as_json)


def _may_be_message(named: str) -> bool:
    return named.isdecimal() and len(named) <= _MESSAGE_DIGITS


def _is_message(named: str, history: History) -> bool:
    """A run's id may begin with digits only: a number that is no message's, and begins a run's, means the run."""
    if not _may_be_message(named):
        return False
    is_number = any(moment.message_id == int(named) for moment in history.runs)
    return is_number or not any(moment.run_id.startswith(named) for moment in history.runs)


class _Silent:
    """Nobody looks."""

    def show(self, event: Event) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing is kept open."""


def _follow(session: Session, made: Forked, run_id: str, as_json: bool) -> int:
    async def keep(last: Event) -> None:
        """As after a turn of `sensorium chat`: what was made is saved where a person finds it."""
        app = session.app
        artifacts = last.body.artifacts if isinstance(last.body, RunFinished) else ()
        saved = await save(app, artifacts, app.settings.home / "media" / made.thread.id) if artifacts else []
        for path in [] if as_json else saved:
            click.echo(f"Saved {path}", err=True)

    return show_run(session, run_id, JsonView() if as_json else TerminalView(), on_finished=keep)


def _tell_fork(made: Forked, as_json: bool) -> None:
    run_id = made.run.id if made.run else None
    if as_json:
        _print_json({"thread_id": made.thread.id, "run_id": run_id})
        return
    click.echo(made.thread.id, err=run_id is not None)  # where a run follows, standard output is for its answer
    click.secho(f"Go on with: sensorium chat --thread {made.thread.id}", err=True, dim=True)


def _print_history(found: History) -> None:
    if found.thread.forked_at:
        click.echo(f"Forked before run {found.thread.forked_at} of another conversation.")
    for moment in found.runs:
        number = str(moment.message_id or "")
        click.echo(f"{number:>5}  {moment.run_id}  {moment.at.astimezone():%Y-%m-%d %H:%M}  {moment.status}")
        for line in _lines(moment):
            click.echo(f"{'':7}{line}")


def _lines(moment: Moment) -> list[str]:
    """What stands below a run."""
    words = without_controls(" ".join(moment.message.split()))
    nodes = [
        f"checkpoint {each.id}, {each.at.astimezone():%H:%M:%S}, next: {', '.join(each.next) or 'nothing'}"
        for each in moment.checkpoints
    ]
    return [
        words if len(words) <= _MESSAGE_CHARS else f"{words[: _MESSAGE_CHARS - 3]}...",
        *([f"tools: {', '.join(moment.tools)}"] if moment.tools else []),
        *(f"forked: {each.id}" for each in moment.forks),
        *nodes,
    ]


def _print_comparison(found: RunComparison, as_json: bool) -> None:
    if as_json:
        _print_json(found.model_dump(mode="json"))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("step", "tool", "same args", "same output", "then", "now"):
        table.add_column(column)
    for step in found.steps:
        table.add_row(
            _step_name(step),
            step.tool,
            _yes(step.same_args),
            _yes(step.same_output),
            _duration(step.a),
            _duration(step.b),
        )
    console = Console(emoji=False, markup=False, highlight=False)
    if found.steps:
        console.print(table)
    console.print(f"Plan: {'the same' if found.same_plan else 'different'}.", end=" ")
    console.print(f"Answer: {'the same' if found.same_answer else 'different'}.")
    if not found.same_answer:
        for side in (found.a, found.b):
            answer = without_controls(" ".join(side.answer.split()))
            console.print(f"{side.run_id[:8]} ({side.status}): {answer}", soft_wrap=True)


def _step_name(step: StepComparison) -> str:
    names = [call.step if call else "-" for call in (step.a, step.b)]
    return names[0] if names[0] == names[1] else " / ".join(names)


def _yes(same: bool | None) -> str:
    return "-" if same is None else "yes" if same else "no"


def _duration(call: Call | None) -> str:
    if call is None:
        return "not run"
    if call.taken_from:
        return f"taken from {call.taken_from[:8]}"
    if call.seconds is None:
        return "failed"
    return f"{call.seconds:.1f} s"


def _print_json(data: Any) -> None:
    click.echo(json.dumps(data, ensure_ascii=False))
