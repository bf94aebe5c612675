"""Which process works on a run, and whether it still lives."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine. ``started`` (seconds since 1970) tells it from a later one with the same ``pid``."""

    pid: int
    started: float

    def is_same(self, other: Process) -> bool:
        # The start is worked out from the clock, which may have been set a little since.
        return self.pid == other.pid and abs(self.started - other.started) < 1.0

    def is_alive(self) -> bool:
        try:
            found = psutil.Process(self.pid)
            return self.is_same(Process(self.pid, found.create_time())) and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:  # somebody else's process has that number: as far as one can tell, it lives
            return True


def this_process() -> Process:
    own = psutil.Process()
    return Process(own.pid, own.create_time())
