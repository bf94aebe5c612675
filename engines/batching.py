"""Micro-batching: calls that arrive together are worked on together.

For models whose cost per call is mostly overhead. A call waits at most `max_wait_seconds` for others; a call that is
alone and finds the model idle does not wait at all, so nobody pays for company that doesn't come. The technique is that
of NVIDIA Triton's dynamic batcher.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from engines.errors import EngineError
from engines.progress import NEVER, Cancelled, CancelToken

T = TypeVar("T")
R = TypeVar("R")

_POLL_SECONDS = 0.05
"""How often a waiting call looks whether it was cancelled."""


@dataclass(eq=False)
class _Job(Generic[T, R]):
    items: Sequence[T]
    done: threading.Event = field(default_factory=threading.Event)
    results: Sequence[R] = ()
    error: BaseException | None = None


class MicroBatcher(Generic[T, R]):
    """Gathers the items of concurrent calls from threads and hands them to ``work`` in batches.

    ``work`` gets a list of items and returns as many results in the same order. It runs in the thread of one of the
    callers, one batch at a time: there is no thread of its own to start or to stop.
    """

    def __init__(
        self, work: Callable[[list[T]], Sequence[R]], *, max_items: int = 32, max_wait_seconds: float = 0.005
    ) -> None:
        """``max_items`` is the largest batch, except that one call's items are never split; 1: don't batch."""
        self._work = work
        self.max_items = max_items
        self._max_wait = max_wait_seconds
        self._waiting: deque[_Job[T, R]] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self.batches = 0
        """How many batches were worked on, for measuring."""

    def __call__(self, items: Sequence[T], cancel: CancelToken = NEVER) -> list[R]:
        """The results of ``items``, in order. Raises what ``work`` raises, and Cancelled."""
        if not items:
            return []
        job: _Job[T, R] = _Job(items)
        with self._changed:
            self._waiting.append(job)
            self._changed.notify_all()
        while not job.done.is_set():
            batch = self._take_a_turn(job, cancel)
            if batch:
                self._run(batch)
        if job.error is not None:
            raise job.error
        return list(job.results)

    def _take_a_turn(self, job: _Job[T, R], cancel: CancelToken) -> list[_Job[T, R]]:
        """The batch this caller is to work on; empty: somebody else did the job, or works on it now."""
        with self._changed:
            while self._busy and not job.done.is_set():
                if cancel.is_set() and job in self._waiting:
                    self._waiting.remove(job)
                    raise Cancelled
                self._changed.wait(_POLL_SECONDS)
            if job.done.is_set():
                return []
            self._busy = True
            # Others came while the model was busy: more may be on their way.
            if len(self._waiting) > 1 and self.max_items > 1:
                self._wait_for_more()
            return self._batch()

    def _wait_for_more(self) -> None:
        until = time.monotonic() + self._max_wait
        while sum(len(job.items) for job in self._waiting) < self.max_items:
            left = until - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _batch(self) -> list[_Job[T, R]]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].items)
        while self._waiting and size + len(self._waiting[0].items) <= self.max_items:
            size += len(self._waiting[0].items)
            batch.append(self._waiting.popleft())
        return batch

    def _run(self, batch: list[_Job[T, R]]) -> None:
        error: BaseException | None = None
        results: Sequence[R] = ()
        items = [item for job in batch for item in job.items]
        try:
            results = self._work(items)
            if len(results) != len(items):
                raise EngineError(f"A batch of {len(items)} gave {len(results)} results.")
        except BaseException as raised:  # handed to every caller of the batch
            error = raised
        with self._changed:
            self._busy = False
            self.batches += 1
            start = 0
            for job in batch:
                job.results, job.error = results[start : start + len(job.items)], error
                start += len(job.items)
                job.done.set()
            self._changed.notify_all()
