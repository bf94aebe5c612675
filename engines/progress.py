"""Progress and cancellation for blocking work.

Engines work in threads. They report through an `OnProgress` callback and look at a `CancelToken` between steps;
a token that was set makes ``check()`` raise `Cancelled`, which the controller turns into ``asyncio.CancelledError``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

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
