"""What runs take of models: tokens, time and, where a price is known, an estimate of the cost."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select

from engines.errors import InputError, NotFoundError
from memory.database import Database
from memory.tables import RunRow, UsageRow


class UsageInfo(BaseModel):
    """``cost`` is estimated, in US dollars; None: not known."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    run_id: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cost: float | None
    created_at: datetime


class UsageTotal(BaseModel):
    """Of one model. ``cost`` adds up what is known; ``runs_without_cost`` says of how many runs it is not."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    model: str
    runs: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cost: float
    runs_without_cost: int


class UsageLog:
    """One owner's usage. Another owner's runs raise NotFoundError, as if they were not there."""

    def __init__(self, db: Database, owner: str) -> None:
        self._db = db
        self._owner = owner

    async def keep(
        self,
        run_id: str,
        model: str,
        *,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        seconds: float = 0.0,
        cost: float | None = None,
    ) -> UsageInfo:
        """Store what the run has taken of the model, in place of what was stored of the two before: a run that is
        taken up again at its very end tells it once more.

        Raises NotFoundError when there is no such run, InputError for less than nothing.
        """
        if min(prompt_tokens, completion_tokens, seconds, cost or 0) < 0:
            raise InputError("Nothing takes less than no tokens, time or money.")
        async with self._db.transaction() as session:
            await self._db.alone(session, f"usage:{run_id}")
            mine = select(RunRow.id).where(RunRow.id == run_id, RunRow.owner == self._owner)
            if await session.scalar(mine) is None:
                raise NotFoundError(f"There is no run {run_id[:80]!r}.")
            row = UsageRow(
                run_id=run_id,
                model=model,
                owner=self._owner,
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
                seconds=seconds,
                cost=cost,
                created_at=datetime.now(UTC),
            )
            return UsageInfo.model_validate(await session.merge(row))

    async def of_run(self, run_id: str) -> list[UsageInfo]:
        """By model; empty when nothing is known of the run."""
        query = select(UsageRow).where(UsageRow.owner == self._owner, UsageRow.run_id == run_id)
        async with self._db.session() as session:
            rows = await session.scalars(query.order_by(UsageRow.model))
            return [UsageInfo.model_validate(row) for row in rows]

    async def totals(self, since: datetime | None = None, until: datetime | None = None) -> list[UsageTotal]:
        """Of each model, those of the most tokens first; from ``since`` up to, and without, ``until``."""
        query = select(
            UsageRow.model,
            func.count().label("runs"),
            func.sum(UsageRow.prompt_tokens).label("prompt_tokens"),
            func.sum(UsageRow.completion_tokens).label("completion_tokens"),
            func.sum(UsageRow.seconds).label("seconds"),
            func.coalesce(func.sum(UsageRow.cost), 0.0).label("cost"),
            (func.count() - func.count(UsageRow.cost)).label("runs_without_cost"),
        ).where(UsageRow.owner == self._owner)
        if since is not None:
            query = query.where(UsageRow.created_at >= since)
        if until is not None:
            query = query.where(UsageRow.created_at < until)
        tokens = func.sum(UsageRow.prompt_tokens + UsageRow.completion_tokens)
        async with self._db.session() as session:
            rows = await session.execute(query.group_by(UsageRow.model).order_by(tokens.desc(), UsageRow.model))
            return [UsageTotal.model_validate(row) for row in rows]
