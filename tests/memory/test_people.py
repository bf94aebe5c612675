"""Users, what they think of answers, and what answers took."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engines.errors import InputError, NotFoundError
from memory.chats import Chats
from memory.database import Database
from memory.feedback import Feedback
from memory.usage import UsageLog
from memory.users import Users


@pytest.fixture
async def run_id(db: Database) -> str:
    chats = Chats(db, "ada")
    await chats.create_thread("work")
    return (await chats.start_run("work", "hello", model="small")).id


# --------------------------------------------------------------------------------------------------------- users


async def test_a_user_is_made_once_and_keeps_a_name(db: Database):
    users = Users(db)
    made = await asyncio.gather(*(users.ensure("ada", f"Ada {number}") for number in range(5)))
    assert len({user.name for user in made}) == 1
    assert (await users.ensure("bob")).name == "bob"
    assert [user.id for user in await users.list()] == ["ada", "bob"]
    assert (await users.choose("bob", {}, name="Bob")).name == "Bob"
    assert (await users.get("bob")).name == "Bob"


async def test_choices_are_changed_one_by_one_and_taken_back_with_none(db: Database):
    users = Users(db)
    await users.ensure("ada")
    await users.choose("ada", {"model": "small", "approval": {"clone_voice": "ask"}})
    await users.choose("ada", {"model": "large"})
    assert (await users.get("ada")).settings == {"model": "large", "approval": {"clone_voice": "ask"}}
    assert (await users.choose("ada", {"model": None})).settings == {"approval": {"clone_voice": "ask"}}


async def test_choices_made_at_the_same_moment_are_all_kept(db: Database):
    users = Users(db)
    await users.ensure("ada")
    await asyncio.gather(*(users.choose("ada", {f"choice {number}": number}) for number in range(8)))
    assert len((await users.get("ada")).settings) == 8


@pytest.mark.parametrize("choices", [{"x": object()}, {"x": float("nan")}, {"x": "y" * 17_000}])
async def test_choices_that_can_not_be_stored_are_refused(db: Database, choices: dict[str, Any]):
    users = Users(db)
    await users.ensure("ada")
    with pytest.raises(InputError):
        await users.choose("ada", choices)
    assert (await users.get("ada")).settings == {}


async def test_an_unknown_user_and_a_name_that_is_too_long_are_refused(db: Database):
    users = Users(db)
    for attempt in (users.get("nobody"), users.choose("nobody", {}, name="x")):
        with pytest.raises(NotFoundError):
            await attempt
    await users.ensure("ada")
    for too_long in (
        users.ensure("x" * 256),
        users.ensure(""),
        users.ensure("ada", "x" * 256),
        users.choose("ada", {}, name="x" * 256),
        users.choose("ada", {"model": "small"}, name=""),
    ):
        with pytest.raises(InputError):
            await too_long
    assert (await users.get("ada")).settings == {}


# ------------------------------------------------------------------------------------------------------ feedback


async def test_the_last_word_on_an_answer_counts(db: Database, run_id: str):
    feedback = Feedback(db, "ada")
    await feedback.give(run_id, "down", "Wrong cat.\0")
    assert [(f.rating, f.comment) for f in await feedback.of_thread("work")] == [("down", "Wrong cat.")]
    await asyncio.gather(*(feedback.give(run_id, "up") for _ in range(4)))
    assert [(f.run_id, f.rating, f.comment) for f in await feedback.list()] == [(run_id, "up", "")]
    assert await feedback.list("down") == []
    await feedback.take_back(run_id)
    assert await feedback.list() == []
    with pytest.raises(NotFoundError):
        await feedback.take_back(run_id)


async def test_feedback_that_does_not_fit_is_refused(db: Database, run_id: str):
    feedback = Feedback(db, "ada")
    with pytest.raises(InputError, match="Say up or down"):
        await feedback.give(run_id, "great")
    with pytest.raises(InputError, match="4,000"):
        await feedback.give(run_id, "up", "x" * 4_001)
    with pytest.raises(NotFoundError):
        await feedback.give("no such run", "up")


async def test_nobody_rates_or_reads_for_another(db: Database, run_id: str):
    await Feedback(db, "ada").give(run_id, "up")
    bob = Feedback(db, "bob")
    await Chats(db, "bob").create_thread("work")
    for attempt in (bob.give(run_id, "down"), bob.take_back(run_id)):
        with pytest.raises(NotFoundError):
            await attempt
    assert await bob.list() == await bob.of_thread("work") == []
    assert [f.rating for f in await Feedback(db, "ada").list()] == ["up"]


# --------------------------------------------------------------------------------------------------------- usage


async def test_what_a_run_takes_is_kept_by_model_and_counts_once(db: Database, run_id: str):
    usage = UsageLog(db, "ada")
    told = {"prompt_tokens": 10, "completion_tokens": 2, "seconds": 0.5, "cost": 0.25}
    await asyncio.gather(*(usage.keep(run_id, "small", **told) for _ in range(4)))  # as by a run taken up at its end
    await usage.keep(run_id, "voice", seconds=1.5)
    small, voice = await usage.of_run(run_id)
    assert (small.prompt_tokens, small.completion_tokens, small.seconds, small.cost) == (10, 2, 0.5, 0.25)
    assert (voice.model, voice.seconds, voice.cost) == ("voice", 1.5, None)


async def test_totals_are_of_a_time_and_say_what_is_not_known(db: Database, run_id: str):
    chats, usage = Chats(db, "ada"), UsageLog(db, "ada")
    other = (await chats.start_run("work", "again", model="small")).id
    await usage.keep(run_id, "small", prompt_tokens=10, cost=0.5)
    await usage.keep(other, "small", prompt_tokens=20)
    await usage.keep(other, "large", prompt_tokens=100, cost=2.0)
    large, small = await usage.totals()
    assert (large.model, large.runs, large.cost, large.runs_without_cost) == ("large", 1, 2.0, 0)
    assert (small.runs, small.prompt_tokens, small.cost, small.runs_without_cost) == (2, 30, 0.5, 1)
    now = datetime.now(UTC)
    assert await usage.totals(since=now + timedelta(hours=1)) == []
    assert await usage.totals(until=now - timedelta(hours=1)) == []
    assert len(await usage.totals(now - timedelta(hours=1), now + timedelta(hours=1))) == 2


async def test_usage_is_nobody_elses_and_never_negative(db: Database, run_id: str):
    bob = UsageLog(db, "bob")
    with pytest.raises(NotFoundError):
        await bob.keep(run_id, "small", prompt_tokens=1)
    with pytest.raises(InputError):
        await UsageLog(db, "ada").keep(run_id, "small", prompt_tokens=-1)
    await UsageLog(db, "ada").keep(run_id, "small", prompt_tokens=1)
    assert await bob.of_run(run_id) == await bob.totals() == []
