"""A home of its own for each test, and short words for what tests do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from scripted_chat import write_script

from agent.app import App, open_app
from agent.settings import load_settings
from memory.artifact_types import Lineage
from memory.events import Event

MEDIA = Path(__file__).parents[1] / "media"


@asynccontextmanager
async def scripted_app(home: Path, rules: list[dict[str, Any]]) -> AsyncIterator[App]:
    """The whole product over a home folder, with a script for a chat model. ``SENSORIUM_HOME`` must name ``home``."""
    write_script(home, rules)
    async with open_app(load_settings()) as app:
        yield app


async def upload(app: App, *names: str) -> list[str]:
    """Files of ``tests/media`` as attachments."""
    refs = [await app.artifacts.add_file(MEDIA / name, name=name, lineage=Lineage(tool="upload")) for name in names]
    return [ref.id for ref in refs]


async def events_of(app: App, run_id: str, after: int = -1) -> list[Event]:
    """Until the run has ended."""
    return [event async for event in app.agent.events(run_id, after=after)]


async def turn(app: App, message: str, *files: str, thread: str = "talk") -> list[Event]:
    """One whole turn."""
    info = await app.agent.start(message, thread_id=thread, attachments=await upload(app, *files))
    return await events_of(app, info.id)


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]
