"""Progress and cancellation for blocking work.

Engines work in threads. They report through an `OnProgress` callback and look at a `CancelToken` between steps;
a token that was set makes ``check()`` raise `Cancelled`, which the controller turns into ``asyncio.CancelledError``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: Called with the fraction done in 0..1 (``None``: not known) and a short message.
OnProgress = Callable[[float | None, str], None]


class Cancelled(Exception):
    """Blocking work noticed that nobody waits for it any more."""


class CancelToken:
    """A flag that one thread sets and another looks at."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if the token was set."""
        if self._event.is_set():
            raise Cancelled


def ignore_progress(fraction: float | None, message: str) -> None:
    """The `OnProgress` of callers that don't listen."""


#: The token of callers that never cancel. It must never be set.
NEVER = CancelToken()


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``, which being cancelled does not stop: the cancellation is raised when the work has ended.

    For short work that must not be left half done, such as a transaction.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # nobody else looks at it
        raise cancelled
    return task.result()
