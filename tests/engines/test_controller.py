"""The model controller, with engines whose size is known and a clock that stands still."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any, ClassVar

import pytest
from controller_fakes import FakeEngine, Machine, See, Speak, Talk, catalog, model

from engines.catalog import Catalog, ModelEntry, PathSource, WeightFile
from engines.controller import LoadProgress, ModelController
from engines.errors import EngineError, MissingExtraError, MissingWeightsError, OutOfMemoryError, UnavailableError
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken

Make = Callable[..., ModelController]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
async def make(machine: Machine) -> AsyncIterator[Make]:
    """Makes controllers over the machine; they are closed at the end, and must have closed every engine."""
    async with AsyncExitStack() as stack:

        def make(*entries: ModelEntry, budget_mb: int = 1000, **more: Any) -> ModelController:
            controller = ModelController(
                catalog(*entries), machine, budget_mb=budget_mb, resident_bytes=machine.resident_bytes,
                available_bytes=machine.available_bytes, build=machine.build, trim=lambda: None,
                **({"clock": machine.clock} | more),
            )  # fmt: skip
            stack.push_async_callback(controller.close)
            return controller

        yield make
    assert machine.loaded == []


class Gate:
    """Work that begins, and ends when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def wait(self, *_: object) -> None:
        self.begun.set()
        assert self.open.wait(60)

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 60)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 # what threads do sets no event of ours
            await asyncio.sleep(0.001)


async def touch(controller: ModelController, capability: Any = Speak, name: str | None = None) -> str:
    async with controller.use(capability, name) as lease:
        result: str = await lease.run(lambda engine, _: engine.work())
        return result


def states(controller: ModelController) -> dict[str, str]:
    return {status.model: status.state for status in controller.status()}


# ------------------------------------------------------------------------------------------------------ loading


async def test_nothing_is_loaded_before_it_is_used(make: Make, machine: Machine) -> None:
    controller = make(model("a"))
    assert machine.loaded == []
    assert await touch(controller) == "a"
    assert machine.loaded == ["a"]
    assert states(controller) == {"a": "idle"}


async def test_many_users_at_once_load_once_and_all_hear_of_it(make: Make, machine: Machine) -> None:
    machine.before_build = lambda context: context.on_progress(1.0, "reading")
    controller = make(model("a", mb=120))
    heard: list[list[LoadProgress]] = [[] for _ in range(20)]

    async def user(log: list[LoadProgress]) -> None:
        async with controller.use(Speak, on_loading=log.append) as lease:
            assert log[-1].fraction == 1.0
            await lease.run(lambda engine, _: None)

    await asyncio.gather(*map(user, heard))
    assert machine.loads("a") == 1
    for log in heard:
        assert [progress.fraction for progress in log].count(1.0) == 1  # the engine's own 1.0 is not yet "ready"
        assert log[-1] == LoadProgress("a", 1.0, "ready", seconds=0.0, memory_mb=120.0)
        assert LoadProgress("a", 0.99, "reading") in log
    again: list[LoadProgress] = []
    async with controller.use(Speak, on_loading=again.append):
        assert again == []


async def test_who_comes_while_it_loads_hears_how_far_it_is(make: Make, machine: Machine) -> None:
    gate, first, late = Gate(), [], []  # type: ignore[var-annotated] # lists of LoadProgress

    def slow(context: LoadContext) -> None:
        context.on_progress(0.5, "half")
        gate.wait()

    machine.before_build = slow
    controller = make(model("a"))
    users = [asyncio.create_task(hold_briefly(controller, first.append))]
    await until(lambda: any(progress.fraction == 0.5 for progress in first))
    users.append(asyncio.create_task(hold_briefly(controller, late.append)))
    await until(lambda: bool(late))
    gate.open.set()
    await asyncio.gather(*users)
    assert [progress.fraction for progress in late] == [0.5, 1.0]


async def hold_briefly(controller: ModelController, on_loading: Any = None) -> None:
    async with controller.use(Speak, on_loading=on_loading):
        pass


async def test_a_listener_that_fails_spoils_nothing(make: Make) -> None:
    def broken(progress: LoadProgress) -> None:
        raise ValueError(progress.message)

    await hold_briefly(make(model("a")), broken)


