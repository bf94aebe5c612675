"""What the commands share: an app on an event loop that lives as long as the command, and files in and out."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from agent.app import App, open_app
from engines.errors import InputError
from memory.artifact_types import ArtifactRef, Lineage
from memory.events import ApprovalRequired, Event

T = TypeVar("T")


class Session:
    """Runs coroutines one after the other; Ctrl-C cancels the one that runs (as `asyncio.Runner` does)."""

    def __init__(self, runner: asyncio.Runner, app: App) -> None:
        self._runner = runner
        self.app = app

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Raises KeyboardInterrupt after Ctrl-C, when the work has been cancelled and has ended."""
        return self._runner.run(work)


@contextmanager
def open_session() -> Iterator[Session]:
    """The app, taken down in order however the command ends."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def enter() -> App:
            return await stack.enter_async_context(open_app())

        app = runner.run(enter())
        try:
            yield Session(runner, app)
        finally:
            runner.run(stack.aclose())


async def attach(app: App, files: Sequence[Path]) -> list[ArtifactRef]:
    """Files as artifacts. Raises InputError for one that can't be read, MediaError for one that holds no media."""
    for path in files:
        try:
            _check_readable(path)
        except OSError as error:  # a name that is too long, a folder that may not be entered
            raise InputError(f"{path} can't be read: {error.strerror}.", fix="Check the name.") from error
    return [await app.artifacts.add_file(path, name=path.name, lineage=Lineage(tool="upload")) for path in files]


async def save(app: App, artifacts: Sequence[ArtifactRef], folder: Path) -> list[Path]:
    """Copies of artifacts under names of their own; nothing is overwritten. Raises InputError when it can't be done."""
    sources = [await app.artifacts.path(artifact.id) for artifact in artifacts]
    try:
        return [_copy(path, folder, artifact.name) for path, artifact in zip(sources, artifacts, strict=True)]
    except OSError as error:
        why = f"Nothing can be saved in {folder}: {error.strerror}."
        raise InputError(why, fix="Name another folder with --save.") from error


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder.", fix="Attach the files in it one by one: -f FILE -f FILE.")
    if not path.is_file():
        raise InputError(f"There is no file {path}.", fix="Check the name.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read.", fix="Change its permissions.")


class View(Protocol):
    """Shows a run's events, in whatever form."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


async def follow(app: App, run_id: str, view: View, *, after: int = -1) -> Event:
    """Show what comes of a run after ``after``, until it ends or asks its user, and return the last event. When this is
    cancelled, so is the run.
    """
    last: Event | None = None
    try:
        async for event in app.agent.events(run_id, after=after):
            view.show(event)
            last = event
            if isinstance(event.body, ApprovalRequired):
                break
    except asyncio.CancelledError:
        await app.agent.cancel(run_id)
        async for event in app.agent.events(run_id, after=last.seq if last else after):
            view.show(event)
        raise
    finally:
        view.close()
    if last is None:
        raise InputError("The run has no events.", fix="Send the message again.")
    return last


def _copy(source: Path, folder: Path, name: str) -> Path:
    """To ``speech.wav``, or ``speech-2.wav`` ..."""
    folder.mkdir(parents=True, exist_ok=True)
    target, number = folder / name, 1
    while target.exists():
        number += 1
        target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    shutil.copyfile(source, target)
    return target
