"""What the user has chosen for all turns, and what the models were used for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agent.preferences import Policy, Profile
from engines.errors import InputError
from memory.usage import UsageTotal
from server.opened import Opened

router = APIRouter(tags=["user"])


class NewChoices(BaseModel):
    """What is left out stays as it is; null as the model or for a tool goes back to what the settings say."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", min_length=1, max_length=255)
    model: str | None = Field(default=None, min_length=1, max_length=255, description="Or auto.")
    approval: dict[str, Policy | None] = Field(default={}, examples=[{"clone_voice": "ask"}], description="By tool.")


class Usage(BaseModel):
    """The models of the most tokens first. ``until`` itself does not count."""

    since: datetime | None
    until: datetime | None
    models: list[UsageTotal]


@router.get("/me", summary="Show what you have chosen, and which tools ask first")
async def show(app: Opened) -> Profile:
    return await app.preferences.profile()


@router.patch("/me", summary="Choose a chat model, and which tools ask first")
async def change(app: Opened, body: NewChoices) -> Profile:
    """It holds at once: for the turns that begin, and for those that go on after they have waited."""
    return await app.preferences.change(**body.model_dump(exclude_unset=True))


@router.get("/usage", summary="Add up tokens and time by chat model")
async def usage(
    app: Opened,
    since: Annotated[AwareDatetime | None, Query(description="With its time zone.")] = None,
    until: Annotated[AwareDatetime | None, Query()] = None,
) -> Usage:
    """Over all runs that have finished."""
    try:
        since, until = (when and when.astimezone(UTC) for when in (since, until))
    except OverflowError as error:
        raise InputError("No such time is known in UTC.", fix="Choose one between the years 2 and 9998.") from error
    return Usage(since=since, until=until, models=await app.usage.totals(since, until))