async def test_a_failed_load_fails_for_all_who_waited_and_is_tried_again(make: Make, machine: Machine) -> None:
    controller = make(model("a"))

    def fail(context: LoadContext) -> None:
        raise ValueError("bad magic\nand a second line")

    machine.before_build = fail
    errors = await asyncio.gather(*(hold_briefly(controller) for _ in range(5)), return_exceptions=True)
    assert {str(error) for error in errors} == {"a failed while loading: bad magic"}
    assert len({id(error) for error in errors}) == 1
    assert isinstance(errors[0], EngineError)
    assert controller.status() == []
    machine.before_build = lambda context: None
    assert await touch(controller) == "a"


@pytest.mark.parametrize(
    ("raised", "expected", "says"),
    [
        (ModuleNotFoundError("no", name="piper"), MissingExtraError, r"piper.*sensorium\[speech\]"),
        (ImportError("libfoo.so: cannot open"), EngineError, "a failed while loading: libfoo.so: cannot open"),
        (MemoryError(), OutOfMemoryError, "a ran out of memory while loading"),
        (KeyError(), EngineError, "a failed while loading: KeyError"),
        (StopIteration(), EngineError, "a failed while loading: StopIteration"),
        (Cancelled(), EngineError, "a stopped while loading, though nobody cancelled it"),
        (UnavailableError("not today"), UnavailableError, "not today"),
    ],
)
async def test_what_a_constructor_raises_is_told_apart(
    make: Make, machine: Machine, raised: Exception, expected: type[Exception], says: str
) -> None:
    def fail(context: LoadContext) -> None:
        raise raised

    machine.before_build = fail
    with pytest.raises(expected, match=says):
        await touch(make(model("a", extra="speech")))


async def test_missing_weights_push_nobody_out(make: Make, machine: Machine) -> None:
    controller = make(model("a", mb=600), model("b", "see", mb=600))
    machine.missing = {"b"}
    await touch(controller)
    with pytest.raises(MissingWeightsError, match="models pull b"):
        await touch(controller, See)
    assert machine.loaded == ["a"]


async def test_a_waiter_who_goes_away_does_not_stop_the_load_for_the_others(make: Make, machine: Machine) -> None:
    gate = Gate()
    tokens: list[CancelToken] = []

    def slow(context: LoadContext) -> None:
        tokens.append(context.cancel)
        gate.wait()

    machine.before_build = slow
    controller = make(model("a"))
    leaves, stays = asyncio.create_task(hold_briefly(controller)), asyncio.create_task(touch(controller))
    await gate.has_begun()
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    assert not tokens[0].is_set()
    gate.open.set()
    assert await stays == "a"
    assert machine.loads("a") == 1


async def test_a_load_nobody_waits_for_ends_and_is_kept_idle(make: Make, machine: Machine) -> None:
    gate = Gate()
    tokens: list[CancelToken] = []

    def slow(context: LoadContext) -> None:
        tokens.append(context.cancel)
        gate.wait()

    machine.before_build = slow
    controller = make(model("a"))
    leaves = asyncio.create_task(hold_briefly(controller))
    await gate.has_begun()
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    assert tokens[0].is_set()
    gate.open.set()
    await until(lambda: states(controller) == {"a": "idle"})


async def test_a_load_nobody_waits_for_is_not_begun(make: Make, machine: Machine) -> None:
    gate = Gate()
    machine.before_build = gate.wait
    controller = make(model("a"), model("b", "see"))
    first, second = asyncio.create_task(touch(controller)), asyncio.create_task(touch(controller, See))
    await gate.has_begun()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    gate.open.set()
    assert await first == "a"
    await until(lambda: states(controller) == {"a": "idle"})
    assert machine.loads("b") == 0


async def test_a_load_that_was_given_up_is_begun_again_for_who_came_meanwhile(make: Make, machine: Machine) -> None:
    gate = Gate()

    def obliging(context: LoadContext) -> None:
        gate.wait()
        context.cancel.check()

    machine.before_build = obliging
    controller = make(model("a"))
    leaves = asyncio.create_task(hold_briefly(controller))
    await gate.has_begun()
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    comes = asyncio.create_task(touch(controller))
    await until(lambda: controller.status()[0].users == 1)
    gate.open.set()
    assert await comes == "a"
    assert machine.loads("a") == 1


