"""How good are the engines? ``python -m evals.engines --data FOLDER``

Measures every capability that FOLDER has items for, with the model that would be used, or another one that is named.
docs/quality.md describes the folder; ``python -m evals.samples FOLDER`` makes one from what the project ships.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from agent.app import App, open_app
from engines.errors import InputError, SensoriumError
from evals.suites import pictures, sound, texts
from evals.suites.base import Clock, Result, Suite, Task, read_items

SUITES: tuple[Suite, ...] = (*sound.SUITES, *pictures.SUITES, *texts.SUITES)


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--only", multiple=True, type=click.Choice([suite.name for suite in SUITES]), help="May be repeated.")
@click.option("--model", "models", multiple=True, help="A model to measure instead of the default. May be repeated.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many items of each.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines.")
def main(data: Path, only: tuple[str, ...], models: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Measure the engines on the items in --data."""
    chosen = [suite for suite in SUITES if (not only or suite.name in only) and (data / suite.name).is_dir()]
    if not chosen:
        raise click.ClickException(f"{data} has no folder named like a suite: {', '.join(s.name for s in SUITES)}.")
    try:
        asyncio.run(_measure_all(data, chosen, models, limit, as_json))
    except SensoriumError as error:
        raise click.ClickException(str(error)) from error


async def _measure_all(
    data: Path, suites: list[Suite], models: tuple[str, ...], limit: int | None, as_json: bool
) -> None:
    async with open_app() as app:
        async for result in _results(app, data, suites, models, limit):
            click.echo(json.dumps(asdict(result), ensure_ascii=False) if as_json else _line(result))


async def _results(
    app: App, data: Path, suites: list[Suite], models: tuple[str, ...], limit: int | None
) -> AsyncIterator[Result]:
    named = {app.catalog.get(model).capability: model for model in models}
    if strangers := sorted(set(named) - {suite.capability.capability for suite in suites}):
        raise InputError(f"Nothing here measures {', '.join(strangers)}.", fix="Name another model, or other data.")
    for suite in suites:
        capability = suite.capability.capability
        entry = app.controller.shelf.resolve(capability, named.get(capability))
        items = read_items(data / suite.name, suite)[:limit]
        try:
            yield await _measure(app, suite, entry.id, items, data / suite.name)
        except SensoriumError as error:  # the others can be measured all the same
            yield Result(suite.name, entry.id, len(items), problem=str(error))


async def _measure(app: App, suite: Suite, model: str, items: list[Any], folder: Path) -> Result:
    def use(capability: Any) -> AbstractAsyncContextManager[Any]:
        return app.controller.use(capability)

    clock = Clock()
    async with app.controller.use(suite.capability, model) as lease:
        figures = await suite.measure(Task(items, folder, lease, clock, use))
    count = max(1, len(items))
    return Result(suite.name, model, len(items), figures, round(clock.wall / count, 3), round(clock.cpu / count, 3))


def _line(result: Result) -> str:
    head = f"{result.suite:24} {result.model:22} {result.items:4} items  "
    if result.problem:
        return f"{head}not measured: {result.problem}"
    figures = ", ".join(f"{name} {value:g}" for name, value in result.figures.items())
    return f"{head}{figures}  ({result.wall_seconds:g} s, {result.cpu_seconds:g} CPU-s an item)"


if __name__ == "__main__":
    main()
