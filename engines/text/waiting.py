"""Wait for work that can't be cancelled, and give it up when it takes too long or nobody waits any more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from engines.errors import EngineError
from engines.progress import CancelToken

T = TypeVar("T")

_POLL_SECONDS = 0.1
_FIX = "Try again later, or use another model."


def within(seconds: float, work: Callable[[], T], *, what: str, cancel: CancelToken) -> T:
    """The result of ``work``, which runs in a thread of its own and must end by itself some time later.

    Raises what ``work`` raises, EngineError after ``seconds``, Cancelled within a tenth of a second of a cancel.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # handed to the one who waits
            future.set_exception(error)

    threading.Thread(target=run, name=what, daemon=True).start()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        cancel.check()
        try:
            return future.result(_POLL_SECONDS)
        except TimeoutError:
            if future.done():  # the work itself raised one
                raise
    raise EngineError(f"{what} did not answer within {seconds:g} s.", fix=_FIX)


def run_program(command: Sequence[str], given: str, *, seconds: float, what: str, cancel: CancelToken) -> str:
    """What a program writes when ``given`` is its input. It and its children are ended whenever this function ends.

    Raises EngineError when it fails or takes more than ``seconds``, Cancelled within a tenth of a second of a cancel.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # a process group of its own, which can be stopped as a whole
    )
    until = time.monotonic() + seconds
    unsent: str | None = given
    try:
        while True:
            cancel.check()
            try:
                out, err = process.communicate(unsent, timeout=_POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                unsent = None  # it is handed over once
            if time.monotonic() > until:
                raise EngineError(f"{what} did not answer within {seconds:g} s.", fix=_FIX)
    finally:
        _end(process)
    if process.returncode:
        raise EngineError(f"{what} failed: {(err.strip().splitlines() or ['it gave no reason'])[-1][:200]}.", fix=_FIX)
    return out


def _end(process: subprocess.Popen[str]) -> None:
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