# --------------------------------------------------------------------------------------------------------- work


async def test_work_runs_in_a_thread_with_the_callers_context(make: Make) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="")
    request.set("r1")
    async with make(model("a")).use(Speak) as lease:
        seen = await lease.run(lambda engine, _: (request.get(), threading.current_thread()))
    assert seen[0] == "r1"
    assert seen[1] is not threading.main_thread()
    assert lease.entry.id == "a"


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_an_engine_works_for_so_many_at_once(make: Make, concurrency: int) -> None:
    controller = make(model("a", concurrency=concurrency))
    together = threading.Barrier(concurrency)
    lock, at_once, most = threading.Lock(), 0, 0

    def work(engine: object, cancel: CancelToken) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        together.wait(60)  # passes only when as many as allowed are inside
        with lock:
            at_once -= 1

    async def user() -> None:
        async with controller.use(Speak) as lease:
            await lease.run(work)

    await asyncio.gather(*(user() for _ in range(concurrency * 4)))
    assert most == concurrency


async def test_what_work_raises_becomes_the_projects_error(make: Make) -> None:
    def broken(engine: object, cancel: CancelToken) -> None:
        raise RuntimeError("CUDA error")

    def gives_up(engine: object, cancel: CancelToken) -> None:
        raise Cancelled

    async with make(model("a")).use(Speak) as lease:
        with pytest.raises(EngineError, match=r"^a failed while working: CUDA error$") as failure:
            await lease.run(broken)
        assert isinstance(failure.value.__cause__, RuntimeError)
        with pytest.raises(EngineError, match="a stopped while working, though nobody cancelled it"):
            await lease.run(gives_up)


async def test_a_cancelled_task_ends_at_once_and_the_engine_is_free_when_its_thread_is(make: Make) -> None:
    gate = Gate()
    tokens: list[CancelToken] = []
    controller = make(model("a"))

    def stubborn(engine: object, cancel: CancelToken) -> None:
        tokens.append(cancel)
        gate.wait()
        cancel.check()

    async def user() -> None:
        async with controller.use(Speak) as lease:
            await lease.run(stubborn)

    task = asyncio.create_task(user())
    await gate.has_begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tokens[0].is_set()
    assert states(controller) == {"a": "in use"}
    assert not await controller.unload("a")
    next_one = asyncio.create_task(touch(controller))
    await until(lambda: controller.status()[0].users == 2)
    assert not next_one.done()
    gate.open.set()
    assert await next_one == "a"
    assert states(controller) == {"a": "idle"}


async def test_who_is_cancelled_while_the_engine_is_busy_leaves_no_trace(make: Make) -> None:
    gate = Gate()
    controller = make(model("a"))
    async with controller.use(Speak) as lease:
        busy = asyncio.create_task(lease.run(gate.wait))
        await gate.has_begun()
        waits = asyncio.create_task(touch(controller))
        await until(lambda: controller.status()[0].users == 2)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        assert controller.status()[0].users == 1
        gate.open.set()
        await busy
    assert await touch(controller) == "a"


async def test_a_lease_that_is_over_does_not_work(make: Make) -> None:
    async with make(model("a")).use(Speak) as lease:
        pass
    with pytest.raises(RuntimeError, match="over"):
        await lease.run(lambda engine, _: None)


# ------------------------------------------------------------------------------------------------------- memory


async def test_the_estimate_is_replaced_by_what_was_measured(make: Make) -> None:
    controller = make(model("a", mb=300, estimate=50))
    async with controller.use(Speak):
        (status,) = controller.status()
    assert (status.memory_mb, status.measured) == (300.0, True)


