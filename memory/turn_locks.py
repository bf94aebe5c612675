"""One turn of a conversation at a time, in whichever process of this machine: a lock file a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import AsyncFileLock, Timeout

from engines.errors import ConflictError

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 10
"""How long a deletion waits for a turn that is about to end."""


class TurnLocks:
    """The system frees a lock when a process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, thread_id: str, *, patience: float = -1) -> AsyncFileLock:
        """Held while a turn works. ``patience`` in seconds; -1: for ever."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return AsyncFileLock(self._folder / f"{thread_id}.lock", timeout=patience, poll_interval=_POLL_SECONDS)

    @asynccontextmanager
    async def for_deletion(self, thread_id: str) -> AsyncIterator[None]:
        """Held while a conversation is deleted, which no lock is left of.

        Whoever waited for it meanwhile finds the conversation gone. Raises ConflictError when a turn goes on.
        """
        lock = self.of(thread_id, patience=_PATIENCE_SECONDS)
        try:
            await lock.acquire()
        except Timeout as error:
            raise ConflictError(
                "This conversation is being answered.", fix="Stop the answer, or wait until it is done."
            ) from error
        try:
            yield
            await asyncio.to_thread(Path(lock.lock_file).unlink, missing_ok=True)
        finally:
            await lock.release()
