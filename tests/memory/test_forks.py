"""Forks in the chat database: what is copied, what is shared, and what stays as it was."""

from __future__ import annotations

import pytest
from memory_helpers import make_event

from engines.errors import ConflictError, NotFoundError
from memory.chat_types import RunInfo
from memory.chats import Chats
from memory.database import Database
from memory.event_log import EventLog
from memory.events import RunFinished, RunInterrupted, RunStarted
from memory.forks import Forks
from memory.tables import ArtifactRow


@pytest.fixture
def chats(db: Database) -> Chats:
    return Chats(db, "ada")


@pytest.fixture
def forks(db: Database) -> Forks:
    return Forks(db, "ada")


async def keep_picture(db: Database) -> None:
    async with db.transaction() as session:
        session.add(
            ArtifactRow(
                id="pic",
                owner="ada",
                kind="image",
                mime="image/png",
                name="größe.png",
                bytes=1,
                sha256="0" * 64,
                lineage={"tool": "upload"},
                created_at=make_event("", 0).at,
            )
        )


async def talk(db: Database, *messages: str) -> list[RunInfo]:
    chats, log = Chats(db, "ada"), EventLog(db)
    await chats.ensure_thread("work")
    runs = []
    for message in messages:
        run = await chats.start_run("work", message, ["pic"], model="m")
        started = RunStarted(thread_id="work", message=message, model="m")
        events = [make_event(run.id, 0, started), make_event(run.id, 1), make_event(run.id, 2, RunFinished(answer="A"))]
        await log.append(events)
        runs.append(await chats.finish_run(run.id, status="finished", answer=f"Answer: {message}"))
    return runs


async def test_a_fork_holds_what_was_said_before_and_the_original_stays_as_it_was(
    db: Database, chats: Chats, forks: Forks
):
    await keep_picture(db)
    runs = await talk(db, "Größe?", "数?", "third")
    before = (await chats.thread("work"), await chats.messages("work"), await chats.runs("work"))
    made = await forks.make("work", at=runs[2].id, into="fork", runs={runs[0].id: "c0", runs[1].id: "c1"})
    assert (made.title, made.forked_at) == ("Größe?", runs[2].id)
    assert (await chats.thread("work"), await chats.messages("work"), await chats.runs("work")) == before

    copied = await chats.messages("fork")
    assert [(m.role, m.text, m.artifacts, m.run_id) for m in copied] == [
        (m.role, m.text, m.artifacts, {runs[0].id: "c0", runs[1].id: "c1"}[m.run_id]) for m in before[1][:4]
    ]
    assert [run.parent_run for run in await chats.runs("fork")] == [run.id for run in runs[:2]]
    assert [run.created_at for run in await chats.runs("fork")] == [run.created_at for run in runs[:2]]
    events = await EventLog(db, "ada").read_all("c1")
    assert [event.run_id for event in events] == ["c1"] * 3
    assert isinstance(events[0].body, RunStarted)
    assert (events[0].body.thread_id, events[0].body.message) == ("fork", "数?")
    assert events[1].body == (await EventLog(db, "ada").read_all(runs[1].id))[1].body
    assert await forks.of("work") == {runs[2].id: (made,)}


async def test_original_and_fork_live_without_each_other(db: Database, chats: Chats, forks: Forks):
    await keep_picture(db)
    runs = await talk(db, "one", "two")
    await forks.make("work", at=runs[1].id, into="fork", runs={runs[0].id: "c0"})
    await forks.make("work", at=runs[1].id, into="other", runs={runs[0].id: "d0"})
    assert await chats.delete_thread("other") == ()  # the picture is named elsewhere
    assert [thread.id for thread in (await forks.of("work"))[runs[1].id]] == ["fork"]
    assert await chats.delete_thread("work") == ()
    assert [m.text for m in await chats.messages("fork")] == ["one", "Answer: one"]
    assert len(await chats.delete_thread("fork")) == 1  # now nobody names it


async def test_a_fork_at_the_first_message_is_empty_and_gets_its_title_from_what_comes(
    db: Database, chats: Chats, forks: Forks
):
    await keep_picture(db)
    (run,) = await talk(db, "one")
    made = await forks.make("work", at=run.id, into="fork", runs={})
    assert (made.title, await chats.messages("fork")) == ("", [])


async def test_messages_that_were_sent_before_the_answer_came_keep_their_order(
    db: Database, chats: Chats, forks: Forks
):
    await chats.ensure_thread("work")
    first = await chats.start_run("work", "one", model="m")
    second = await chats.start_run("work", "two", model="m")
    for run in (first, second):
        await chats.finish_run(run.id, status="finished", answer=f"to {run.message}")
    third = await chats.start_run("work", "three", model="m")
    await forks.make("work", at=third.id, into="fork", runs={first.id: "c0", second.id: "c1"})
    assert [m.text for m in await chats.messages("fork")] == ["one", "two", "to one", "to two"]


async def test_what_is_open_is_not_copied_and_nothing_is_left_of_the_attempt(db: Database, chats: Chats, forks: Forks):
    await chats.ensure_thread("work")
    first = await chats.start_run("work", "one", model="m")
    second = await chats.start_run("work", "two", model="m")
    with pytest.raises(ConflictError, match="still running"):
        await forks.make("work", at=second.id, into="fork", runs={first.id: "c0"})
    with pytest.raises(NotFoundError):
        await chats.thread("fork")


async def test_the_copy_of_an_interrupted_run_is_nobody_s_to_resume(db: Database, chats: Chats, forks: Forks):
    await chats.ensure_thread("work")
    first = await chats.start_run("work", "one", model="m")
    await EventLog(db).append([make_event(first.id, 0, RunInterrupted(message="gone"))])
    await chats.finish_run(first.id, status="interrupted")
    second = await chats.start_run("work", "two", model="m")
    await forks.make("work", at=second.id, into="fork", runs={first.id: "c0"})
    assert (await chats.run("c0")).status == "cancelled"
    assert [run.id for run in await chats.interrupted(first.created_at)] == [first.id]


async def test_other_people_s_conversations_and_unknown_runs_are_not_there(db: Database, forks: Forks):
    await keep_picture(db)
    (run,) = await talk(db, "one")
    with pytest.raises(NotFoundError):
        await Forks(db, "bob").make("work", at=run.id, into="fork", runs={run.id: "c0"})
    with pytest.raises(NotFoundError, match="no run 'nope'"):
        await forks.make("work", at=run.id, into="fork", runs={"nope": "c0"})
    assert await Forks(db, "bob").of("work") == {}


async def test_events_of_a_conversation_come_by_type_the_oldest_run_first(db: Database):
    await keep_picture(db)
    runs = await talk(db, "one", "two")
    found = await EventLog(db, "ada").of_thread("work", "run.started", "run.finished")
    assert [(event.run_id, event.seq) for event in found] == [(run.id, seq) for run in runs for seq in (0, 2)]
    assert await EventLog(db, "bob").of_thread("work", "run.started") == []
