"""Deleting a conversation or a user with everything that is kept of them, wherever it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver
from sqlalchemy import delete

from memory.artifacts import ArtifactStore
from memory.chats import Chats
from memory.checkpoints import checkpoint_thread
from memory.database import Database
from memory.tables import UserRow
from memory.turn_locks import TurnLocks

_PAGE = 100


class Belongings(Protocol):
    """What a store other than the chat database keeps of one owner, such as vectors."""

    async def forget_thread(self, thread_id: str) -> Any: ...
    async def forget_all(self) -> Any: ...


class CheckpointsOf:
    """One owner's checkpoints."""

    def __init__(self, saver: BaseCheckpointSaver[str], owner: str) -> None:
        self._saver = saver
        self._owner = owner

    async def forget_thread(self, thread_id: str) -> None:
        await self._saver.adelete_thread(checkpoint_thread(self._owner, thread_id))

    async def forget_all(self) -> None:
        """There are none but those of conversations."""


class Eraser:
    """Deletes what is one owner's. What still runs must have been cancelled.

    Other stores forget first and the rows that name it all go last: whoever is stopped half way can begin again.
    """

    def __init__(
        self, db: Database, owner: str, artifacts: ArtifactStore, also: Sequence[Belongings], locks: TurnLocks
    ) -> None:
        """``artifacts`` is the owner's store; ``also`` are the owner's other stores."""
        self._db = db
        self._owner = owner
        self._chats = Chats(db, owner)
        self._artifacts = artifacts
        self._also = also
        self._locks = locks

    async def thread(self, thread_id: str) -> None:
        """A conversation, and the media that only it uses. Raises NotFoundError when there is no such conversation,
        ConflictError when a turn of it goes on.
        """
        await self._chats.thread(thread_id)
        async with self._locks.for_deletion(thread_id):  # or a turn that begins would write to the stores again
            for store in self._also:
                await store.forget_thread(thread_id)
            files = await self._chats.delete_thread(thread_id)
        await self._artifacts.remove_files(files)

    async def user(self) -> None:
        """All conversations, all media, and the user. Files that others have too stay theirs."""
        while threads := await self._chats.threads(_PAGE):
            for thread in threads:
                await self.thread(thread.id)
        for store in self._also:
            await store.forget_all()
        while refs := await self._artifacts.list(limit=_PAGE):
            for ref in refs:
                await self._artifacts.delete(ref.id)
        async with self._db.transaction() as session:
            await session.execute(delete(UserRow).where(UserRow.id == self._owner))
