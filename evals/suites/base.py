"""What a suite is: a folder of items with known answers, an engine, and public metrics.

A data folder holds a subfolder for each suite, named like it, with `items.jsonl`: one JSON object a line. Files are
named relative to that subfolder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.controller import Lease
from engines.errors import InputError
from engines.protocols import Engine

Item = Mapping[str, Any]


@dataclass
class Clock:
    """Adds up what the engine itself costs; loading, reading files and scoring are not in it."""

    wall: float = 0.0
    cpu: float = 0.0
    calls: int = 0

    async def call(self, lease: Lease[Any], method: str, *args: Any, **options: Any) -> Any:
        """Call a method of the engine, timed."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = await lease.run(lambda engine, _: getattr(engine, method)(*args, **options))
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        self.calls += 1
        return result


@dataclass(frozen=True)
class Task:
    """The items, where their files are, the engine and the clock. ``use`` lends other engines."""

    items: Sequence[Item]
    folder: Path
    lease: Lease[Any]
    clock: Clock
    use: Callable[[type[Engine]], Any]

    async def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Call the engine that is measured."""
        return await self.clock.call(self.lease, method, *args, **options)

    def file(self, item: Item, key: str) -> Path:
        """Raises InputError when the file isn't there."""
        path = self.folder / str(item[key])
        if not path.is_file():
            raise InputError(f"{self.folder.name}: {item[key]} is not there.", fix="See docs/quality.md.")
        return path


@dataclass(frozen=True)
class Suite:
    """``measure`` gives figures by name. ``fields`` are what every item must have."""

    name: str
    capability: type[Engine]
    fields: tuple[str, ...]
    measure: Callable[[Task], Awaitable[dict[str, float]]]


@dataclass(frozen=True)
class Result:
    """Seconds are per item."""

    suite: str
    model: str
    items: int
    figures: dict[str, float] = field(default_factory=dict)
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    problem: str = ""
    """Why nothing was measured."""


def read_items(folder: Path, suite: Suite) -> list[Item]:
    """Raises InputError for a line that isn't an item of the suite."""
    items = []
    for number, line in enumerate((folder / "items.jsonl").read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            lost = [name for name in suite.fields if name not in item]
        except (ValueError, TypeError):
            raise InputError(f"{suite.name}/items.jsonl, line {number} is no JSON object.", fix="Correct it.") from None
        if lost:
            raise InputError(f"{suite.name}/items.jsonl, line {number} lacks {', '.join(lost)}.", fix="Add it.")
        items.append(item)
    return items
