"""The model controller: which engines are in memory, who uses them, and which go when room is needed."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engines.catalog import Catalog, ModelEntry
from engines.devices import pick_device
from engines.errors import EngineError, OutOfMemoryError
from engines.lease import E, Lease, Workers, failures_of
from engines.loading import LoadContext, engine_class
from engines.progress import Cancelled, CancelToken, OnProgress, ignore_progress
from engines.protocols import Engine
from engines.readiness import Shelf, Weights
from engines.residents import Residents, close_engine
from engines.slots import (
    MB,
    LoadProgress,
    Meter,
    ModelStatus,
    OnLoading,
    Slot,
    available_bytes,
    give_back_freed_memory,
    resident_bytes,
    tell,
)

__all__ = ["Lease", "LoadProgress", "ModelController", "ModelStatus", "Weights"]

#: Threads for work in all engines together. Each engine's gate lets few calls pass, so this is seldom reached.
MAX_THREADS = 32


def build_engine(context: LoadContext) -> Engine:
    """Load the engine that the entry names."""
    loader: Callable[[LoadContext], Engine] = engine_class(context.entry)
    return loader(context)


class ModelController:
    """Loads engines when they are first used, shares them, and unloads them under one memory budget.

    - An engine is loaded once however many wait for it; loads run one after the other, so that each can be measured.
    - While the budget is exceeded, the least recently used engine that is idle and not pinned is unloaded. What is in
      use is never unloaded: a model that does not fit beside it is loaded all the same, so that users who hold one
      engine and wait for another can't block each other, unless the machine itself has no memory left for it.
    - An engine that is idle for ``idle_seconds`` is unloaded.

    Everything but the engines' own work happens on one event loop: use a controller from one loop only. The budget
    counts this process's resident memory, not an accelerator's.
    """

    def __init__(  # noqa: PLR0913 # everything it is made of is handed in here, by name
        self,
        catalog: Catalog,
        weights: Weights,
        *,
        budget_mb: int,
        idle_seconds: float = 600,
        threads: int = 2,
        device: str = "auto",
        settings: Mapping[str, str] | None = None,
        cache: Path | None = None,
        resident_bytes: Callable[[], int] = resident_bytes,
        available_bytes: Callable[[], int] = available_bytes,
        clock: Callable[[], float] = time.monotonic,
        build: Callable[[LoadContext], Engine] = build_engine,
        trim: Callable[[], None] = give_back_freed_memory,
    ) -> None:
        """``threads`` is what each engine may use, ``device`` where those that can use an accelerator run, ``settings``
        the keys and addresses that models need, by name, ``cache`` a folder for what engines can make again. ``trim``
        is called in a thread after each unload.
        """
        self._catalog = catalog
        self.shelf = Shelf(catalog, weights, settings or {})
        self._threads = threads
        self._device = device
        self._cache = cache
        self._available_bytes = available_bytes
        self._clock = clock
        self._build = build
        self._meter = Meter(resident_bytes)
        self._workers = Workers(ThreadPoolExecutor(MAX_THREADS, "engine"), self._meter)
        self._residents = Residents(
            budget_mb=budget_mb, idle_seconds=idle_seconds, clock=clock, meter=self._meter, trim=trim
        )
        self._turn = asyncio.Lock()
        self._wrappers: set[Lease[Any]] = set()
        self._closing: set[asyncio.Future[None]] = set()

    # ------------------------------------------------------------------------------------------------ for users

    @asynccontextmanager
    async def use(
        self,
        capability: type[E],
        model: str | None = None,
        *,
        on_loading: OnLoading | None = None,
        parts: Mapping[str, str | Engine] | None = None,
    ) -> AsyncIterator[Lease[E]]:
        """Hold an engine: ``model``, or the one that `Shelf.resolve` takes for the capability.

        ``on_loading`` is called on the event loop while the engine is loaded, whoever began the load. ``parts`` gives,
        for an entry that works through other capabilities, the model or the engine to take instead of the default;
        capabilities the entry doesn't use are passed over, so a caller may always hand in its chat model.

        Raises NotFoundError, UnavailableError (something is missing, or the controller has been closed), and
        EngineError when the load fails.
        """
        entry = self.shelf.resolve(capability.capability, model)
        lease: Lease[E] = await self._lease(entry, on_loading, parts or {}, ())
        try:
            yield lease
        finally:
            if closing := lease.end():
                await asyncio.wait([closing])

    def device_of(self, entry: ModelEntry) -> str:
        """Where the entry's engine runs."""
        return pick_device(self._device) if entry.device else "cpu"

    def pin(self, model: str) -> None:
        """Keep a model once it is loaded, however long it is idle and however much room others need."""
        self._residents.pin(self._catalog.get(model).id)

    def unpin(self, model: str) -> None:
        self._residents.unpin(self._catalog.get(model).id)

    async def unload(self, model: str) -> bool:
        """Unload a model, pinned or not. False: it is in use or being loaded, and stays. True: it is not loaded now."""
        slot = self._residents.get(self._catalog.get(model).id)
        if slot is not None:
            if slot.users or slot.engine is None:
                return False
            self._residents.unload(slot)
        await self._residents.unloaded()
        return True

    def status(self) -> list[ModelStatus]:
        """What is loaded or being loaded. Engines that work through others are not listed: they have no memory."""
        return self._residents.status()

    def reap(self) -> None:
        """Unload what has been idle for too long, by the clock. A timer does this too."""
        self._residents.reap()

    async def close(self) -> None:
        """Refuse new work, wait for the end of loads and of what works, and unload everything."""
        self._workers.stop()
        slots = self._residents.all()
        for slot in slots:
            if slot.cancel:
                slot.cancel.set()
        if loads := [slot.loading for slot in slots if slot.loading]:
            await asyncio.wait(loads)
        await self._workers.all_done()
        for wrapper in list(self._wrappers):
            self._close_wrapper(wrapper)
        if self._closing:
            await asyncio.wait(set(self._closing))
        await self._residents.close()
        self._workers.shut_down()

    # --------------------------------------------------------------------------------------------------- leases

    async def _lease(
        self,
        entry: ModelEntry,
        on_loading: OnLoading | None,
        parts: Mapping[str, str | Engine],
        outer: tuple[str, ...],
    ) -> Lease[Any]:
        self._workers.check_open()
        if not entry.uses:
            slot = await self._resident(entry, on_loading)
            return Lease(entry, self._workers, on_end=self._lease_ended, on_growth=self._residents.grew, slot=slot)
        if entry.id in outer:
            raise EngineError(
                f"{' -> '.join((*outer, entry.id))}: {entry.id} works through itself.",
                fix="Correct `uses` in the catalog.",
            )
        wrapper: Lease[Any] = Lease(entry, self._workers, on_end=self._lease_ended, on_growth=self._residents.grew)
        try:
            await self._wrap(wrapper, on_loading, parts, (*outer, entry.id))
        except BaseException:
            wrapper.end()
            raise
        return wrapper

    async def _wrap(
        self,
        wrapper: Lease[Any],
        on_loading: OnLoading | None,
        parts: Mapping[str, str | Engine],
        outer: tuple[str, ...],
    ) -> None:
        entry = wrapper.entry
        engines: dict[str, Any] = {}
        for capability in entry.uses:
            given = parts.get(capability, entry.parts.get(capability))
            if given is None or isinstance(given, str):
                part = await self._lease(self.shelf.resolve(capability, given), on_loading, parts, outer)
                wrapper.parts.append(part)
                engines[capability] = part.engine
            else:
                engines[capability] = given

        def build(cancel: CancelToken) -> Engine:
            return self._build(self._context(entry, self.shelf.require(entry), engines, cancel=cancel))

        self._wrappers.add(wrapper)
        await wrapper.build(build)

    def _context(
        self,
        entry: ModelEntry,
        found: tuple[Path, str],
        parts: Mapping[str, Any],
        *,
        cancel: CancelToken,
        on_progress: OnProgress = ignore_progress,
    ) -> LoadContext:
        folder, setting = found
        device = self.device_of(entry)
        return LoadContext(
            entry,
            folder,
            threads=self._threads,
            device=device,
            parts=parts,
            on_progress=on_progress,
            cancel=cancel,
            cache=self._cache,
            setting=setting,
            folders=self.shelf.folders(entry),
            optional_setting=self.shelf.setting(entry.optional_setting),
        )

    def _lease_ended(self, lease: Lease[Any]) -> asyncio.Future[None] | None:
        if lease.slot:
            self._residents.release(lease.slot)
            return None
        closing = self._close_wrapper(lease)
        if closing is None:
            self._end_parts(lease)
        else:
            closing.add_done_callback(lambda _: self._end_parts(lease))
        return closing

    def _close_wrapper(self, lease: Lease[Any]) -> asyncio.Future[None] | None:
        self._wrappers.discard(lease)
        if lease.engine is None:
            return None
        holder, lease.engine = [lease.engine], None
        closing = self._workers.submit(lambda: close_engine(lease.entry, holder))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return closing

    @staticmethod
    def _end_parts(lease: Lease[Any]) -> None:
        for part in lease.parts:
            part.end()

    # ---------------------------------------------------------------------------------------------------- loads

    async def _resident(self, entry: ModelEntry, on_loading: OnLoading | None) -> Slot:
        """The entry's slot, loaded, with one user more."""
        while True:
            self._workers.check_open()
            slot = self._residents.get(entry.id) or self._new_slot(entry)
            slot.users += 1
            if slot.loading is None:
                return slot
            await self._loaded(slot, slot.loading, on_loading)
            if slot.engine is not None:
                return slot
            # A load that was given up, because those who had asked for it went away, is begun again for those who came.
            if slot.error is not None and not isinstance(slot.error, Cancelled):
                raise slot.error

    async def _loaded(self, slot: Slot, loading: asyncio.Task[None], on_loading: OnLoading | None) -> None:
        """Wait for the end of a load. Being cancelled here leaves the load to those who still wait."""
        if on_loading:
            slot.listeners.append(on_loading)
            tell(on_loading, slot.progress or LoadProgress(slot.entry.id, None, "waiting for its turn to load"))
        try:
            await asyncio.wait([loading])
        except asyncio.CancelledError:
            self._residents.release(slot)
            raise
        finally:
            if on_loading:
                slot.listeners.remove(on_loading)

    def _new_slot(self, entry: ModelEntry) -> Slot:
        slot = self._residents.add(entry)
        if slot.estimate_mb > self._residents.budget_mb:
            self._residents.discard(slot)
            raise self._larger_than_budget(slot)
        slot.loading = asyncio.get_running_loop().create_task(self._load(slot), name=f"load {entry.id}")
        return slot

    async def _load(self, slot: Slot) -> None:
        try:
            async with self._turn:
                await self._load_now(slot)
        except Exception as error:  # handed to everybody who waits
            slot.error = error
        finally:
            slot.loading = None
            slot.cancel = None
            if slot.engine is None:
                self._residents.discard(slot)
            elif not slot.users:
                self._residents.became_idle(slot)
            self._residents.shrink()

    async def _load_now(self, slot: Slot) -> None:
        self._workers.check_open()
        if not slot.users:
            raise Cancelled
        began = self._clock()
        slot.cancel = cancel = CancelToken()
        slot.announce(LoadProgress(slot.entry.id, None, "looking for its files"))
        found = await self._residents.in_loader(lambda: self._require(slot.entry, cancel))
        await self._make_room(slot)
        slot.announce(LoadProgress(slot.entry.id, None, "loading"))
        context = self._context(slot.entry, found, {}, on_progress=self._progress_of(slot), cancel=cancel)
        mark = self._meter.begin(read=True)
        try:
            slot.engine = await self._residents.in_loader(lambda: self._construct(context))
        finally:
            slot.seen_mb = self._meter.end(mark)
        self._residents.weigh(slot)
        if slot.memory_mb > self._residents.budget_mb:
            self._residents.unload(slot)
            raise self._larger_than_budget(slot)
        seconds, memory_mb = round(self._clock() - began, 3), round(slot.memory_mb, 1)
        slot.announce(LoadProgress(slot.entry.id, 1.0, "ready", seconds, memory_mb))

    async def _make_room(self, slot: Slot) -> None:
        slot.memory_mb = slot.estimate_mb
        self._residents.shrink()
        await self._residents.unloaded()
        budget_mb = self._residents.budget_mb
        if self._residents.charged_mb <= budget_mb:
            return
        free_mb = self._available_bytes() / MB
        if slot.memory_mb <= free_mb:
            return
        others = ", ".join(other.entry.id for other in self._residents.all() if other.memory_mb and other is not slot)
        raise OutOfMemoryError(
            f"{slot.entry.id} needs about {slot.memory_mb:.0f} MB: the budget of {budget_mb} MB is taken"
            f" by {others}, and this machine has {free_mb:.0f} MB free.",
            fix=f"Wait until they are done, close other programs, or choose a lighter model{self._lighter(slot)}.",
        )

    def _larger_than_budget(self, slot: Slot) -> OutOfMemoryError:
        needs = math.ceil(max(slot.estimate_mb, slot.memory_mb))
        return OutOfMemoryError(
            f"{slot.entry.id} needs {needs} MB, more than the whole memory budget of {self._residents.budget_mb} MB.",
            fix=f"Set SENSORIUM_BUDGET_MB to {needs} or more, or choose a lighter model{self._lighter(slot)}.",
        )

    def _lighter(self, slot: Slot) -> str:
        """``: a, b``, the models that do the same with less memory."""
        lighter = [
            other.id
            for other in self._catalog.of(slot.entry.capability)
            if not other.remote and 0 < other.memory_mb < slot.estimate_mb
        ]
        return f": {', '.join(lighter)}" if lighter else ""

    def _progress_of(self, slot: Slot) -> Callable[[float | None, str], None]:
        loop = asyncio.get_running_loop()

        def announce(progress: LoadProgress) -> None:
            if slot.engine is None:  # a thread of the engine may still report when the load is over
                slot.announce(progress)

        def on_progress(fraction: float | None, message: str) -> None:
            below_ready = None if fraction is None else min(fraction, 0.99)
            loop.call_soon_threadsafe(announce, LoadProgress(slot.entry.id, below_ready, message))

        return on_progress

    def _require(self, entry: ModelEntry, cancel: CancelToken) -> tuple[Path, str]:
        with failures_of(entry, "looking for its files", cancel):
            found = self.shelf.require(entry)
            self.device_of(entry)  # asked here, in a thread, because the first answer takes seconds
            return found

    def _construct(self, context: LoadContext) -> Engine:
        with failures_of(context.entry, "loading", context.cancel):
            return self._build(context)
