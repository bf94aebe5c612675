"""``sensorium actions``: what people do in videos, learned from examples."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from agent.cli import INTERRUPTED
from agent.cli.session import Session, attach, open_session
from agent.settings import load_settings
from engines.errors import InputError
from engines.video.action_store import ActionStore
from tools.video.recognize_action import FOLDER


@click.group()
def actions() -> None:
    """Teach it actions by example clips; list and forget them."""


@actions.command()
@click.argument("label")
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
def enrol(label: str, clips: tuple[Path, ...]) -> int:
    """Learn action LABEL from each of CLIPS: one person from head to knees, doing nothing else, 0.5 to 20 s."""
    with open_session() as session:
        for clip in clips:
            try:
                click.echo(session.run(_enrol(session, label, clip)))
            except KeyboardInterrupt:
                return INTERRUPTED
    return 0


@actions.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_actions(as_json: bool) -> None:
    """What has been learned."""
    known = _store().known()
    if as_json:
        rows = [{"label": item.label, "examples": item.examples, "seconds": round(item.seconds, 2)} for item in known]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not known:
        click.echo("Nothing yet. Show an example: sensorium actions enrol LABEL CLIP")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("action", "examples", "seconds"):
        table.add_column(column)
    for item in known:
        table.add_row(item.label, str(item.examples), f"{item.seconds:.1f}")
    Console().print(table)


@actions.command()
@click.argument("label")
def remove(label: str) -> None:
    """Forget action LABEL and its examples."""
    count = _store().remove(label)
    click.echo(f"Forgot {label}: {count} example{'' if count == 1 else 's'}.")


def _store() -> ActionStore:
    return ActionStore(load_settings().home / FOLDER)


async def _enrol(session: Session, label: str, clip: Path) -> str:
    (ref,) = await attach(session.app, [clip])
    if ref.kind != "video":
        raise InputError(f"{ref.name} is {ref.kind}.", fix="Give a video.")
    args = {"video": ref.id, "label": label}
    outcome = await session.app.tools.run("enrol_action", args, call_id="cli", emit=lambda _: None)
    return f"{ref.name}: {outcome.result.summary()}"
