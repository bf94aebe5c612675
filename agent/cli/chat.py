"""``sensorium chat`` and ``sensorium plan``."""

from __future__ import annotations

import json
import mimetypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from agent.cli import INTERRUPTED
from agent.cli.session import Session, View, attach, follow, open_session, save
from agent.cli.views import JsonView, TerminalView
from engines.errors import InputError, MediaError, NotFoundError, SensoriumError, exit_code_of
from engines.media import Limits, probe
from graphs.plan import Offer, Plan
from memory.events import Event, RunFailed, RunFinished
from tools.types import MediaKind

_FILES = click.option(
    "-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help="Attach a file. May be repeated."
)
_MODEL = click.option("--model", help="Chat model: an id from `sensorium models list`, ollama/NAME or openai/NAME.")


@click.command()
@click.argument("message", required=False)
@_FILES
@click.option("--thread", help="Go on with this conversation, or begin it. Any word will do.")
@_MODEL
@click.option("--json", "as_json", is_flag=True, help="Print one event a line.")
@click.option("--save", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where media are saved.")
@click.option("--retry", is_flag=True, help="Run the last message of --thread again.")
def chat(
    message: str | None,
    files: tuple[Path, ...],
    thread: str | None,
    model: str | None,
    as_json: bool,
    folder: Path | None,
    retry: bool,
) -> int:
    """Talk to the agent: one turn, or a conversation without MESSAGE.

    MESSAGE "-" is read from standard input. Media that tools make are saved and named.
    """
    if retry and not thread:
        raise InputError("--retry needs the conversation.", fix="Add --thread ID.")
    if retry and (message is not None or files):
        raise InputError("--retry runs the last message again, with its files.", fix="Leave MESSAGE and -f out.")
    if message == "-":
        message = sys.stdin.read()
    with open_session() as session:
        turns = _Turns(session, thread, model, as_json, folder)
        if retry:
            return turns.retry()
        if message is not None or files:
            return turns.take(message or "", files)
        return turns.converse()


class _Turns:
    """The turns of one command, in one conversation."""

    def __init__(
        self, session: Session, thread: str | None, model: str | None, as_json: bool, folder: Path | None
    ) -> None:
        self._session = session
        self._thread = thread
        self._model = model
        self._as_json = as_json
        self._folder = folder

    def take(self, message: str, files: Sequence[Path]) -> int:
        """One turn; returns the exit code."""
        return self._guarded(self._start(message, files))

    def retry(self) -> int:
        """The conversation's last message once more."""

        async def start() -> str:
            runs = await self._session.app.chats.runs(cast("str", self._thread))
            if not runs:
                raise NotFoundError(f"The conversation {self._thread!r} has no message yet.")
            return (await self._session.app.agent.retry(runs[-1].id, model=self._model)).id

        return self._guarded(start())

    def converse(self) -> int:
        """A turn a line until the end of input. Ctrl-C stops the turn, and at the prompt the conversation."""
        click.echo("Talk to Sensorium. Attach a file with /file PATH; end with Ctrl-D.", err=True)
        files: list[Path] = []
        while True:
            try:
                line = input("> ") if sys.stdin.isatty() else sys.stdin.readline()
            except (EOFError, KeyboardInterrupt):
                click.echo(err=True)
                return 0
            if not line and not sys.stdin.isatty():
                return 0
            if line.startswith("/file "):
                files.append(Path(os.path.expanduser(line.removeprefix("/file ").strip())))  # noqa: PTH111 - never raises
            elif line.strip():
                self._turn_of_conversation(line.strip(), files)
                files = []

    def _turn_of_conversation(self, message: str, files: Sequence[Path]) -> None:
        try:
            self.take(message, files)
        except SensoriumError as error:  # the conversation goes on
            click.echo(f"Error: {error}", err=True)

    def _guarded(self, start: Any) -> int:
        try:
            return self._session.run(self._turn(start))
        except KeyboardInterrupt:
            return INTERRUPTED

    async def _start(self, message: str, files: Sequence[Path]) -> str:
        app = self._session.app
        attachments = [ref.id for ref in await attach(app, files)]
        info = await app.agent.start(message, thread_id=self._thread, attachments=attachments, model=self._model)
        self._thread = info.thread_id
        return info.id

    async def _turn(self, start: Any) -> int:
        run_id: str = await start
        view: View = JsonView() if self._as_json else TerminalView()
        last = await follow(self._session.app, run_id, view)
        if isinstance(last.body, RunFinished):
            await self._save(last)
            return 0
        return exit_code_of(last.body.code) if isinstance(last.body, RunFailed) else INTERRUPTED

    async def _save(self, last: Event) -> None:
        body = cast("RunFinished", last.body)
        app = self._session.app
        folder = self._folder or app.settings.home / "media" / cast("str", self._thread)
        saved = await save(app, body.artifacts, folder) if body.artifacts else []
        if self._as_json:
            return
        for path in saved:
            click.echo(f"Saved {path}", err=True)
        click.secho(f"Go on with: sensorium chat --thread {self._thread}", err=True, dim=True)


@click.command()
@click.argument("message")
@_FILES
@_MODEL
@click.option("--json", "as_json", is_flag=True, help='Print {"steps": [...], "edges": [[0, 1]]}.')
def plan(message: str, files: tuple[Path, ...], model: str | None, as_json: bool) -> int:
    """Show the plan for MESSAGE without running it. Attached files need not exist: their names are enough."""
    offers = [Offer(path.name, _kind(path), path.name) for path in files]
    with open_session() as session:
        try:
            made = session.run(session.app.agent.plan(message, offers, model=model))
        except KeyboardInterrupt:
            return INTERRUPTED
    click.echo(json.dumps(as_data(made), ensure_ascii=False) if as_json else _for_people(made))
    return 0


def as_data(made: Plan) -> dict[str, Any]:
    """A plan for programs; edges are pairs of 0-based step numbers."""
    return {"steps": [step.model_dump() for step in made.steps], "edges": [list(edge) for edge in made.edges]}


def _for_people(made: Plan) -> str:
    if not made.steps:
        return "No tool is needed: the chat model answers by itself."
    lines = [f"{s.id} {s.tool}({', '.join(f'{k}={v!r}' for k, v in s.args.items())})" for s in made.steps]
    return "\n".join([*lines, *made.notes])


def _kind(path: Path) -> MediaKind:
    """By content if the file is there, else by its name's ending."""
    if path.is_file():
        return probe(path, limits=Limits()).kind
    kind = (mimetypes.guess_type(path.name)[0] or "").split("/")[0]
    if kind not in ("image", "audio", "video", "text"):
        raise MediaError(f"What kind of file is {path.name}?", fix="Give it a known ending such as .jpg, .wav or .mp4.")
    return cast("MediaKind", kind)
