"""``sensorium tools``: what there is, and calling one directly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from rich.console import Console
from rich.table import Table

from agent.cli import INTERRUPTED
from agent.cli.session import Session, attach, open_session, save
from agent.cli.views import TerminalView
from engines.errors import InputError
from memory.events import Event, EventBody
from tools.offered import offered_tools
from tools.registry import Outcome
from tools.spec import ToolSpec


@click.group()
def tools() -> None:
    """List the tools, or run one directly."""


@tools.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print names, purposes and parameter schemas.")
def list_tools(as_json: bool) -> None:
    """What the agent can do."""
    if as_json:
        click.echo(json.dumps([_as_data(spec) for spec in offered_tools()], ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("tool", "parameters", "gives", "purpose"):
        table.add_column(column, no_wrap=column == "tool")
    for spec in offered_tools():
        options = [name for name in spec.parameters.model_fields if name not in spec.required | spec.one_of]
        names = ["|".join(sorted(spec.one_of))] if spec.one_of else []
        names += [*sorted(spec.required), *(rf"\[{name}]" for name in options)]
        table.add_row(spec.name, " ".join(names), ", ".join(spec.produces) or "facts", spec.purpose)
    Console().print(table)


@tools.command()
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--save", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where media are saved.")
def run(name: str, arguments: tuple[str, ...], as_json: bool, folder: Path | None) -> int:
    """Run tool NAME. Pictures and recordings are given as files: image=photo.jpg."""
    with open_session() as session:
        spec = session.app.tools.get(name)
        try:
            outcome = session.run(_run(session, spec, _pairs(arguments), as_json))
        except KeyboardInterrupt:
            return INTERRUPTED
        saved = session.run(save(session.app, outcome.artifacts, folder)) if folder else []
    if as_json:
        click.echo(json.dumps(_outcome_data(outcome), ensure_ascii=False))
        return 0
    click.echo(outcome.result.summary())
    for path in saved:
        click.echo(f"Saved {path}", err=True)
    if outcome.artifacts and not folder:
        click.echo(f"It made {', '.join(item.name for item in outcome.artifacts)}: keep it with --save DIR.", err=True)
    return 0


async def _run(session: Session, spec: ToolSpec, given: Mapping[str, str], quiet: bool) -> Outcome:
    args: dict[str, Any] = {name: _value(spec, name, text) for name, text in given.items()}
    for name, kind in spec.media_parameters.items():
        if kind != "text" and name in args:
            (ref,) = await attach(session.app, [Path(args[name])])
            if ref.kind != kind:
                raise InputError(f"{name} must be {kind}; {ref.name} is {ref.kind}.", fix="Name another file.")
            args[name] = ref.id
    view = TerminalView(show_receipts=False)

    def show(body: EventBody) -> None:
        if not quiet and body.type != "tool.finished":
            view.show(Event.model_construct(run_id="", seq=0, at=None, body=body))

    try:
        return await session.app.tools.run(spec.name, args, call_id=f"cli-{uuid4().hex}", emit=show)
    finally:
        view.close()


def _value(spec: ToolSpec, name: str, text: str) -> Any:
    """Lists and objects are written as JSON: ``point=[120,80]``; everything else is taken as it is."""
    kind = spec.parameters_schema()["properties"].get(name, {})
    kinds = {option.get("type") for option in (kind, *kind.get("anyOf", ()))}
    if not kinds & {"array", "object"}:
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise InputError(f"{name} is no JSON: {text[:80]}.", fix="Write for example: point=[120,80]") from None


def _pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise InputError(f"{argument!r} is no KEY=VALUE.", fix="Write for example: image=photo.jpg")
        pairs[key] = value
    return pairs


def _as_data(spec: ToolSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "purpose": spec.purpose,
        "parameters": spec.parameters_schema(),
        "result": spec.result.model_json_schema(),
        "one_of": sorted(spec.one_of),
        "cost_seconds": spec.cost.seconds,
        "danger": spec.danger.value,
    }


def _outcome_data(outcome: Outcome) -> dict[str, Any]:
    return {
        "result": outcome.result.model_dump(mode="json"),
        "summary": outcome.result.summary(),
        "artifacts": [artifact.model_dump(mode="json") for artifact in outcome.artifacts],
        "receipts": [receipt.model_dump(mode="json") for receipt in outcome.receipts],
        "seconds": outcome.seconds,
    }
