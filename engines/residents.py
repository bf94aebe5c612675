"""The engines in memory, under one budget: who stays, who goes, and when."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from engines.catalog import ModelEntry
from engines.slots import Meter, ModelStatus, Slot

T = TypeVar("T")

log = logging.getLogger(__name__)


class Residents:
    """The slots of what is loaded or being loaded, least recently used first.

    One promise about memory: the budget is not exceeded while anything is idle that may go. Everything runs on the
    event loop but the loads and unloads themselves. They share one thread: they never overlap, so that each can be
    measured, and an unload that was decided before a load has ended when the load begins.
    """

    def __init__(
        self,
        *,
        budget_mb: int,
        idle_seconds: float,
        clock: Callable[[], float],
        meter: Meter,
        trim: Callable[[], None],
    ) -> None:
        self.budget_mb = budget_mb
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._meter = meter
        self._trim = trim
        self._loader = ThreadPoolExecutor(1, "loader")
        self._slots: dict[str, Slot] = {}
        self._sizes: dict[str, float] = {}
        self._pinned: set[str] = set()
        self._unloading: set[asyncio.Future[None]] = set()
        self._reaper: asyncio.TimerHandle | None = None

    def get(self, model: str) -> Slot | None:
        return self._slots.get(model)

    def all(self) -> list[Slot]:
        return list(self._slots.values())

    def add(self, entry: ModelEntry) -> Slot:
        """A slot for a model that is about to be loaded. It takes no memory yet."""
        slot = Slot(entry, known_mb=self._sizes.get(entry.id, 0.0))
        self._slots[entry.id] = slot
        return slot

    def discard(self, slot: Slot) -> None:
        """Forget a slot whose load has failed."""
        if self._slots.get(slot.entry.id) is slot:
            del self._slots[slot.entry.id]

    def status(self) -> list[ModelStatus]:
        now = self._clock()
        return [slot.status(pinned=slot.entry.id in self._pinned, now=now) for slot in self._slots.values()]

    # ------------------------------------------------------------------------------------------------- policy

    @property
    def charged_mb(self) -> float:
        return sum(slot.memory_mb for slot in self._slots.values())

    def pin(self, model: str) -> None:
        self._pinned.add(model)

    def unpin(self, model: str) -> None:
        self._pinned.discard(model)
        self.shrink()
        self._set_timer()

    def release(self, slot: Slot) -> None:
        """One user less. When nobody waits for a load any more, engines that can stop may stop."""
        slot.users -= 1
        if slot.users:
            return
        if slot.engine is not None:
            self.became_idle(slot)
        elif slot.cancel is not None:
            slot.cancel.set()

    def became_idle(self, slot: Slot) -> None:
        slot.idle_since = self._clock()
        self._slots[slot.entry.id] = self._slots.pop(slot.entry.id)
        self.shrink()
        self._set_timer()

    def shrink(self) -> None:
        """Unload what is idle, least recently used first, until the rest fits."""
        for slot in self.all():
            if self.charged_mb <= self.budget_mb:
                return
            if self._may_go(slot):
                self.unload(slot)

    def reap(self) -> None:
        """Unload what has been idle for too long. A timer calls this."""
        if self._reaper:
            self._reaper.cancel()
            self._reaper = None
        now = self._clock()
        for slot in self.all():
            if self._may_go(slot) and now - slot.idle_since >= self._idle_seconds:
                self.unload(slot)
        self._set_timer()

    def _may_go(self, slot: Slot) -> bool:
        return slot.engine is not None and not slot.users and slot.entry.id not in self._pinned

    def _set_timer(self) -> None:
        """One timer for all: it rings for the one that has been idle longest, and is then set for the next."""
        if self._reaper or math.isinf(self._idle_seconds):
            return
        idle_since = min((slot.idle_since for slot in self._slots.values() if self._may_go(slot)), default=None)
        if idle_since is not None:
            delay = max(0.0, idle_since + self._idle_seconds - self._clock())
            self._reaper = asyncio.get_running_loop().call_later(delay, self.reap)

    # --------------------------------------------------------------------------------------------------- sizes

    def weigh(self, slot: Slot) -> None:
        """Charge what was seen of the model's size, and remember it for its next load."""
        slot.weigh()
        if slot.seen_mb is not None:
            self._sizes[slot.entry.id] = max(slot.seen_mb, slot.known_mb)

    def grew(self, slot: Slot, growth_mb: float) -> None:
        """A run that had the process for itself has ended."""
        if slot.seen_mb is not None and slot.engine is not None:
            slot.seen_mb += growth_mb
            slot.lone_runs += 1
            self.weigh(slot)
            self.shrink()

    # ------------------------------------------------------------------------------------------------- unloads

    def in_loader(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Start ``work`` in the thread of loads and unloads."""
        return asyncio.get_running_loop().run_in_executor(self._loader, work)

    def unload(self, slot: Slot) -> None:
        """Forget the slot now, and close its engine as soon as the thread is free."""
        del self._slots[slot.entry.id]
        # In a list, so that the last reference goes when the engine is closed: memory is freed here and now.
        holder, slot.engine = [slot.engine], None
        mark = self._meter.begin(read=False)
        unloading = self.in_loader(lambda: self._close_and_trim(slot.entry, holder))

        def done(future: asyncio.Future[None]) -> None:
            self._meter.end(mark)
            self._unloading.discard(future)

        self._unloading.add(unloading)
        unloading.add_done_callback(done)

    async def unloaded(self) -> None:
        """Wait for the end of the unloads that were decided so far."""
        if self._unloading:
            await asyncio.wait(set(self._unloading))

    async def close(self) -> None:
        """Unload everything, in use or not."""
        if self._reaper:
            self._reaper.cancel()
        for slot in self.all():
            self.unload(slot)
        await self.unloaded()
        self._loader.shutdown()

    def _close_and_trim(self, entry: ModelEntry, holder: list[Any]) -> None:
        close_engine(entry, holder)
        self._trim()


def close_engine(entry: ModelEntry, holder: list[Any]) -> None:
    """Close the engine in ``holder`` and let go of it. What goes wrong is logged: the engine is given up anyway."""
    try:
        holder.pop().close()
    except Exception:
        log.exception("%s failed while it was closed", entry.id)