async def test_weights_that_become_resident_when_they_are_read_are_counted_then(make: Make) -> None:
    """200 MB of mapped weights: 40 MB after the load, all after the first work, and at the next load at once."""
    weights = WeightFile(name="w.gguf", bytes=200 * 2**20, sha256="0" * 64)
    source = PathSource(kind="path", folder="weights")
    controller = make(model("a", mb=40, files=(weights,), sources=(source,), options={"late_mb": 230}))
    await hold_briefly(controller)
    assert [(s.memory_mb, s.measured) for s in controller.status()] == [(200.0, False)]
    await touch(controller)
    assert [(s.memory_mb, s.measured) for s in controller.status()] == [(270.0, True)]
    assert await controller.unload("a")
    await hold_briefly(controller)
    assert [(s.memory_mb, s.measured) for s in controller.status()] == [(270.0, True)]


async def test_growth_while_another_works_is_nobodys(make: Make, machine: Machine) -> None:
    gate = Gate()
    controller = make(model("a", mb=100), model("b", "see", mb=200, estimate=250))
    async with controller.use(Speak) as lease:
        busy = asyncio.create_task(lease.run(gate.wait))
        await gate.has_begun()
        machine.before_build = lambda context: setattr(machine, "other_mb", 500)
        await touch(controller, See)
        gate.open.set()
        await busy
    assert {s.model: (s.memory_mb, s.measured) for s in controller.status()} == {
        "a": (100.0, True),
        "b": (250.0, False),
    }


async def test_the_callers_own_results_are_not_charged_for_ever(make: Make, machine: Machine) -> None:
    controller = make(model("a", mb=100))

    def keep(engine: object, cancel: CancelToken) -> None:
        machine.other_mb += 10

    async with controller.use(Speak) as lease:
        for _ in range(10):
            await lease.run(keep)
    assert controller.status()[0].memory_mb == 130.0


async def test_the_least_recently_used_goes_first(make: Make, machine: Machine) -> None:
    controller = make(*(model(name, mb=400) for name in "abc"))
    for name in ("a", "b", "a", "c"):
        await touch(controller, Speak, name)
    assert machine.loaded == ["a", "c"]


async def test_who_has_to_go_is_gone_before_the_next_is_loaded_and_measured(make: Make, machine: Machine) -> None:
    loaded_then: list[str] = []
    machine.before_build = lambda context: loaded_then.extend(machine.loaded)
    controller = make(model("a", mb=600), model("b", "see", mb=700, estimate=600))
    await touch(controller)
    await touch(controller, See)
    assert loaded_then == []
    assert [(s.model, s.memory_mb, s.measured) for s in controller.status()] == [("b", 700.0, True)]


async def test_who_turns_out_larger_than_it_says_pushes_idle_ones_out_while_in_use(make: Make) -> None:
    controller = make(model("a", mb=600), model("b", "see", mb=600, estimate=100))
    await touch(controller)
    async with controller.use(See):
        assert states(controller) == {"b": "in use"}


async def test_what_is_pinned_stays(make: Make, machine: Machine) -> None:
    controller = make(*(model(name, mb=400) for name in "abc"))
    controller.pin("a")
    for name in "abc":
        await touch(controller, Speak, name)
    assert machine.loaded == ["a", "c"]
    machine.now = 1e6
    controller.reap()
    assert states(controller) == {"a": "idle"}
    controller.unpin("a")
    controller.reap()
    assert controller.status() == []


async def test_holders_of_one_engine_may_wait_for_another_beyond_the_budget(make: Make, machine: Machine) -> None:
    controller = make(model("a", mb=600), model("b", "see", mb=600))

    async def both(first: Any, second: Any) -> None:
        async with controller.use(first) as one, controller.use(second) as two:
            await one.run(lambda engine, _: None)
            await two.run(lambda engine, _: None)

    await asyncio.gather(both(Speak, See), both(See, Speak))
    assert sum(status.memory_mb for status in controller.status()) <= 1000
    await until(lambda: len(machine.loaded) == 1)


async def test_beyond_the_budget_it_is_loaded_only_while_the_machine_has_memory(make: Make, machine: Machine) -> None:
    controller = make(model("a", mb=600), model("b", "see", mb=600), model("b-small", "see", mb=300))
    machine.free_mb = 599
    async with controller.use(Speak):
        with pytest.raises(OutOfMemoryError) as refusal:
            await touch(controller, See, "b")
        for fact in ("b needs about 600 MB", "1000 MB is taken by a", "599 MB free", "b-small"):
            assert fact in str(refusal.value)
        machine.free_mb = 600
        assert await touch(controller, See, "b") == "b"
    await touch(controller)


