"""What the `ModelController` keeps of each loaded model, and how it finds out how big the model is."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import psutil

from engines.catalog import ModelEntry
from engines.progress import CancelToken
from engines.protocols import Engine

MB = 2**20

#: No loaded engine is counted as less: its session, threads and buffers take this much even when RSS does not move.
FLOOR_MB = 1.0

#: How many runs that had the process for themselves are measured after a load (see `Slot.weigh`).
SETTLING_RUNS = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is. ``fraction`` in 0..1, None: not known.

    At 1.0 the model is ready, and ``seconds`` and ``memory_mb`` say what it took.
    """

    model: str
    fraction: float | None
    message: str
    seconds: float | None = None
    memory_mb: float | None = None


OnLoading = Callable[[LoadProgress], None]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model that is loaded or being loaded. ``memory_mb`` is what it counts for in the budget: measured or estimated;
    0 while it waits for its turn to load. ``users`` counts open leases and those who wait for the load.
    """

    model: str
    capability: str
    state: Literal["loading", "idle", "in use"]
    users: int
    memory_mb: float
    measured: bool
    pinned: bool
    idle_seconds: float


@dataclass(eq=False, slots=True)
class Slot:
    """A model that is loaded or being loaded. Touched on the event loop only."""

    entry: ModelEntry
    known_mb: float
    """The size measured at an earlier load; 0: never measured."""
    engine: Engine | None = None
    users: int = 0
    memory_mb: float = 0.0
    measured: bool = False
    seen_mb: float | None = None
    """Growth of the process by this load and its first runs; None: something else went on, so it says nothing."""
    lone_runs: int = 0
    idle_since: float = 0.0
    cancel: CancelToken | None = None
    loading: asyncio.Task[None] | None = None
    error: Exception | None = None
    progress: LoadProgress | None = None
    listeners: list[OnLoading] = field(default_factory=list)

    @property
    def estimate_mb(self) -> float:
        """What it is expected to take: as measured before, as the catalog says, or the size of its files."""
        return max(self.known_mb or self.entry.memory_mb or self.entry.bytes / MB, FLOOR_MB)

    @property
    def settling(self) -> bool:
        """Whether a run that has the process for itself would still tell something about the size."""
        return self.seen_mb is not None and self.lone_runs < SETTLING_RUNS

    def weigh(self) -> None:
        """Set ``memory_mb`` from what was seen.

        The growth of the resident size over the load is what the model took, with three exceptions:

        - Something else was loaded, unloaded or at work meanwhile: the growth may be theirs, so the estimate stays.
        - Weights that are mapped from disk become resident when they are first read, and work buffers when they are
          first filled. Until the model has worked alone once it counts for at least its files; then the growth over
          that run is added, and the bound goes (weights that are quantised at load are smaller than their files).
          After a few runs that ends: from then on growth is more likely the callers' own results.
        - A second load may reuse pages that the allocator kept from the first, and looks smaller than it is. So the
          largest size measured for a model in this process stands.
        """
        if self.seen_mb is None:
            self.memory_mb, self.measured = self.estimate_mb, self.known_mb > 0
            return
        seen = max(self.seen_mb, self.known_mb, FLOOR_MB)
        bound = 0.0 if self.lone_runs else self.entry.bytes / MB
        self.memory_mb, self.measured = max(seen, bound), seen >= bound

    def announce(self, progress: LoadProgress) -> None:
        """Tell everybody who waits. A listener that fails spoils neither the load nor the others."""
        self.progress = progress
        for listener in tuple(self.listeners):
            tell(listener, progress)

    def status(self, *, pinned: bool, now: float) -> ModelStatus:
        idle = self.engine is not None and not self.users
        return ModelStatus(
            model=self.entry.id,
            capability=self.entry.capability,
            state="loading" if self.engine is None else "idle" if idle else "in use",
            users=self.users,
            memory_mb=round(self.memory_mb, 1),
            measured=self.measured,
            pinned=pinned,
            idle_seconds=now - self.idle_since if idle else 0.0,
        )


def tell(listener: OnLoading, progress: LoadProgress) -> None:
    try:
        listener(progress)
    except Exception:
        log.exception("a listener for the loading of %s failed", progress.model)


@dataclass(frozen=True, slots=True)
class Mark:
    """The beginning of something that may change the resident size. ``bytes`` None: not read."""

    number: int
    alone: bool
    bytes: int | None


class Meter:
    """Reads the resident size around loads, unloads and runs, and trusts the difference when no two overlapped."""

    def __init__(self, resident_bytes: Callable[[], int]) -> None:
        self._resident_bytes = resident_bytes
        self._under_way = 0
        self._begun = 0

    def begin(self, *, read: bool) -> Mark:
        """``read`` False: its growth is of no interest, but it disturbs others."""
        alone = self._under_way == 0
        self._under_way += 1
        self._begun += 1
        return Mark(self._begun, alone, self._resident_bytes() if read and alone else None)

    def end(self, mark: Mark) -> float | None:
        """The growth since ``mark`` in MB, not below 0; None when anything else was under way meanwhile."""
        self._under_way -= 1
        if mark.bytes is None or mark.number != self._begun:
            return None
        return max(0, self._resident_bytes() - mark.bytes) / MB


def resident_bytes() -> int:
    """The resident size of this process (RSS). Memory of accelerators is not in it."""
    return int(psutil.Process().memory_info().rss)


def available_bytes() -> int:
    """Memory that this machine can give out without swapping."""
    return int(psutil.virtual_memory().available)


def give_back_freed_memory() -> None:
    """Hand freed memory to the system: engines leave reference cycles, and glibc keeps freed pages for itself."""
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc: its allocator decides by itself
        return
    trim(0)
