"""A run in the terminal, and the questions it asks on the way."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click
from pydantic import ValidationError

from agent.cli import INTERRUPTED, WAITING
from agent.cli.session import Session, View, follow
from agent.cli.views import JsonView
from engines.errors import InputError, exit_code_of
from graphs.approve import Answer
from memory.events import ApprovalQuestion, ApprovalRequired, Event, RunFailed, RunFinished


def show_run(
    session: Session,
    run_id: str,
    view: View,
    *,
    after: int = -1,
    on_finished: Callable[[Event], Awaitable[None]] | None = None,
) -> int:
    """Show a run to its end, asking on a terminal what it asks; returns the exit code. `WAITING`: it was not answered.

    Raises KeyboardInterrupt after Ctrl-C, which stops a run that works, and leaves one that asks as it is.
    """
    last = session.run(follow(session.app, run_id, view, after=after))
    while isinstance(last.body, ApprovalRequired):
        answers = None if isinstance(view, JsonView) else _ask(last.body.questions)
        if answers is None:
            click.echo(f"It waits. Answer with: sensorium runs approve {run_id} --yes (or --deny)", err=True)
            return WAITING
        try:
            session.run(session.app.agent.approve(run_id, answers))
        except InputError as error:  # an edit that does not fit: it is asked again
            click.echo(f"{click.style('Error:', fg='red', bold=True)} {error}", err=True)
            continue
        last = session.run(follow(session.app, run_id, view, after=last.seq))
    if isinstance(last.body, RunFinished):
        if on_finished:
            session.run(_awaited(on_finished, last))
        return 0
    return exit_code_of(last.body.code) if isinstance(last.body, RunFailed) else INTERRUPTED


async def _awaited(on_finished: Callable[[Event], Awaitable[None]], last: Event) -> None:
    await on_finished(last)


def _ask(questions: tuple[ApprovalQuestion, ...]) -> dict[str, Answer] | None:
    """None: nobody is there to answer, or somebody would rather answer later."""
    if not sys.stdin.isatty():
        return None
    try:
        return {item.step.id: _ask_one(item) for item in questions}
    except click.Abort:
        click.echo(err=True)
        return None


def _ask_one(item: ApprovalQuestion) -> Answer:
    choices = ["y", "n", "e"] if item.consent else ["y", "n", "e", "a"]
    words = "yes, no, edit" if item.consent else "yes, no, edit, always in this conversation"
    prompt = f"{item.step.id} {item.step.tool}: {words}"
    chosen: str = click.prompt(prompt, type=click.Choice(choices), err=True)
    if chosen == "n":
        return Answer(action="deny", reason=click.prompt("Why", default="", show_default=False, err=True))
    if chosen == "e":
        return Answer(action="edit", args=_edited(item))
    return Answer(action="approve", remember=chosen == "a")


def _edited(item: ApprovalQuestion) -> dict[str, Any]:
    """The step's arguments, each kept with Enter."""
    args: dict[str, Any] = {}
    for name, value in item.step.args.items():
        text = click.prompt(name, default=value if isinstance(value, str) else json.dumps(value), err=True)
        args[name] = text if isinstance(value, str) else _parsed(text)
    return args


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_answers(yes: bool, deny: bool, args: str | None, step: str, reason: str, remember: bool) -> dict[str, Answer]:
    """What the options of ``runs approve`` say. Raises InputError unless it is one of the three."""
    if yes + deny + (args is not None) != 1:
        raise InputError("Approve, deny or edit?", fix="Give one of --yes, --deny and --args JSON.")
    try:
        given = None if args is None else json.loads(args)
    except ValueError as error:
        raise InputError(f"--args is not JSON: {error}.", fix="""For example: --args '{"text": "Hello"}'""") from error
    action = "approve" if yes else "deny" if deny else "edit"
    try:
        answer = Answer.model_validate({"action": action, "args": given, "reason": reason, "remember": remember})
    except ValidationError as error:
        raise InputError(f"The answer does not fit: {error.errors()[0]['msg']}.") from error
    return {step: answer}
