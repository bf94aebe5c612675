from __future__ import annotations

import asyncio

import pytest
from memory_helpers import make_event

from engines.errors import NotFoundError, SensoriumError
from memory.artifact_types import ArtifactRef
from memory.chats import Chats
from memory.database import Database
from memory.event_log import EventLog
from memory.events import PlanMade, PlannedStep, Receipt, RunFinished, ToolFinished, Usage


@pytest.fixture
async def run_id(db: Database) -> str:
    chats = Chats(db, "ada")
    await chats.create_thread("work")
    return (await chats.start_run("work", "hello", model="m")).id


async def test_events_come_back_as_they_were(db: Database, run_id: str):
    picture = ArtifactRef(id="a", kind="image", mime="image/png", name="größe.png", bytes=3, sha256="0" * 64, width=2)
    receipt = Receipt(tool="detect", model="nanodet", title="NanoDet", licence="Apache-2.0")
    events = [
        make_event(run_id, 0),
        make_event(
            run_id, 1, PlanMade(steps=(PlannedStep(id="$1", tool="t", args={"n": [1, None]}),), edges=((0, 1),))
        ),
        make_event(
            run_id, 2, ToolFinished(call_id="c", tool="t", result={"text": "\ud83d \0"}, summary="日本", seconds=0.5)
        ),
        make_event(
            run_id, 3, RunFinished(answer="🙂", artifacts=(picture,), receipts=(receipt,), usage=Usage(prompt_tokens=1))
        ),
    ]
    log = EventLog(db)
    await log.append(events)
    assert await log.read(run_id) == events


async def test_a_batch_is_kept_whole_or_not_at_all(db: Database, run_id: str):
    log = EventLog(db)
    with pytest.raises(SensoriumError, match=r"Event 2 .* out of order: 1 comes next"):
        await log.append([make_event(run_id, 0), make_event(run_id, 2)])
    assert await log.read(run_id) == []
    assert await log.last_seq(run_id) == -1


@pytest.mark.parametrize("seq", [0, 1, 3, -1])
async def test_only_the_next_event_is_taken(db: Database, run_id: str, seq: int):
    log = EventLog(db)
    await log.append([make_event(run_id, 0), make_event(run_id, 1)])
    with pytest.raises(SensoriumError, match="2 comes next"):
        await log.append([make_event(run_id, seq)])
    assert await log.last_seq(run_id) == 1


async def test_two_writers_of_one_run_can_not_both_win(db: Database, run_id: str):
    log = EventLog(db)
    outcomes = await asyncio.gather(
        *(log.append([make_event(run_id, 0), make_event(run_id, 1)]) for _ in range(5)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert [event.seq for event in await log.read(run_id)] == [0, 1]


async def test_a_batch_may_hold_several_runs(db: Database, run_id: str):
    other = (await Chats(db, "ada").start_run("work", "and this", model="m")).id
    log = EventLog(db)
    await log.append([make_event(run_id, 0), make_event(other, 0), make_event(run_id, 1)])
    assert await log.last_seq(run_id) == 1
    assert await log.last_seq(other) == 0


async def test_five_thousand_events_are_read_page_by_page(db: Database, run_id: str):
    log = EventLog(db)
    for start in range(0, 5000, 500):
        await log.append([make_event(run_id, seq) for seq in range(start, start + 500)])
    seen: list[int] = []
    while page := await log.read(run_id, after=seen[-1] if seen else -1, limit=700):
        assert len(page) <= 700
        seen += [event.seq for event in page]
    assert seen == list(range(5000))
    assert await log.last_seq(run_id) == 4999


async def test_a_run_that_is_not_there_takes_no_events_and_has_none(db: Database):
    log = EventLog(db)
    with pytest.raises(NotFoundError):
        await log.append([make_event("missing", 0)])
    assert await log.read("missing") == []
    assert await log.last_seq("missing") == -1


async def test_an_owners_log_knows_no_runs_of_others(db: Database, run_id: str):
    await EventLog(db, "ada").append([make_event(run_id, 0)])
    assert len(await EventLog(db, "ada").read(run_id)) == 1
    assert await EventLog(db, "ada").last_seq(run_id) == 0
    others = EventLog(db, "bob")
    assert await others.read(run_id) == []
    assert await others.last_seq(run_id) == -1
    with pytest.raises(NotFoundError):
        await others.append([make_event(run_id, 1)])


async def test_nothing_to_append_is_no_error(db: Database):
    await EventLog(db).append([])


async def test_a_log_that_is_behind_another_writer_is_told_what_comes_next(db: Database, run_id: str):
    first, second = EventLog(db), EventLog(db)
    await first.append([make_event(run_id, 0)])
    await second.append([make_event(run_id, 1)])
    with pytest.raises(SensoriumError, match="2 comes next"):
        await first.append([make_event(run_id, 1)])
    await first.append([make_event(run_id, 2)])
    assert [event.seq for event in await second.read(run_id)] == [0, 1, 2]


async def test_a_run_whose_conversation_was_deleted_meanwhile_takes_no_more_events(db: Database, run_id: str):
    log = EventLog(db)
    await log.append([make_event(run_id, 0)])
    await Chats(db, "ada").delete_thread("work")
    with pytest.raises(NotFoundError):
        await log.append([make_event(run_id, 1)])
