"""``sensorium chat`` and ``sensorium plan``."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import click

from agent.app import App
from agent.cli import INTERRUPTED
from agent.cli.asking import show_run
from agent.cli.session import Session, View, attach, open_session, save
from agent.cli.views import JsonView, TerminalView
from engines.errors import InputError, MediaError, NotFoundError, SensoriumError
from engines.media import Limits, probe
from graphs.options import TurnOptions
from graphs.plan import Offer, Plan
from memory.events import Event, RunFinished
from tools.types import MediaKind

_FILES = click.option(
    "-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help="Attach a file. May be repeated."
)
#: Seconds of reading for memory that nobody is told about.
_UNSAID = 0.5
_MODEL = click.option(
    "--model",
    help="Chat model: an id from `sensorium models list`, ollama/NAME, openai/NAME, or auto: chosen each turn.",
)


@click.command()
@click.argument("message", required=False)
@_FILES
@click.option("--thread", help="Go on with this conversation, or begin it. Any word will do.")
@_MODEL
@click.option("--json", "as_json", is_flag=True, help="Print one event a line.")
@click.option("--save", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where media are saved.")
@click.option("--voice", type=click.Path(path_type=Path), help="A recording whose words are the message.")
@click.option("--speak", is_flag=True, help="Read the answers aloud: the sound is saved.")
@click.option("--reply-language", help="Translate the answers into this language while they are written.")
@click.option("--tone/--no-tone", default=None, help="Let the tone heed your mood.")
@click.option("--retry", is_flag=True, help="Run the last message of --thread again.")
@click.option("--resume", is_flag=True, help="Go on with the last turn of --thread where it was interrupted.")
def chat(  # noqa: PLR0913, PLR0917 # a command's options are its parameters
    message: str | None,
    files: tuple[Path, ...],
    thread: str | None,
    model: str | None,
    as_json: bool,
    folder: Path | None,
    voice: Path | None,
    speak: bool,
    reply_language: str | None,
    tone: bool | None,
    retry: bool,
    resume: bool,
) -> int:
    """Talk to the agent: one turn, or a conversation without MESSAGE.

    MESSAGE "-" is read from standard input. Media that tools make are saved and named.
    """
    _check_again(retry, resume, thread, has_message=message is not None or bool(files or voice))
    if message == "-":
        message = sys.stdin.read()
    with open_session() as session:
        asked = session.app.options(speak=speak, reply_language=reply_language, tone=tone)
        turns = _Turns(session, thread, model, as_json, folder, asked)
        if retry or resume:
            code = turns.retry() if retry else turns.resume()
        elif message is not None or files or voice:
            code = turns.take(message or "", files, voice)
        else:
            code = turns.converse()
        if code != INTERRUPTED:
            with suppress(KeyboardInterrupt):
                session.run(_read_for_memory(session.app))
        return code


async def _read_for_memory(app: App) -> None:
    """Nobody reads for memory when the command has ended. What is left by Ctrl-C is read next time."""
    reading = asyncio.create_task(app.keeper.drain())
    done, _ = await asyncio.wait([reading], timeout=_UNSAID)
    if not done:
        click.secho("Reading the conversation for memory. Ctrl-C leaves it for the next time.", err=True, dim=True)
    await reading


def _check_again(retry: bool, resume: bool, thread: str | None, *, has_message: bool) -> None:
    if retry and resume:
        raise InputError("--retry begins anew and --resume goes on.", fix="Give one of them.")
    if (retry or resume) and not thread:
        raise InputError(f"{'--retry' if retry else '--resume'} needs the conversation.", fix="Add --thread ID.")
    if (retry or resume) and has_message:
        what = "--retry runs the last message again, with its files" if retry else "--resume goes on with the last turn"
        raise InputError(f"{what}.", fix="Leave MESSAGE and -f out.")


class _Turns:
    """The turns of one command, in one conversation."""

    def __init__(
        self,
        session: Session,
        thread: str | None,
        model: str | None,
        as_json: bool,
        folder: Path | None,
        options: TurnOptions,
    ) -> None:
        self._session = session
        self._thread = thread
        self._model = model
        self._as_json = as_json
        self._folder = folder
        self._after = -1  # the last event that need not be shown
        self._options = options

    def take(self, message: str, files: Sequence[Path], voice: Path | None = None) -> int:
        """One turn; returns the exit code."""
        return self._guarded(self._start(message, files, voice))

    def retry(self) -> int:
        """The conversation's last message once more."""

        async def start() -> str:
            return (await self._session.app.agent.retry(await self._last_run(), model=self._model)).id

        return self._guarded(start())

    def resume(self) -> int:
        """The conversation's last turn, where it was interrupted."""

        async def start() -> str:
            run_id = await self._last_run()
            self._after = await self._session.app.agent.last_seq(run_id)
            return (await self._session.app.agent.resume(run_id)).id

        return self._guarded(start())

    async def _last_run(self) -> str:
        runs = await self._session.app.chats.runs(cast("str", self._thread))
        if not runs:
            raise NotFoundError(f"The conversation {self._thread!r} has no message yet.")
        return runs[-1].id

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
            run_id: str = self._session.run(start)
            return show_run(self._session, run_id, self._view(), after=self._after, on_finished=self._save)
        except KeyboardInterrupt:
            return INTERRUPTED

    def _view(self) -> View:
        return JsonView() if self._as_json else TerminalView()

    async def _start(self, message: str, files: Sequence[Path], voice: Path | None) -> str:
        app = self._session.app
        attachments = [ref.id for ref in await attach(app, files)]
        options = self._options
        if voice:
            options = options.model_copy(update={"voice": (await attach(app, [voice]))[0].id})
        info = await app.agent.start(
            message, thread_id=self._thread, attachments=attachments, model=self._model, options=options
        )
        self._thread = info.thread_id
        return info.id

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
