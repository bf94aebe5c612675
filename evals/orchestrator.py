"""How good are the plans? ``python -m evals.orchestrator --data FILE --out PRED.jsonl``

Reads requests (JSON lines: ``id, request, attachments [{kind, name}]``; more keys are ignored), plans each, and writes
``{"id", "nodes": [{"tool", "args"}], "edges": [[0, 1]]}`` a line. Attachments need not exist as files. A run that was
interrupted goes on where it stopped. With ``--tools-on-offer`` rows are left out whose ``expected`` names a tool that
does not exist here.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from agent.app import App, open_app
from engines.errors import InputError, SensoriumError
from graphs.plan import Offer, Plan
from tools.builtin import BUILT_IN


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--model", help="Chat model; none: the default.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many rows.")
@click.option("--tools-on-offer", is_flag=True, help="Only rows all of whose expected tools exist.")
def main(data: Path, out: Path, model: str | None, limit: int | None, tools_on_offer: bool) -> None:
    """Plan every request in --data and write the plans to --out."""
    try:
        rows = [row for row in _read(data) if not tools_on_offer or _all_on_offer(row)][:limit]
        done = {row["id"] for row in _read(out)} if out.exists() else set()
        asyncio.run(_predict([row for row in rows if row["id"] not in done], out, model))
    except SensoriumError as error:
        raise click.ClickException(str(error)) from error


async def _predict(rows: list[dict[str, Any]], out: Path, model: str | None) -> None:
    seconds: list[float] = []
    failures = 0
    cpu = time.process_time()
    async with open_app() as app:
        for number, row in enumerate(rows, 1):
            started = time.perf_counter()
            line, failed = await _row(app, row, model)
            seconds.append(time.perf_counter() - started)
            failures += failed
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            if number % 20 == 0 or number == len(rows):
                click.echo(f"{number}/{len(rows)}  {_percentiles(seconds)}  {failures} without a plan", err=True)
    if rows:
        click.echo(f"{(time.process_time() - cpu) / len(rows):.2f} CPU-s a plan (loading included)", err=True)


async def _row(app: App, row: dict[str, Any], model: str | None) -> tuple[dict[str, Any], bool]:
    offers = [Offer(item["name"], item["kind"], item["name"]) for item in row["attachments"]]
    try:
        return as_prediction(row["id"], await app.agent.plan(row["request"], offers, model=model)), False
    except SensoriumError as error:
        click.echo(f"{row['id']}: {error}", err=True)
        return {"id": row["id"], "nodes": [], "edges": [], "error": str(error)}, True


def as_prediction(row_id: str, plan: Plan) -> dict[str, Any]:
    """A reference to an earlier result is written as the scorers of this field have it: ``<node-0>``."""
    number = {step.id: index for index, step in enumerate(plan.steps)}
    nodes = [
        {
            "tool": step.tool,
            "args": {
                name: f"<node-{number[value]}>" if value in number else value for name, value in step.args.items()
            },
        }
        for step in plan.steps
    ]
    return {"id": row_id, "nodes": nodes, "edges": [list(edge) for edge in plan.edges]}


def _percentiles(seconds: Iterable[float]) -> str:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"median {statistics.median(ordered):.2f} s, p95 {p95:.2f} s"


def _all_on_offer(row: dict[str, Any]) -> bool:
    names = {spec.name for spec in BUILT_IN}
    return all(node["tool"] in names for node in row["expected"]["nodes"])


def _read(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path.name}, line {number}, is not JSON: {error}.") from error


if __name__ == "__main__":
    main()
