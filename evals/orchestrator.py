"""How good are the plans? ``python -m evals.orchestrator --data FILE --out PRED.jsonl``

Reads requests (JSON lines: ``id, request, attachments [{kind, name}]``; more keys are ignored), plans each with the
tools that the benchmark has names for, and writes ``{"id", "nodes": [{"tool", "args"}], "edges": [[0, 1]]}`` a line.
Attachments need not exist as files, nor models for the languages that requests name. A run that was interrupted goes on
where it stopped.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from agent.app import App, open_app
from agent.settings import Settings, load_settings
from engines.errors import SensoriumError
from evals.rows import read_rows
from graphs.plan import Offer, Plan

#: The tools that requests are labelled with.
TOOLS = (
    "generate_image",
    "edit_image",
    "controlnet_image",
    "segment_image",
    "detect_objects",
    "estimate_depth",
    "classify_image",
    "caption_image",
    "transcribe_audio",
    "detect_speech",
    "speak",
    "clone_voice",
    "translate",
    "analyze_sentiment",
    "detect_emotion",
    "recognize_action",
)

#: Arguments that the benchmark calls otherwise.
_ARGUMENTS = {("clone_voice", "reference"): "audio"}


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--model", help="Chat model; none: the default.")
@click.option("--planner", type=click.Choice(["auto", "parser", "chat"]), help="Who plans; none: as it is set.")
@click.option("--sure", type=click.FloatRange(0, 1), help="auto: from this certainty on the parser is not doubted.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many rows.")
@click.option("--every", type=click.IntRange(min=1), default=1, help="Only every so manieth row.")
@click.option("--all-tools", is_flag=True, help="All tools are on offer, also those the benchmark has no name for.")
def main(data: Path, out: Path, model: str | None, limit: int | None, every: int, **given: Any) -> None:
    """Plan every request in --data and write the plans to --out."""
    try:
        rows = list(read_rows(data))[::every][:limit]
        done = {row["id"] for row in read_rows(out)} if out.exists() else set()
        asyncio.run(_predict([row for row in rows if row["id"] not in done], out, model, _settings(**given)))
    except SensoriumError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise click.ClickException("Interrupted; the same command goes on from here.") from None


def _settings(planner: str | None, sure: float | None, all_tools: bool) -> Settings:
    changes: dict[str, Any] = {} if all_tools else {"tools": TOOLS}
    if planner:
        changes["planner"] = planner
    if sure is not None:
        changes["planner_sure"] = sure
    return load_settings(**changes)


async def _predict(rows: list[dict[str, Any]], out: Path, model: str | None, settings: Settings) -> None:
    seconds: list[float] = []
    failures = 0
    cpu = time.process_time()
    async with open_app(settings, any_language=True) as app:
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
    offers = [Offer(item["name"], item["kind"], item["name"], is_file=True) for item in row["attachments"]]
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
                _ARGUMENTS.get((step.tool, name), name): f"<node-{number[value]}>" if value in number else value
                for name, value in step.args.items()
            },
        }
        for step in plan.steps
    ]
    return {"id": row_id, "nodes": nodes, "edges": [list(edge) for edge in plan.edges]}


def _percentiles(seconds: Iterable[float]) -> str:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"median {statistics.median(ordered):.2f} s, p95 {p95:.2f} s"


if __name__ == "__main__":
    main()
