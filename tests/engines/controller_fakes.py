"""Engines that weigh what they are told to, on a machine that counts it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

from engines.catalog import Catalog, ModelEntry
from engines.errors import MissingWeightsError
from engines.loading import LoadContext
from engines.protocols import Engine

MB = 2**20


class Speak(Engine, Protocol):
    capability: ClassVar[str] = "speak"


class See(Engine, Protocol):
    capability: ClassVar[str] = "see"


class Talk(Engine, Protocol):
    capability: ClassVar[str] = "talk"


class FakeEngine:
    """Weighs ``options["mb"]``, and ``options["late_mb"]`` more from its first work on, as mapped weights do."""

    capability: ClassVar[str] = "fake"

    def __init__(self, machine: Machine, context: LoadContext) -> None:
        self.machine = machine
        self.context = context
        self.model = context.entry.id
        self.closed = False
        self.resident_mb = 0 if context.entry.uses else int(context.entry.options["mb"])
        self.worked = False

    def work(self) -> str:
        assert not self.closed, f"{self.model} works though it was closed"
        if not self.worked:
            self.worked = True
            self.resident_mb += int(self.context.entry.options.get("late_mb", 0))
        for part in self.context.parts.values():
            part.work()
        return self.model

    def close(self) -> None:
        assert not self.closed, f"{self.model} was closed twice"
        self.closed = True


class Machine:
    """Builds engines and knows what is resident."""

    def __init__(self) -> None:
        self.other_mb = 100
        self.free_mb = 100_000
        self.now = 0.0
        self.built: list[FakeEngine] = []
        self.before_build: Callable[[LoadContext], None] = lambda context: None
        self.missing: set[str] = set()

    def build(self, context: LoadContext) -> Any:
        self.before_build(context)
        engine = FakeEngine(self, context)
        self.built.append(engine)
        return engine

    def require(self, entry: ModelEntry) -> Path:
        if entry.id in self.missing:
            raise MissingWeightsError(f"{entry.id} is not here.", fix=f"Run: sensorium models pull {entry.id}")
        return Path(entry.id)

    def is_ready(self, entry: ModelEntry) -> bool:
        return entry.id not in self.missing

    def revision(self, entry: ModelEntry) -> str:
        return f"revision of {entry.id}" if entry.snapshot else ""

    @property
    def loaded(self) -> list[str]:
        return sorted(engine.model for engine in self.built if not engine.closed)

    def loads(self, model: str) -> int:
        return sum(engine.model == model for engine in self.built)

    def resident_bytes(self) -> int:
        return MB * (self.other_mb + sum(engine.resident_mb for engine in self.built if not engine.closed))

    def available_bytes(self) -> int:
        return MB * self.free_mb

    def clock(self) -> float:
        return self.now


def model(
    model_id: str, capability: str = "speak", *, mb: int = 100, estimate: int | None = None, **more: Any
) -> ModelEntry:
    """An entry whose engine really weighs ``mb``, and that the catalog says weighs ``estimate``."""
    options = {"mb": mb, **more.pop("options", {})}
    memory_mb = mb if estimate is None else estimate
    return ModelEntry(
        id=model_id, title=model_id, capability=capability, engine="fake:Engine", licence="MIT",
        memory_mb=memory_mb, options=options, **more,
    )  # fmt: skip


def catalog(*entries: ModelEntry) -> Catalog:
    return Catalog({entry.id: entry for entry in entries})