async def test_a_model_larger_than_the_budget_is_refused_before_anybody_goes(make: Make, machine: Machine) -> None:
    controller = make(model("a", mb=600), model("b", "see", mb=2000))
    await touch(controller)
    with pytest.raises(
        OutOfMemoryError, match=r"2000 MB, more than the whole memory budget of 1000 MB.*SENSORIUM_BUDGET"
    ):
        await touch(controller, See)
    assert machine.loaded == ["a"]


async def test_a_model_that_turns_out_larger_than_the_budget_is_refused_then_and_at_once_later(
    make: Make, machine: Machine
) -> None:
    controller = make(model("a", mb=2000, estimate=10))
    for _ in range(2):
        with pytest.raises(OutOfMemoryError, match="2000 MB, more than the whole"):
            await touch(controller)
    assert machine.loads("a") == 1
    await until(lambda: machine.loaded == [])


async def test_idle_models_are_unloaded_by_the_clock(make: Make, machine: Machine) -> None:
    controller = make(model("a"), model("b", "see"), idle_seconds=60)
    await touch(controller)
    machine.now = 40
    await touch(controller, See)
    machine.now = 59.9
    controller.reap()
    assert {s.model: round(s.idle_seconds, 1) for s in controller.status()} == {"a": 59.9, "b": 19.9}
    machine.now = 60
    controller.reap()
    assert states(controller) == {"b": "idle"}
    async with controller.use(See):
        machine.now = 1000
        controller.reap()
        assert states(controller) == {"b": "in use"}


async def test_a_timer_unloads_idle_models(make: Make, machine: Machine) -> None:
    controller = make(model("a"), model("b", "see"), idle_seconds=0.01, clock=asyncio.get_running_loop().time)
    for _ in range(2):
        await touch(controller)
        await touch(controller, See)
        await until(lambda: machine.loaded == [])


async def test_unload(make: Make, machine: Machine) -> None:
    controller = make(model("a"))
    assert await controller.unload("a")
    async with controller.use(Speak):
        assert not await controller.unload("a")
    assert await controller.unload("a")
    assert machine.loaded == []


async def test_an_engine_that_fails_to_close_is_given_up(make: Make, machine: Machine) -> None:
    controller = make(model("a"))
    async with controller.use(Speak) as lease:
        engine = await lease.run(lambda engine, _: engine)
    assert isinstance(engine, FakeEngine)
    engine.close()  # so that closing it again fails
    assert await controller.unload("a")
    assert await touch(controller) == "a"


async def test_the_status_goes_into_json(make: Make) -> None:
    controller = make(model("a", mb=100))
    controller.pin("a")
    async with controller.use(Speak), controller.use(Speak):
        (status,) = json.loads(json.dumps([asdict(status) for status in controller.status()]))
    assert status == {
        "model": "a", "capability": "speak", "state": "in use", "users": 2, "memory_mb": 100.0, "measured": True,
        "pinned": True, "idle_seconds": 0.0,
    }  # fmt: skip


# ----------------------------------------------------------------------------------- engines that work through others


def through() -> tuple[ModelEntry, ...]:
    return (
        model("speaker", mb=300),
        model("other-speaker", mb=200),
        model("talker", "talk", estimate=0, uses=("speak",), concurrency=4),
    )


async def test_a_wrapper_holds_its_parts_and_has_no_memory_of_its_own(make: Make, machine: Machine) -> None:
    controller = make(*through())
    async with controller.use(Talk) as lease:
        assert await lease.run(lambda engine, _: engine.work()) == "talker"  # type: ignore[attr-defined] # a fake
        assert states(controller) == {"speaker": "in use"}
        assert not await controller.unload("speaker")
    assert states(controller) == {"speaker": "idle"}
    assert machine.loaded == ["speaker"]


