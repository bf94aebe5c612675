"""Whatever users, threads and the clock do, in any order: the controller's promises hold after every step.

The controller's thread pools are replaced by queues from which the test takes the jobs, so that "a thread ends" is one
more step whose moment is chosen, and every failure is found again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from unittest import mock

import pytest
from controller_fakes import FakeEngine, Machine, See, Speak, Talk, catalog, model
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engines.controller import Lease, ModelController
from engines.errors import EngineError, MissingWeightsError, OutOfMemoryError
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken

BUDGET_MB = 1000
ENTRIES = (
    model("small", mb=100, options={"late_mb": 50}),
    model("middle", mb=400, estimate=300, concurrency=2),
    model("large", "see", mb=700),
    model("larger-than-it-says", "see", mb=800, estimate=200, options={"late_mb": 100}),
    model("larger-than-all", "see", mb=1200, estimate=100),
    model("wrapper", "talk", estimate=0, uses=("speak", "see"), concurrency=2),
)
CAPABILITY: dict[str, Any] = {"speak": Speak, "see": See, "talk": Talk}


class StepwisePool:
    """An executor whose jobs run when the test says so."""

    def __init__(self, max_workers: int, prefix: str) -> None:
        self.one_at_a_time = max_workers == 1
        self.jobs: list[tuple[Future[Any], Callable[[], Any]]] = []
        self.down = False

    def submit(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        assert not self.down
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.jobs.append((future, lambda: work(*args)))
        return future

    def step(self, which: int) -> None:
        future, work = self.jobs.pop(0 if self.one_at_a_time else which % len(self.jobs))
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    def shutdown(self) -> None:
        assert not self.jobs
        self.down = True


class User:
    """Opens a lease, keeps it until told to go, and works in it when told to."""

    def __init__(self, controller: ModelController, entry: Any) -> None:
        self.entry = entry
        self.controller = controller
        self.lease: Lease[Any] | None = None
        self.go = asyncio.Event()
        self.runs: list[asyncio.Task[Any]] = []
        self.task = asyncio.get_running_loop().create_task(self.live())

    async def live(self) -> None:
        async with self.controller.use(CAPABILITY[self.entry.capability], self.entry.id) as lease:
            self.lease = lease
            try:
                await self.go.wait()
            finally:
                self.lease = None

    @property
    def holds(self) -> bool:
        return self.lease is not None and not self.task.done()


class Interleavings(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.machine = Machine()
        self.pools: list[StepwisePool] = []
        self.users: list[User] = []
        self.failing = ""

    @initialize()
    def begin(self) -> None:
        def pool(max_workers: int, prefix: str) -> StepwisePool:
            self.pools.append(StepwisePool(max_workers, prefix))
            return self.pools[-1]

        with (
            mock.patch("engines.controller.ThreadPoolExecutor", pool),
            mock.patch("engines.residents.ThreadPoolExecutor", pool),
        ):
            self.controller = ModelController(
                catalog(*ENTRIES),
                self.machine,
                budget_mb=BUDGET_MB,
                resident_bytes=self.machine.resident_bytes,
                available_bytes=self.machine.available_bytes,
                clock=self.machine.clock,
                build=self.machine.build,
                trim=lambda: None,
            )
        self.machine.before_build = self.before_build

    def before_build(self, context: LoadContext) -> None:
        failing, self.failing = self.failing, ""
        if failing == "crash":
            raise RuntimeError("broken weights")
        if failing == "obliging":
            context.cancel.check()

    def settle(self) -> None:
        """Let the event loop come to rest: nothing but the threads' steps is left to wait for."""

        async def spin() -> None:
            for _ in range(25):
                await asyncio.sleep(0)

        self.loop.run_until_complete(spin())

    # ------------------------------------------------------------------------------------------------- steps

    @rule(entry=st.sampled_from(ENTRIES), failing=st.sampled_from(["", "", "", "crash", "obliging", "missing"]))
    def somebody_comes(self, entry: Any, failing: str) -> None:
        self.machine.missing = {entry.id} if failing == "missing" else set()
        self.failing = failing

        async def come() -> User:
            return User(self.controller, entry)

        self.users.append(self.loop.run_until_complete(come()))
        self.settle()

    @precondition(lambda self: any(user.holds for user in self.users))
    @rule(data=st.data(), does=st.sampled_from(["work", "work", "crash", "obey", "give up"]))
    def somebody_works(self, data: st.DataObject, does: str) -> None:
        user = data.draw(st.sampled_from([user for user in self.users if user.holds]))
        assert user.lease is not None

        def work(engine: FakeEngine, cancel: CancelToken) -> str:
            if does == "crash":
                raise ZeroDivisionError
            if does == "obey":
                cancel.check()
            if does == "give up":
                raise Cancelled
            return engine.work()

        user.runs.append(self.loop.create_task(user.lease.run(work)))
        self.settle()

    @precondition(lambda self: any(pool.jobs for pool in self.pools))
    @rule(order=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=1, max_size=8))
    def threads_end(self, order: list[tuple[int, int]]) -> None:
        for pool, which in order:
            if busy := [pool for pool in self.pools if pool.jobs]:
                busy[pool % len(busy)].step(which)
                self.settle()
                self.never_over_budget_while_anything_may_go()

    @precondition(lambda self: any(user.holds for user in self.users))
    @rule(data=st.data())
    def somebody_goes(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([user for user in self.users if user.holds])).go.set()
        self.settle()

    @precondition(lambda self: any(not task.done() for user in self.users for task in (user.task, *user.runs)))
    @rule(data=st.data())
    def a_task_is_cancelled(self, data: st.DataObject) -> None:
        tasks = [task for user in self.users for task in (user.task, *user.runs) if not task.done()]
        data.draw(st.sampled_from(tasks)).cancel()
        self.settle()

    @rule(entry=st.sampled_from(ENTRIES), does=st.sampled_from(["pin", "unpin", "unload"]))
    def an_order_is_given(self, entry: Any, does: str) -> None:
        async def order() -> None:
            if does == "unload":
                in_use = any(s.model == entry.id and s.state != "idle" for s in self.controller.status())
                unloading = asyncio.ensure_future(self.controller.unload(entry.id))
                await asyncio.sleep(0)
                assert not in_use or unloading.result() is False
            else:
                getattr(self.controller, does)(entry.id)

        self.loop.run_until_complete(order())
        self.settle()

    @rule(seconds=st.sampled_from([1, 300, 600]))
    def time_passes(self, seconds: float) -> None:
        self.machine.now += seconds
        self.loop.call_soon(self.controller.reap)
        self.settle()
        assert all(status.idle_seconds < 600 or status.pinned for status in self.controller.status())

    @rule(free_mb=st.sampled_from([0, 500, 100_000]))
    def other_programs_take_memory(self, free_mb: int) -> None:
        self.machine.free_mb = free_mb

    # ---------------------------------------------------------------------------------------------- promises

    @invariant()
    def never_over_budget_while_anything_may_go(self) -> None:
        statuses = self.controller.status()
        may_go = [s.model for s in statuses if s.state == "idle" and not s.pinned]
        assert sum(s.memory_mb for s in statuses) <= BUDGET_MB or not may_go

    @invariant()
    def what_is_held_is_open_and_counted(self) -> None:
        users = {status.model: status.users for status in self.controller.status()}
        held: dict[str, int] = {}
        for user in self.users:
            if user.holds and user.lease is not None:
                assert isinstance(user.lease.engine, FakeEngine)
                assert not user.lease.engine.closed
                for slot in user.lease.slots():
                    assert slot.engine is not None
                    held[slot.entry.id] = held.get(slot.entry.id, 0) + 1
        assert all(users[name] >= count for name, count in held.items())

    @invariant()
    def every_model_is_loaded_once_at_most(self) -> None:
        loaded = [name for name in self.machine.loaded if name != "wrapper"]
        assert len(loaded) == len(set(loaded))

    @invariant()
    def what_was_measured_is_the_models_own(self) -> None:
        sizes = {entry.id: (entry.options["mb"], entry.options.get("late_mb", 0)) for entry in ENTRIES}
        for status in self.controller.status():
            if status.measured:
                size, late = sizes[status.model]
                assert status.memory_mb in {size, size + late}

    @invariant()
    def only_expected_errors(self) -> None:
        for user in self.users:
            for task in (user.task, *user.runs):
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    assert isinstance(error, EngineError | OutOfMemoryError | MissingWeightsError), repr(error)

    # ----------------------------------------------------------------------------------------------- the end

    def teardown(self) -> None:
        try:
            self.everybody_goes()
            self.closes()
        finally:
            self.loop.close()

    def drain(self) -> None:
        self.settle()
        while busy := [pool for pool in self.pools if pool.jobs]:
            busy[0].step(0)
            self.settle()

    def everybody_goes(self) -> None:
        for user in self.users:
            user.go.set()
        self.drain()
        assert all(task.done() for user in self.users for task in (user.task, *user.runs))
        assert all(status.state == "idle" and status.users == 0 for status in self.controller.status())
        assert self.machine.loaded == sorted(status.model for status in self.controller.status())
        self.never_over_budget_while_anything_may_go()
        self.only_expected_errors()  # which also takes note of the last ones

    def closes(self) -> None:
        closing = self.loop.create_task(self.controller.close())
        self.drain()
        closing.result()
        assert self.machine.loaded == []
        assert all(pool.down for pool in self.pools)


TestInterleavings = pytest.mark.timeout(120)(Interleavings.TestCase)
TestInterleavings.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
