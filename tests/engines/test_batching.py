"""Calls that arrive together are worked on together, and each gets its own results."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from engines.batching import MicroBatcher
from engines.errors import EngineError
from engines.progress import Cancelled, CancelToken


class Model:
    """Doubles numbers, and remembers its batches. While the gate is shut, work does not end."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def work(self, items: list[int]) -> Sequence[int]:
        self.batches.append(items)
        self.began.set()
        assert self.gate.wait(10)
        if 13 in items:
            raise ValueError("13")
        return [2 * item for item in items]


def test_a_call_alone_is_a_batch_alone() -> None:
    model = Model()
    assert MicroBatcher(model.work)([1, 2]) == [2, 4]
    assert model.batches == [[1, 2]]


def test_no_items_are_no_work() -> None:
    model = Model()
    assert MicroBatcher(model.work)([]) == []
    assert model.batches == []


def test_calls_that_wait_for_the_model_go_together_and_get_their_own_results() -> None:
    model = Model()
    model.gate.clear()
    batcher = MicroBatcher(model.work, max_wait_seconds=0.2)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher, [0])
        assert model.began.wait(10)
        others = [pool.submit(batcher, [n, n + 100]) for n in range(1, 7)]
        while len(batcher._waiting) < 6:
            threading.Event().wait(0.01)
        model.gate.set()
        assert first.result() == [0]
        assert [future.result() for future in others] == [[2 * n, 2 * n + 200] for n in range(1, 7)]
    assert len(model.batches) == 2
    assert sorted(model.batches[1]) == sorted([*range(1, 7), *range(101, 107)])


def test_a_batch_is_no_larger_than_allowed_but_a_call_is_never_split() -> None:
    model = Model()
    model.gate.clear()
    batcher = MicroBatcher(model.work, max_items=3, max_wait_seconds=0.01)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(batcher, [0])]
        assert model.began.wait(10)
        futures += [pool.submit(batcher, items) for items in ([1, 2], [3, 4], [5, 6, 7, 8])]
        while len(batcher._waiting) < 3:
            threading.Event().wait(0.01)
        model.gate.set()
        for future in futures:
            future.result()
    assert sorted(map(len, model.batches)) == [1, 2, 2, 4]


def test_a_failure_reaches_the_callers_of_its_batch_and_nobody_else() -> None:
    model = Model()
    batcher = MicroBatcher(model.work)
    with pytest.raises(ValueError, match="13"):
        batcher([13])
    assert batcher([1]) == [2]


def test_a_model_that_gives_too_few_results_is_an_error() -> None:
    with pytest.raises(EngineError, match="gave 0 results"):
        MicroBatcher(lambda items: [])([1])


def test_a_call_that_is_cancelled_while_it_waits_goes_away() -> None:
    model = Model()
    model.gate.clear()
    batcher = MicroBatcher(model.work)
    cancel = CancelToken()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher, [1])
        assert model.began.wait(10)
        second = pool.submit(batcher, [2], cancel)
        cancel.set()
        with pytest.raises(Cancelled):
            second.result(10)
        model.gate.set()
        assert first.result() == [2]
    assert model.batches == [[1]]
