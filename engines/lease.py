"""A lease: the right to work with a loaded engine for a while, in threads, with cancellation that keeps its word."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from engines.catalog import ModelEntry
from engines.errors import EngineError, OutOfMemoryError, SensoriumError, UnavailableError
from engines.loading import missing_extra
from engines.progress import Cancelled, CancelToken
from engines.protocols import Engine
from engines.slots import Meter, Slot

E = TypeVar("E", bound=Engine)
T = TypeVar("T")


@contextmanager
def failures_of(entry: ModelEntry, doing: str, cancel: CancelToken) -> Iterator[None]:
    """Turn whatever a library raises into the project's errors; the project's own pass as they are."""
    try:
        yield
    except SensoriumError:
        raise
    except Cancelled as error:
        if cancel.is_set():
            raise
        raise EngineError(f"{entry.id} stopped while {doing}, though nobody cancelled it.") from error
    except ModuleNotFoundError as error:
        raise missing_extra(entry, error) from error
    except MemoryError as error:
        raise OutOfMemoryError(
            f"{entry.id} ran out of memory while {doing}.", fix="Close other programs or choose a lighter model."
        ) from error
    except Exception as error:
        cause = next(iter(str(error).strip().splitlines()), "")
        raise EngineError(f"{entry.id} failed while {doing}: {cause or type(error).__name__}") from error


class Workers:
    """The threads in which engines work, a gate per model, and a count of what is under way."""

    def __init__(self, pool: ThreadPoolExecutor, meter: Meter) -> None:
        self.meter = meter
        self._pool = pool
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._open = True
        self._under_way = 0
        self._all_done = asyncio.Event()
        self._all_done.set()

    def gate(self, entry: ModelEntry) -> asyncio.Semaphore:
        """Lets ``entry.concurrency`` calls pass at once."""
        return self._gates.setdefault(entry.id, asyncio.Semaphore(entry.concurrency))

    def check_open(self) -> None:
        if not self._open:
            raise UnavailableError("The models are shut down.", fix="Start the program again.")

    def begin(self) -> None:
        self.check_open()
        self._under_way += 1
        self._all_done.clear()

    def end(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._all_done.set()

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Start ``work`` in a thread, with the caller's context variables."""
        return asyncio.get_running_loop().run_in_executor(self._pool, contextvars.copy_context().run, work)

    def stop(self) -> None:
        """Refuse new work."""
        self._open = False

    async def all_done(self) -> None:
        """Wait for the end of what is under way."""
        await self._all_done.wait()

    def shut_down(self) -> None:
        self._pool.shutdown()


class Lease(Generic[E]):
    """Made by `ModelController.use`; the engine stays loaded until it ends and the last of its threads has ended."""

    def __init__(
        self,
        entry: ModelEntry,
        workers: Workers,
        *,
        on_end: Callable[[Lease[Any]], asyncio.Future[None] | None],
        on_growth: Callable[[Slot, float], None],
        slot: Slot | None = None,
    ) -> None:
        self.entry = entry
        self.slot = slot
        """The engine's own slot; None: a wrapper around ``parts``."""
        self.parts: list[Lease[Any]] = []
        """Leases of the engines this one works through."""
        self.engine: Engine | None = slot.engine if slot else None
        self._workers = workers
        self._on_end = on_end
        self._on_growth = on_growth
        self._under_way = 0
        self._over = False

    async def run(self, work: Callable[[E, CancelToken], T]) -> T:
        """Call ``work(engine, cancel)`` in a thread, when the engine is free, and return its result.

        When the awaiting task is cancelled the token is set and CancelledError is raised at once; the engine counts as
        in use until the thread has really ended. Raises EngineError when ``work`` raises anything but a SensoriumError,
        MissingExtraError when a library is missing, UnavailableError when the controller has been closed.
        """

        def call(cancel: CancelToken) -> T:
            with failures_of(self.entry, "working", cancel):
                return work(self.engine, cancel)  # type: ignore[arg-type] # `use` checked that the engine is an E

        return await self._in_thread(call, [gate for _, gate in sorted(self.gates().items())])

    async def build(self, build: Callable[[CancelToken], Engine]) -> None:
        """Make the wrapper's engine in a thread."""

        def call(cancel: CancelToken) -> None:
            with failures_of(self.entry, "loading", cancel):
                self.engine = build(cancel)

        await self._in_thread(call, [])

    def end(self) -> asyncio.Future[None] | None:
        """Give the engine back, now or when its last thread ends; the future is done when a wrapper is closed."""
        self._over = True
        return None if self._under_way else self._on_end(self)

    def slots(self) -> set[Slot]:
        """The slots of every engine behind it."""
        return {self.slot} if self.slot else set().union(*(part.slots() for part in self.parts))

    def gates(self) -> dict[str, asyncio.Semaphore]:
        """By model: its own, and those of its parts. Passed in the order of the names: no two block each other."""
        gates = {self.entry.id: self._workers.gate(self.entry)}
        for part in self.parts:
            gates |= part.gates()
        return gates

    async def _in_thread(self, call: Callable[[CancelToken], T], gates: list[asyncio.Semaphore]) -> T:
        if self._over:
            raise RuntimeError(f"the lease of {self.entry.id} is over")
        self._workers.begin()
        self._under_way += 1
        passed: list[asyncio.Semaphore] = []
        cancel = CancelToken()
        try:
            for gate in gates:
                await gate.acquire()
                passed.append(gate)
            future = self._start(lambda: call(cancel), passed)
        except BaseException:
            self._ended(passed)
            raise
        try:
            await asyncio.wait([future])  # which, unlike `await future`, leaves the future alone when cancelled
        except asyncio.CancelledError:
            cancel.set()
            raise
        return future.result()

    def _start(self, call: Callable[[], T], passed: list[asyncio.Semaphore]) -> asyncio.Future[T]:
        slots = self.slots()
        slot = slots.pop() if len(slots) == 1 else None  # with several, nobody knows whose the growth is
        mark = self._workers.meter.begin(read=slot is not None and slot.settling)  # before the thread moves anything
        future = self._workers.submit(call)

        def done(future: asyncio.Future[T]) -> None:
            future.exception()  # nobody may be left to look at it
            growth = self._workers.meter.end(mark)
            if slot is not None and growth is not None:
                self._on_growth(slot, growth)
            self._ended(passed)

        future.add_done_callback(done)
        return future

    def _ended(self, passed: list[asyncio.Semaphore]) -> None:
        for gate in passed:
            gate.release()
        self._under_way -= 1
        if self._over and not self._under_way:
            self._on_end(self)
        self._workers.end()
