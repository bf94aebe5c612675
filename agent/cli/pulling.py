"""What ``sensorium models pull`` has to fetch, from where, and how its progress is shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click

from agent.settings import Settings
from engines.downloads import OnPullProgress, PullProgress
from engines.readiness import Shelf
from engines.weights import WeightStore

_PLAIN_SECONDS = 5.0
"""How often a pull that is not watched on a terminal says how far it is."""


@dataclass(frozen=True)
class Job:
    """One thing to fetch. ``work`` None: there is nothing to; ``done`` says why, or where it is afterwards."""

    id: str
    bytes: int
    work: Callable[[OnPullProgress], object] | None
    done: str


def jobs(ids: Sequence[str], shelf: Shelf, store: WeightStore, settings: Settings) -> list[Job]:
    """A job for each named model and whatever it needs beside it; without names, for all embedded ones.

    ``ollama/NAME`` stands for a model on the Ollama server. Raises NotFoundError.
    """
    names = ids or [entry.id for entry in shelf.catalog if entry.embedded and entry.files]
    return list({job.id: job for name in names for job in _of(name, shelf, store, settings)}.values())


def _of(name: str, shelf: Shelf, store: WeightStore, settings: Settings) -> Iterator[Job]:
    provider, _, served = name.partition("/")
    if provider == "ollama" and served:
        yield _on_ollama(name, served, settings.ollama_url)
        return
    entry = shelf.catalog.get(name)
    if entry.options.get("provider") == "ollama" and "model" in entry.options:
        yield _on_ollama(entry.id, entry.options["model"], settings.ollama_url)
        return
    for each in shelf.with_weights_of(entry):
        if each.has_weights:
            yield Job(each.id, each.bytes, _pulling(store, each.id, shelf), f"ready in {store.folder(each)}")
        elif each.remote:
            yield Job(each.id, 0, None, f"runs on another server, nothing to fetch. {each.note}")
        else:
            yield Job(each.id, 0, None, "nothing to fetch")


def _pulling(store: WeightStore, model_id: str, shelf: Shelf) -> Callable[[OnPullProgress], object]:
    return lambda tell: store.pull(shelf.catalog.get(model_id), on_progress=tell)


def _on_ollama(name: str, model: str, url: str) -> Job:
    from engines.text.ollama_pull import pull_on_ollama

    return Job(name, 0, lambda tell: pull_on_ollama(url, model, on_progress=tell), f"ready on the server at {url}")


def run(job: Job) -> None:
    """Do it, with a bar on a terminal and lines elsewhere."""
    if job.work is None:
        click.echo(f"{job.id}: {job.done}")
    elif sys.stdout.isatty():
        _with_bar(job, job.work)
    else:
        job.work(_plain_lines())
        click.echo(f"{job.id}: {job.done}")


def _with_bar(job: Job, work: Callable[[OnPullProgress], object]) -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TextColumn("[dim]{task.fields[note]}")) as bar:
        task = bar.add_task(job.id, total=job.bytes or None, rate="", note="")

        def show_progress(progress: PullProgress) -> None:
            rate = f"{_size(int(progress.rate))}/s" if progress.rate else ""
            bar.update(task, total=progress.total or None, completed=progress.done, rate=rate, note=progress.message)

        work(show_progress)
        total = bar.tasks[0].total or job.bytes or 1
        bar.update(task, total=total, completed=total, rate="", note="ready")


def _plain_lines() -> OnPullProgress:
    """A line when something new begins, and one every few seconds."""
    said, at = "", 0.0

    def say(progress: PullProgress) -> None:
        nonlocal said, at
        now = time.monotonic()
        if progress.message != said or now - at >= _PLAIN_SECONDS:
            far = f"{_size(progress.done)} of {_size(progress.total)}, {_size(int(progress.rate))}/s, "
            click.echo(f"{progress.model}: {far if progress.done else ''}{progress.message}")
            said, at = progress.message, now

    return say


def _size(size: int) -> str:
    from rich.filesize import decimal

    return decimal(size)
