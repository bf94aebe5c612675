"""How a turn looks in a terminal: live plan and tool progress, then the answer as it comes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from memory.events import (
    ApprovalRequired,
    Event,
    Log,
    MessageDelta,
    MessageHeard,
    ModelLoading,
    ModelSwitched,
    PlanMade,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunResumed,
    ToolFailed,
    ToolFinished,
    ToolProgress,
    ToolRetrying,
    ToolStarted,
)

#: Control characters, save tab and line feed.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class JsonView:
    """One event a line, for programs."""

    def show(self, event: Event) -> None:
        click.echo(json.dumps(event.to_wire(), ensure_ascii=False))

    def close(self) -> None:
        """Nothing is kept open."""


class TerminalView:
    """For people. What passes (plan, bars) goes to stderr and the answer to stdout, so that a pipe gets the answer."""

    def __init__(self, *, show_receipts: bool = True) -> None:
        # What models and files say is shown as it is: ":100:" is no emoji.
        self._out = Console(highlight=False, emoji=False)
        self._side = Console(stderr=True, highlight=False, emoji=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=self._side,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._show_receipts = show_receipts
        self._in_answer = False
        self._handlers: dict[str, Callable[[Any], None]] = {
            "model.loading": self._loading,
            "plan.made": self._plan,
            "tool.started": self._tool_started,
            "tool.progress": self._tool_progress,
            "tool.finished": self._tool_finished,
            "tool.failed": self._tool_failed,
            "message.delta": self._delta,
            "log": self._log,
            "approval.required": self._asked,
            "run.interrupted": self._interrupted,
            "run.resumed": self._resumed,
            "tool.retrying": self._retrying,
            "message.heard": self._heard,
            "model.switched": self._switched,
            "run.finished": self._finished,
            "run.failed": self._failed,
            "run.cancelled": self._cancelled,
        }

    def show(self, event: Event) -> None:
        if event.type == "run.started":
            self._task("thinking", "Thinking")
        elif handler := self._handlers.get(event.type):
            handler(event.body)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()
        if self._in_answer:
            self._out.print()
            self._in_answer = False

    def _loading(self, body: ModelLoading) -> None:
        if body.fraction is not None and body.fraction >= 1:
            self._drop(body.model)
        else:
            self._task(body.model, f"Loading {body.model}", body.fraction, body.message)

    def _plan(self, body: PlanMade) -> None:
        self._drop("thinking")
        for step in body.steps:
            args = ", ".join(f"{name}={_short(value)}" for name, value in step.args.items())
            self._side.print(f"[dim]{step.id}[/] [cyan]{step.tool}[/][dim]({_plain(args)})[/]")
        for note in body.notes:
            self._side.print(f"[dim]   {_plain(note)}[/]")
        self._task("thinking", "Writing the answer" if not body.steps else "Working")

    def _tool_started(self, body: ToolStarted) -> None:
        self._task(body.call_id, body.tool)

    def _tool_progress(self, body: ToolProgress) -> None:
        self._task(body.call_id, "", body.fraction, body.message)
        if body.text.strip() and self._side.is_terminal:
            self._side.print(f"[dim]{_plain(body.text.strip())}[/]", soft_wrap=True)

    def _tool_finished(self, body: ToolFinished) -> None:
        self._drop(body.call_id)
        took = f"taken from run {body.taken_from}" if body.taken_from else f"{body.seconds:.1f} s"
        self._side.print(f"[green]✓[/] {body.tool} [dim]{took}[/]  {_plain(body.summary)}", soft_wrap=True)

    def _tool_failed(self, body: ToolFailed) -> None:
        self._drop(body.call_id)
        self._side.print(f"[red]✗[/] {body.tool}  {_plain(body.message)}", soft_wrap=True)

    def _delta(self, body: MessageDelta) -> None:
        if not self._in_answer:
            self._progress.stop()
            self._tasks.clear()
            self._in_answer = True
        self._out.print(without_controls(body.text), end="", markup=False, soft_wrap=True)
        self._out.file.flush()

    def _log(self, body: Log) -> None:
        self._side.print(f"[dim]{_plain(body.message)}[/]")

    def _asked(self, body: ApprovalRequired) -> None:
        self.close()
        for item in body.questions:
            args = ", ".join(f"{name}={_short(value)}" for name, value in item.step.args.items())
            dollars = f", about ${item.dollars:.2f}" if item.dollars else ""
            self._side.print(f"[yellow]?[/] {item.step.id} [cyan]{item.step.tool}[/][dim]({_plain(args)})[/]")
            self._side.print(f"  {_plain(item.text)} [dim]About {item.seconds:g} s{dollars}.[/]", soft_wrap=True)

    def _interrupted(self, body: RunInterrupted) -> None:
        self.close()
        self._side.print(f"[yellow]{_plain(f'{body.message} {body.fix}'.strip())}[/]", soft_wrap=True)

    def _resumed(self, body: RunResumed) -> None:
        del body
        self.close()
        self._side.print("[dim]Going on.[/]")

    def _retrying(self, body: ToolRetrying) -> None:
        self._side.print(f"[dim]{body.tool}: {_plain(body.message)} Trying again.[/]", soft_wrap=True)

    def _heard(self, body: MessageHeard) -> None:
        self._side.print(f"[dim]Heard:[/] {_plain(body.transcript)}", soft_wrap=True)

    def _switched(self, body: ModelSwitched) -> None:
        self._side.print(f"[dim]{_plain(body.reason)}[/]", soft_wrap=True)

    def _finished(self, body: RunFinished) -> None:
        self.close()
        if not self._show_receipts:
            return
        for what in body.left_out:
            self._side.print(f"[dim]{_plain(what)}[/]", soft_wrap=True)
        models = dict.fromkeys(receipt.title for receipt in body.receipts)
        tokens = body.usage.prompt_tokens + body.usage.completion_tokens
        self._side.print(f"[dim]{_plain(', '.join(models))} · {tokens} tokens · {body.seconds:.1f} s[/]")

    def _failed(self, body: RunFailed) -> None:
        self.close()
        self._side.print(f"[bold red]Error:[/] {_plain(f'{body.message} {body.fix}'.strip())}", soft_wrap=True)

    def _cancelled(self, body: RunCancelled) -> None:
        self.close()
        self._side.print(f"[yellow]{_plain(body.reason.capitalize())}.[/]")

    def _task(self, key: str, description: str, fraction: float | None = None, note: str = "") -> None:
        if not self._side.is_terminal or self._in_answer:
            return
        self._progress.start()
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(description, total=None, note="")
        shown: dict[str, Any] = {"note": _plain(note)}
        if fraction is not None:
            shown |= {"total": 1.0, "completed": fraction}
        self._progress.update(self._tasks[key], **shown)

    def _drop(self, key: str) -> None:
        if key in self._tasks:
            self._progress.remove_task(self._tasks.pop(key))


def _plain(text: str) -> str:
    """Text from models and files as it is: no markup, and nothing that would steer the terminal."""
    return escape(without_controls(text))


def without_controls(text: str) -> str:
    """Without what would steer the terminal."""
    return _CONTROL.sub("", text)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
