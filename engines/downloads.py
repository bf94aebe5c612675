"""What every way of fetching shares: a job, a meter, work side by side, and child processes that can be stopped."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from engines.catalog import WeightFile
from engines.progress import NEVER, CancelToken

Item = TypeVar("Item")
Result = TypeVar("Result")

SIDE_BY_SIDE = 4
"""Files or packages fetched at once."""

_CHUNK = 1 << 20
_TICK_SECONDS = 0.1
"""How often a cancel is looked for and progress is measured."""

_GRACE_SECONDS = 0.5
"""A child that has not ended this long after SIGTERM is killed."""

_RATE_WINDOW_SECONDS = 5.0


class SourceError(Exception):
    """One source can't give the files; the message is one line. The next source is tried."""


@dataclass(frozen=True, slots=True)
class PullProgress:
    """``done`` and ``total`` in bytes (of what the source at work transfers), ``rate`` in bytes per second."""

    model: str
    done: int
    total: int
    rate: float
    message: str


OnPullProgress = Callable[[PullProgress], None]


class Meter:
    """Adds up bytes from several threads and passes them on about ten times a second."""

    def __init__(self, model: str, on_progress: OnPullProgress) -> None:
        self._model = model
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._samples: deque[tuple[float, int]] = deque()
        self._total = 0
        self._message = ""
        self._told = 0.0

    def start(self, total: int, message: str) -> None:
        """A source begins: counting starts again from 0 of ``total`` bytes."""
        with self._lock:
            self._counts.clear()
            self._samples.clear()
            self._total = total
            self._message = message
            self._tell()

    def say(self, message: str) -> None:
        with self._lock:
            self._message = message
            self._tell()

    def count(self, key: str, bytes_so_far: int) -> None:
        """``key`` (a file, a package) has come this far."""
        with self._lock:
            self._counts[key] = bytes_so_far
            if time.monotonic() - self._told >= _TICK_SECONDS:
                self._tell()

    def finish(self) -> None:
        """Pass on the last count, which `count` may have held back."""
        with self._lock:
            self._tell()

    def _tell(self) -> None:
        now, done = time.monotonic(), sum(self._counts.values())
        self._told = now
        self._samples.append((now, done))
        while now - self._samples[0][0] > _RATE_WINDOW_SECONDS:
            self._samples.popleft()
        first, count = self._samples[0]
        rate = max(0.0, (done - count) / (now - first)) if now > first else 0.0
        total = max(self._total, done)
        self._on_progress(PullProgress(self._model, done, total, rate, self._message))


@dataclass(frozen=True, slots=True)
class Job:
    """Files that one source is asked for."""

    files: tuple[WeightFile, ...]
    target: Path
    """Takes the files whose sha256 is right (see `accept`), and nothing else."""
    work: Path
    """The source's own folder; kept between pulls so that a broken one goes on where it stopped."""
    meter: Meter
    cancel: CancelToken = NEVER

    def accept(self, file: WeightFile, path: Path) -> None:
        """Check what was fetched and move it to the target. Raises SourceError, and drops it, when it is not right."""
        size = path.stat().st_size
        right = size == file.bytes and sha256_of(path, self.cancel) == file.sha256
        if not right:
            path.unlink()
            what = f"{size:,} bytes instead of {file.bytes:,}" if size != file.bytes else "another sha256"
            raise SourceError(f"its {file.name} is not the catalog's file: {what}")
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        place = self.target / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)


def sha256_of(path: Path, cancel: CancelToken = NEVER) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            cancel.check()
            digest.update(chunk)
    return digest.hexdigest()


def folder_bytes(folder: Path) -> int:
    """Sizes of all files below ``folder``, some of which may vanish meanwhile."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(base, name)).st_size  # noqa: PTH116, PTH118 - ten times a second
    return total


def side_by_side(
    items: Iterable[Item],
    work: Callable[[Item, CancelToken], Result],
    on_done: Callable[[Item, Result], None],
    *,
    cancel: CancelToken,
    room: Callable[[], int] = lambda: SIDE_BY_SIDE,
) -> None:
    """Run ``work`` on the items in threads, started in order, ``room()`` at a time; ``on_done`` runs in this thread.

    The first error, a cancel or Ctrl-C stops the others: ``work`` must heed the token it is given.
    """
    stop = CancelToken()
    waiting = deque(items)
    running: dict[Future[Result], Item] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="pull") as pool:
        try:
            while waiting or running:
                while waiting and (not running or len(running) < room()):
                    item = waiting.popleft()
                    running[pool.submit(work, item, stop)] = item
                done, _ = wait(running, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
                cancel.check()
                for future in done:
                    on_done(running.pop(future), future.result())
        except BaseException:
            stop.set()
            raise


def run_client(
    command: Sequence[str],
    *,
    cancel: CancelToken,
    env: Mapping[str, str] | None = None,
    on_tick: Callable[[], None] = lambda: None,
    timeout: float | None = None,
) -> None:
    """Run a package client to its end; ``on_tick`` is called about ten times a second.

    Raises SourceError with the client's last error line when it fails or takes longer than ``timeout`` seconds,
    Cancelled on a cancel, OSError (ENOSPC) when the client found the disk full. The client and its children are
    stopped whenever this function ends.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(env or {})},
        start_new_session=True,  # a process group of its own, which can be stopped as a whole
    )
    lines: deque[str] = deque(maxlen=50)
    # A pipe, not a file: when this process is killed, the client's next line breaks it, and it ends too.
    reader = threading.Thread(target=_keep_last_lines, args=(process, lines), daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            cancel.check()
            on_tick()
            if timeout is not None and time.monotonic() - started > timeout:
                raise SourceError(f"no answer within {timeout:.0f} seconds")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TICK_SECONDS)
    finally:
        _end(process)
        reader.join(_GRACE_SECONDS)
    if process.returncode != 0:
        said = [line.strip() for line in lines if line.strip()]
        if any("No space left on device" in line or "ENOSPC" in line for line in said):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise SourceError(_error_line(said) or f"the client ended with code {process.returncode}")


def _keep_last_lines(process: subprocess.Popen[str], lines: deque[str]) -> None:
    if process.stdout is not None:
        with process.stdout as stream:
            lines.extend(stream)


def _end(process: subprocess.Popen[str]) -> None:
    """Stop the child's whole group; a child that has ended may have left children of its own."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    if os.name == "posix":
        _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
    else:
        process.kill()


def _error_line(lines: Sequence[str]) -> str:
    """The last line the client marked as an error, else its last line."""
    marked = [line for line in lines if line.lower().startswith(("error", "npm err", "npm error"))]
    line = (marked or lines or [""])[-1]
    return line.removeprefix("ERROR:").strip()[:300]
