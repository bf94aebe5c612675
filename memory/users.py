"""The people who use it, and what each has chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from engines.errors import InputError, NotFoundError
from memory.chats import storable
from memory.database import Database
from memory.tables import UserRow

_NAME_CHARS = 255
_SETTINGS_BYTES = 16_000


class UserInfo(BaseModel):
    """``settings`` are what the user has chosen, such as a chat model or what needs no approval."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    name: str
    settings: dict[str, Any]
    created_at: datetime


class Users:
    """Everybody. An ``id`` is the ``owner`` of what the other stores keep; whoever calls has made sure who asks."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def ensure(self, id: str, name: str = "") -> UserInfo:  # noqa: A002 - what callers call it
        """The user of that id, made now if there is none. Raises InputError for an id or a name that is too long."""
        if not 0 < len(id) <= _NAME_CHARS or len(name) > _NAME_CHARS:
            raise InputError(f"A user's id and name have at most {_NAME_CHARS} characters.")
        row = UserRow(id=id, name=name or id, settings={}, created_at=datetime.now(UTC))
        async with self._db.transaction() as session:
            await self._db.alone(session, f"user:{id}")
            found = await session.get(UserRow, id)
            if found is None:
                session.add(row)
            return UserInfo.model_validate(found or row)

    async def get(self, id: str) -> UserInfo:  # noqa: A002 - what callers call it
        async with self._db.session() as session:
            return UserInfo.model_validate(await _row(session, id))

    async def list(self) -> list[UserInfo]:
        """By name."""
        async with self._db.session() as session:
            rows = await session.scalars(select(UserRow).order_by(UserRow.name, UserRow.id))
            return [UserInfo.model_validate(row) for row in rows]

    async def choose(
        self,
        id: str,  # noqa: A002 - what callers call it
        choices: Mapping[str, Any],
        *,
        name: str | None = None,
    ) -> UserInfo:
        """Change these settings, and the name where one is given, and leave the others; None goes back to what holds
        for everybody.

        Raises InputError for an empty or too long name, for what JSON can't hold, or for more than 16 kB of it in all;
        nothing is changed then.
        """
        if name is not None and not 0 < len(name) <= _NAME_CHARS:
            raise InputError(f"A user's name has 1 to {_NAME_CHARS} characters.")
        name = storable(name) if name else None
        async with self._db.transaction() as session:
            await self._db.alone(session, f"user:{id}")
            row = await _row(session, id)
            chosen = {key: value for key, value in {**row.settings, **choices}.items() if value is not None}
            _check(chosen)
            row.settings = chosen
            row.name = name or row.name
            return UserInfo.model_validate(row)


def _check(settings: dict[str, Any]) -> None:
    try:
        size = len(json.dumps(settings, allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise InputError(f"A setting is nothing that JSON can hold: {error}.") from error
    if size > _SETTINGS_BYTES:
        raise InputError(f"All settings together take at most {_SETTINGS_BYTES / 1000:g} kB.")


async def _row(session: AsyncSession, user_id: str) -> UserRow:
    row = await session.get(UserRow, user_id)
    if row is None:
        raise NotFoundError(f"There is no user {user_id[:80]!r}.")
    return row
