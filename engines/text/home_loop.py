"""The one event loop on which a `ModelController` lives, and the way to it from everywhere else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from engines.errors import EngineError

T = TypeVar("T")


class HomeLoop:
    """Runs coroutines on one loop: the one that used it first, or a private one in a thread for callers without any."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await ``work()`` at home. Cancelling the caller cancels the work."""
        running = asyncio.get_running_loop()
        home = self._home(running)
        if home is running:
            return await work()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), home))

    def run_blocking(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """``work()`` for a thread that has no event loop."""
        future = self.start(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Begin ``work()`` at home. Raises EngineError in a thread with a running loop: it would stand still."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(work(), self._home(None))
        raise EngineError(
            "A blocking call to a chat model inside an event loop.", fix="Use `await model.ainvoke(...)`."
        )

    def _home(self, running: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = running or _private_loop()
            return self._loop


def _private_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="chat models", daemon=True).start()
    return loop
