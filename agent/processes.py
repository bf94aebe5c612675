"""Keeping processes up together: start them, wait until they answer, and stop all when one ends or we are told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from engines.errors import SensoriumError

START_SECONDS = 120.0
"""How long a service may take until it answers: imports are slow on a cold disk."""

STOP_SECONDS = 15.0
"""How long a service may take to stop before it is killed."""

LOG_LINES = 15
"""Lines of a log shown when a service ends by itself."""

LOG_BYTES = 5_000_000
"""A larger log is moved aside at the next start."""


class ServiceError(SensoriumError):
    """A service did not start or ended by itself."""

    code = "service-ended"
    exit_code = 5


@dataclass
class Service:
    """A Python process. ``arguments`` come after the interpreter; ``health`` answers 200 when it is ready."""

    name: str
    arguments: Sequence[str]
    health: str
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.is_file() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
                # Its own group: a Ctrl-C in the terminal reaches us only, and we stop the services in order.
                start_new_session=True,
            )

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def answers(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands before loopback
        try:
            with opener.open(self.health, timeout=2) as response:  # the address is ours
                return bool(response.status == 200)
        except OSError:
            return False

    def terminate(self) -> None:
        if self.process and not self.has_ended:
            self.process.terminate()

    def kill(self) -> None:
        """The process and whatever it has started."""
        if self.process is None:
            return
        if os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        with suppress(OSError):
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])
        return ""


@dataclass
class _Signals:
    """What the user has asked for so far: 0 nothing, 1 stop, 2 stop at once."""

    count: int = 0

    def received(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.count += 1


def keep_up(services: Sequence[Service], *, on_ready: Callable[[], None]) -> None:
    """Start all, call ``on_ready`` when all answer, and return when a signal has stopped them.

    Raises ServiceError, with the end of its log, when one does not start or ends by itself; the others are stopped.
    """
    with _signals() as signals:
        try:
            for service in services:
                service.start()
            _wait_until_ready(services, signals)
            if not signals.count:
                on_ready()
            while not signals.count:
                _check(services)
                time.sleep(0.2)
        finally:
            _stop(services, signals)


def _wait_until_ready(services: Sequence[Service], signals: _Signals) -> None:
    deadline = time.monotonic() + START_SECONDS
    waiting = list(services)
    while waiting and not signals.count:
        _check(services)
        waiting = [service for service in waiting if not service.answers()]
        if waiting and time.monotonic() > deadline:
            late = waiting[0]
            raise ServiceError(
                f"The {late.name} did not answer within {START_SECONDS:.0f} seconds.", fix=f"Its log is {late.log}."
            )
        time.sleep(0.1)


def _check(services: Sequence[Service]) -> None:
    for service in services:
        if service.has_ended and service.process:
            raise ServiceError(
                f"The {service.name} ended with code {service.process.returncode}.",
                fix=f"The end of its log ({service.log}):\n{service.last_words()}",
            )


def _stop(services: Sequence[Service], signals: _Signals) -> None:
    """The last one started first. A further signal while they stop kills them."""
    patience = signals.count + 1
    for service in reversed(services):
        service.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    while any(not service.has_ended for service in services if service.process):
        if time.monotonic() > deadline or signals.count >= max(2, patience):
            break
        time.sleep(0.05)
    for service in services:
        service.kill()  # also what a service that has ended may have left behind


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Count the signals that ask to stop, instead of dying of the first."""
    signals = _Signals()
    wanted = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, signals.received) for number in wanted}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
