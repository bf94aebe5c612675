"""A run's events on their way to the log and to those who follow them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from homes import events_of, scripted_app, turn, types

from memory.event_log import EventLog
from memory.events import Event

HELLO = {"when": "Hello", "answer": "Hello, I am Sensorium.", "token_seconds": 0.05}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


async def test_what_could_not_be_logged_is_logged_with_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = EventLog.append
    failures = iter([True, False, True])

    async def sometimes(self: EventLog, events: Sequence[Event]) -> None:
        if events and next(failures, False):
            raise OSError("the disk is full")
        await append(self, events)

    monkeypatch.setattr(EventLog, "append", sometimes)
    async with scripted_app(tmp_path, [HELLO]) as app:
        seen = await turn(app, "Hello")
        assert types(seen)[-1] == "run.finished"
        assert await events_of(app, seen[0].run_id) == seen


async def test_a_run_of_another_process_that_ends_between_two_looks_is_followed_to_its_last_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted_app(tmp_path, [HELLO]) as app:
        seen = await turn(app, "Hello")
        read = EventLog.read
        looks = 0

        async def too_early(self: EventLog, *args: Any) -> list[Event]:
            nonlocal looks
            looks += 1
            return [] if looks == 1 else await read(self, *args)

        monkeypatch.setattr(EventLog, "read", too_early)
        assert await events_of(app, seen[0].run_id) == seen
