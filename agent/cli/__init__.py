"""The command line. Each command's module is imported when the command is run, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any

import click

from engines.errors import SensoriumError

#: Command -> (where it is, its line in ``--help``).
COMMANDS = {
    "chat": ("agent.cli.chat:chat", "Talk: one turn, or a conversation without MESSAGE."),
    "runs": ("agent.cli.runs:runs", "List runs that wait or were interrupted; approve, resume and stop them."),
    "history": ("agent.cli.travel:history", "Show a conversation run by run, with its forks."),
    "fork": ("agent.cli.travel:fork", "Go on from an earlier message, in a new conversation."),
    "replay": ("agent.cli.travel:replay", "Run a message again as it was run, and compare."),
    "compare": ("agent.cli.travel:compare", "Compare two runs step by step."),
    "plan": ("agent.cli.chat:plan", "Show the plan for a message without running it."),
    "tools": ("agent.cli.tools:tools", "List the tools, or run one directly."),
    "voices": ("agent.cli.voices:voices", "List the voices that read aloud."),
    "actions": ("agent.cli.actions:actions", "Teach it actions by example clips; list and forget them."),
    "artifacts": ("agent.cli.artifacts:artifacts", "List media, show their lineage, make them again, clean up."),
    "memory": ("agent.cli.memory:memory", "See, edit, forget and export what is remembered."),
    "feedback": ("agent.cli.feedback:feedback", "Say what answers are like, and read what was said."),
    "me": ("agent.cli.me:me", "Choose a chat model for all turns, and which tools ask first."),
    "usage": ("agent.cli.me:usage", "Add up tokens and time by chat model."),
    "models": ("agent.cli.models:models", "List, fetch, check and remove models."),
    "doctor": ("agent.cli.doctor:doctor", "Say what is ready, what is missing and what mends it."),
    "config": ("agent.cli.config:config", "Print the settings, documented, as a file to start from."),
    "serve": ("agent.cli.serve:serve", "Start the API."),
    "up": ("agent.cli.serve:up", "Start the API and the page."),
}

WAITING = 6
"""Exit code when a run waits for an answer: `sensorium runs approve` gives it."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


class LazyGroup(click.Group):
    """A group that knows its commands by name only (click's "lazily loading subcommands")."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sensorium")
def cli() -> None:
    """Sensorium: a self-hosted multimodal agent."""


def _prepare_streams() -> None:
    """Input that is no text and a terminal that lacks a character must not end in a trace."""
    if sys.stdin is None:  # closed by whoever started us
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - lives as long as the process
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main(args: list[str] | None = None) -> None:
    """The console script: runs a command and turns errors into one line and an exit code."""
    _prepare_streams()
    try:
        result: Any = cli.main(args=args, prog_name="sensorium", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SensoriumError as error:
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        sys.stderr.close()
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)