async def test_a_wrappers_work_passes_the_gates_of_its_parts(make: Make) -> None:
    controller, gate = make(*through()), Gate()
    async with controller.use(Talk) as talker, controller.use(Speak) as speaker:
        busy = asyncio.create_task(speaker.run(gate.wait))
        await gate.has_begun()
        talks = asyncio.create_task(talker.run(lambda engine, _: engine.work()))  # type: ignore[attr-defined] # a fake
        await asyncio.sleep(0.01)
        assert not talks.done()
        gate.open.set()
        assert await talks == "talker"
        await busy


async def test_parts_can_be_chosen_by_model_or_given(make: Make, machine: Machine) -> None:
    controller = make(*through())
    async with controller.use(Talk, parts={"speak": "other-speaker", "see": "not asked for"}):
        assert states(controller) == {"other-speaker": "in use"}
    given = machine.build(LoadContext(model("given"), machine.require(model("given"))))
    async with controller.use(Talk, parts={"speak": given}) as lease:
        await lease.run(lambda engine, _: engine.work())  # type: ignore[attr-defined] # a fake
    assert given.worked
    assert not given.closed
    given.close()


async def test_a_wrapper_that_cannot_be_built_lets_its_parts_go(make: Make, machine: Machine) -> None:
    def fail(context: LoadContext) -> None:
        if context.entry.uses:
            raise ValueError("no prompt")

    machine.before_build = fail
    controller = make(*through())
    with pytest.raises(EngineError, match="talker failed while loading: no prompt"):
        await touch(controller, Talk)
    assert states(controller) == {"speaker": "idle"}


async def test_a_wrapper_abandoned_while_it_is_built_is_closed_and_lets_its_parts_go(
    make: Make, machine: Machine
) -> None:
    gate = Gate()
    machine.before_build = lambda context: gate.wait() if context.entry.uses else None
    controller = make(*through())
    task = asyncio.create_task(touch(controller, Talk))
    await gate.has_begun()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert states(controller) == {"speaker": "in use"}
    gate.open.set()
    await until(lambda: states(controller) == {"speaker": "idle"})
    assert machine.loaded == ["speaker"]


async def test_a_wrapper_around_itself_is_refused(make: Make) -> None:
    with pytest.raises(EngineError, match="loop -> loop"):
        await touch(make(model("loop", uses=("speak",))))


# ---------------------------------------------------------------------------------------------------------- close


async def test_close_waits_for_work_and_unloads_everything(make: Make, machine: Machine) -> None:
    gate = Gate()
    controller = make(*through())
    controller.pin("speaker")
    async with controller.use(Talk) as lease:
        busy = asyncio.create_task(lease.run(gate.wait))
        await gate.has_begun()
        closing = asyncio.create_task(controller.close())
        await asyncio.sleep(0.01)
        assert machine.loaded == ["speaker", "talker"]
        with pytest.raises(UnavailableError, match="shut down"):
            await touch(controller)
        gate.open.set()
        await closing
        await busy
        assert machine.loaded == []
        with pytest.raises(UnavailableError, match="shut down"):
            await lease.run(lambda engine, _: None)


async def test_close_tells_loads_to_stop(make: Make, machine: Machine) -> None:
    gate = Gate()

    def obliging(context: LoadContext) -> None:
        gate.wait()
        context.cancel.check()

    machine.before_build = obliging
    controller = make(model("a"), model("b", "see"))
    users = [asyncio.create_task(touch(controller, capability)) for capability in (Speak, See)]
    await gate.has_begun()
    closing = asyncio.create_task(controller.close())
    await asyncio.sleep(0)
    gate.open.set()
    await closing
    for error in await asyncio.gather(*users, return_exceptions=True):
        assert isinstance(error, UnavailableError)
    assert machine.built == []


async def test_the_real_meter_and_allocator() -> None:
    """With this process's own RSS: 64 MB of touched memory are seen and charged."""

    class Heavy:
        capability: ClassVar[str] = "speak"

        def __init__(self, context: LoadContext) -> None:
            self.data: bytearray | None = bytearray(b"x") * (64 * 2**20)

        def close(self) -> None:
            self.data = None

    controller = ModelController(Catalog({"a": model("a")}), Machine(), budget_mb=100_000, build=Heavy)
    await hold_briefly(controller)
    (status,) = controller.status()
    assert status.measured
    assert 60 < status.memory_mb < 100
    await controller.close()
    assert controller.status() == []
