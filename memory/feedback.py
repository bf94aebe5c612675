"""What people think of answers."""

from __future__ import annotations

import builtins
from datetime import UTC, datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, delete, select

from engines.errors import InputError, NotFoundError
from memory.chats import storable
from memory.database import Database
from memory.tables import FeedbackRow, RunRow

Rating = Literal["up", "down"]

_COMMENT_CHARS = 4_000


class FeedbackInfo(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)

    run_id: str
    rating: Rating
    comment: str
    created_at: datetime


class Feedback:
    """One owner's opinions on the answers they got: one a run. Another owner's runs raise NotFoundError."""

    def __init__(self, db: Database, owner: str) -> None:
        self._db = db
        self._owner = owner

    async def give(self, run_id: str, rating: Rating, comment: str = "") -> FeedbackInfo:
        """Say what the answer of a run was like, in place of what was said of it before.

        Raises InputError for another rating or too long a comment, NotFoundError when there is no such run.
        """
        if rating not in get_args(Rating):
            raise InputError(f"{rating!r} is no rating.", fix="Say up or down.")
        if len(comment) > _COMMENT_CHARS:
            raise InputError(f"The comment is longer than {_COMMENT_CHARS:,} characters.", fix="Shorten it.")
        async with self._db.transaction() as session:
            await self._db.alone(session, f"feedback:{run_id}")
            mine = select(RunRow.id).where(RunRow.id == run_id, RunRow.owner == self._owner)
            if await session.scalar(mine) is None:
                raise NotFoundError(f"There is no run {run_id[:80]!r}.")
            row = await session.merge(
                FeedbackRow(
                    run_id=run_id,
                    owner=self._owner,
                    rating=rating,
                    comment=storable(comment),
                    created_at=datetime.now(UTC),
                )
            )
            return FeedbackInfo.model_validate(row)

    async def take_back(self, run_id: str) -> None:
        """Raises NotFoundError when nothing was said."""
        gone = delete(FeedbackRow).where(FeedbackRow.owner == self._owner, FeedbackRow.run_id == run_id)
        async with self._db.transaction() as session:
            if await session.scalar(gone.returning(FeedbackRow.run_id)) is None:
                raise NotFoundError(f"There is no feedback on run {run_id[:80]!r}.")

    async def of_thread(self, thread_id: str) -> list[FeedbackInfo]:
        """On the runs of a conversation, oldest first."""
        query = select(FeedbackRow).join(RunRow).where(FeedbackRow.owner == self._owner, RunRow.thread_id == thread_id)
        return await self._read(query.order_by(RunRow.created_at, RunRow.id))

    async def list(self, rating: Rating | None = None, limit: int = 100) -> list[FeedbackInfo]:
        """The newest first."""
        query = select(FeedbackRow).where(FeedbackRow.owner == self._owner)
        if rating is not None:
            query = query.where(FeedbackRow.rating == rating)
        return await self._read(query.order_by(FeedbackRow.created_at.desc(), FeedbackRow.run_id).limit(limit))

    async def _read(self, query: Select[FeedbackRow]) -> builtins.list[FeedbackInfo]:
        async with self._db.session() as session:
            return [FeedbackInfo.model_validate(row) for row in await session.scalars(query)]
