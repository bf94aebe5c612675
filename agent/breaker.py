"""A circuit breaker: what fails again and again is left alone for a growing while, then tried once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Record:
    failures: int = 0
    closed_until: float = 0.0
    on_trial: bool = False


class Breaker:
    """Counts failures in a row by name: of a model, or of a server. Use on one event loop."""

    def __init__(
        self, *, failures: int, seconds: float, longest_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """After ``failures`` in a row a name rests for ``seconds``; each further one doubles that."""
        self._allowed = failures
        self._seconds = seconds
        self._longest = longest_seconds
        self._clock = clock
        self._records: dict[str, _Record] = {}

    def resting_seconds(self, name: str) -> float:
        """How long it is to be left alone from now; 0.0: it may be tried."""
        record = self._records.get(name, _Record())
        if record.on_trial:  # somebody tries it just now: others wait for what comes of that
            return max(self._seconds, record.closed_until - self._clock())
        return max(0.0, record.closed_until - self._clock())

    def failures(self, name: str) -> int:
        """In a row, up to now."""
        return self._records.get(name, _Record()).failures

    def begin(self, name: str) -> None:
        """It is tried. After a rest only one may do so at a time."""
        record = self._records.get(name)
        if record and record.failures >= self._allowed:
            record.on_trial = True

    def succeeded(self, name: str) -> None:
        self._records.pop(name, None)

    def failed(self, name: str) -> None:
        record = self._records.setdefault(name, _Record())
        record.on_trial = False
        record.failures += 1
        if record.failures >= self._allowed:
            rest = self._seconds * 2.0 ** (record.failures - self._allowed)
            record.closed_until = self._clock() + min(rest, self._longest)

    def let_go(self, name: str) -> None:
        """The trial ended without saying anything of it: it was cancelled."""
        if record := self._records.get(name):
            record.on_trial = False
