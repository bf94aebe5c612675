from __future__ import annotations

import asyncio
import os

import pytest
from memory_helpers import make_event
from sqlalchemy import select

from engines.errors import InputError, NotFoundError, SensoriumError
from memory.artifact_types import ArtifactRef
from memory.chats import Chats, owners
from memory.database import Database
from memory.event_log import EventLog
from memory.events import ApprovalRequired, RunCancelled, RunFailed, RunFinished, SpeechMade, ToolArtifact
from memory.tables import ArtifactRow, RunRow

#: Starts a run, says its id, and then does what its third argument says.
WORKER = """
import asyncio, os, signal, sys
from memory.chats import Chats
from memory.database import Database

async def main():
    db = await Database.open(sys.argv[1])
    run = await Chats(db, "ada").start_run("work", "do not lose me", model="m")
    print(run.id, flush=True)
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[2] == "pause":
        await Chats(db, "ada").pause_run(run.id)
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.to_thread(sys.stdin.readline)
    await db.close()

asyncio.run(main())
"""


@pytest.fixture
def chats(db: Database) -> Chats:
    return Chats(db, "ada")


def picture(artifact_id: str) -> ArtifactRef:
    return ArtifactRef(id=artifact_id, kind="image", mime="image/png", name="p.png", bytes=1, sha256="0" * 64)


async def store_picture(db: Database, owner: str, artifact_id: str) -> str:
    now = make_event("", 0).at
    async with db.transaction() as session:
        session.add(
            ArtifactRow(**picture(artifact_id).model_dump(), owner=owner, lineage={"tool": "upload"}, created_at=now)
        )
    return artifact_id


# ------------------------------------------------------------------------------------------------------- threads


async def test_a_thread_may_be_named_by_its_owner_or_gets_an_id(chats: Chats):
    assert (await chats.create_thread("work")).id == "work"
    made = await chats.create_thread()
    assert len(made.id) == 32
    assert await chats.thread(made.id) == made


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "a" * 65, "größe", "a\n", "a\0"])
async def test_other_names_are_refused(chats: Chats, name: str):
    with pytest.raises(InputError):
        await chats.create_thread(name)
    with pytest.raises(InputError):
        await chats.ensure_thread(name)


async def test_a_name_is_given_once_but_may_be_asked_for_again(chats: Chats):
    first = await chats.create_thread("work")
    with pytest.raises(InputError, match="already"):
        await chats.create_thread("work")
    assert await chats.ensure_thread("work") == first


async def test_many_who_ensure_the_same_thread_get_the_same(chats: Chats):
    threads = await asyncio.gather(*(chats.ensure_thread("work") for _ in range(10)))
    assert set(threads) == {await chats.thread("work")}


async def test_threads_are_listed_last_used_first_and_page_by_page(chats: Chats):
    for number in range(5):
        await chats.create_thread(f"t{number}")
    await chats.start_run("t1", "again", model="m")
    assert [t.id for t in await chats.threads()] == ["t1", "t4", "t3", "t2", "t0"]
    assert [t.id for t in await chats.threads(limit=2)] == ["t1", "t4"]
    assert [t.id for t in await chats.threads(limit=2, before="t4")] == ["t3", "t2"]
    assert await chats.threads(before="t0") == []
    with pytest.raises(NotFoundError):
        await chats.threads(before="t9")


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("Hello", "Hello"),
        ("  two\n lines\t", "two lines"),
        ("x" * 60, "x" * 60),
        ("word " * 20, "word word word word word word word word word word word word…"),
        ("語" * 100, "語" * 59 + "…"),
    ],
)
async def test_the_first_message_shortened_is_the_title(chats: Chats, message: str, title: str):
    await chats.create_thread("work")
    await chats.start_run("work", message, model="m")
    await chats.start_run("work", "later", model="m")
    assert (await chats.thread("work")).title == title


# ---------------------------------------------------------------------------------------------------------- runs


async def test_a_run_keeps_the_message_at_its_start_and_the_answer_at_its_end(db: Database, chats: Chats):
    await store_picture(db, "ada", "pic")
    await chats.create_thread("work")
    run = await chats.start_run("work", "What is this?", ["pic"], model="small")
    assert (run.status, run.model, run.attachments, run.finished_at) == ("running", "small", ("pic",), None)
    assert [(m.role, m.text, m.artifacts) for m in await chats.messages("work")] == [
        ("user", "What is this?", ("pic",))
    ]

    ended = await chats.finish_run(run.id, status="finished", answer="A cat.", artifacts=["boxes"])
    assert ended.status == "finished"
    assert ended.finished_at >= run.created_at
    assert await chats.run(run.id) == ended
    assert [(m.role, m.text, m.artifacts, m.run_id) for m in await chats.messages("work")] == [
        ("user", "What is this?", ("pic",), run.id),
        ("assistant", "A cat.", ("boxes",), run.id),
    ]


async def test_a_failed_run_says_why_and_adds_no_message(chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "hello", model="m")
    error = {"code": "engine-failed", "message": "It broke.", "fix": ""}
    assert (await chats.finish_run(run.id, status="failed", error=error)).error == error
    assert [m.role for m in await chats.messages("work")] == ["user"]


async def test_what_a_cancelled_run_had_said_is_kept(chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "hello", model="m")
    await chats.finish_run(run.id, status="cancelled", answer="Once upon")
    assert [m.text for m in await chats.messages("work")] == ["hello", "Once upon"]


async def test_of_two_that_end_a_run_one_does(chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "hello", model="m")
    ends = (chats.finish_run(run.id, status="finished", answer="hi"), chats.finish_run(run.id, status="cancelled"))
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert sum(isinstance(outcome, SensoriumError) for outcome in outcomes) == 1


async def test_a_run_can_not_end_as_something_else(chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "hello", model="m")
    with pytest.raises(InputError):
        await chats.finish_run(run.id, status="running")
    assert (await chats.run(run.id)).status == "running"


async def test_a_run_needs_a_thread_and_attachments_that_are_there_and_leaves_nothing_without(
    db: Database, chats: Chats
):
    with pytest.raises(NotFoundError, match="conversation"):
        await chats.start_run("nowhere", "hello", model="m")
    await chats.create_thread("work")
    await store_picture(db, "bob", "bobs")
    with pytest.raises(NotFoundError, match="'bobs'"):
        await chats.start_run("work", "hello", ["bobs"], model="m")
    assert await chats.messages("work") == []
    assert await chats.runs("work") == []


async def test_text_no_database_can_store_is_mended(chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "a\0b \udcff 🙂", model="m")
    assert run.message == "ab ? 🙂"
    await chats.finish_run(run.id, status="finished", answer="c\0d \ud83d")
    assert [m.text for m in await chats.messages("work")] == ["ab ? 🙂", "cd ?"]


async def test_messages_and_runs_come_in_order_and_the_newest_messages_alone_if_wanted(chats: Chats):
    await chats.create_thread("work")
    runs = [await chats.start_run("work", f"m{n}", model="m") for n in range(5)]
    assert [m.text for m in await chats.messages("work")] == ["m0", "m1", "m2", "m3", "m4"]
    assert [m.text for m in await chats.messages("work", limit=2)] == ["m3", "m4"]
    assert await chats.runs("work") == runs


# --------------------------------------------------------------------------------------------------------- owners


async def test_two_owners_may_use_the_same_name_and_see_only_their_own(db: Database, chats: Chats):
    bob = Chats(db, "bob")
    await chats.create_thread("work")
    await bob.create_thread("work")
    run = await chats.start_run("work", "ada's secret", model="m")
    assert await bob.messages("work") == []
    assert await bob.runs("work") == []
    assert (await bob.thread("work")).title == ""
    for attempt in (bob.run(run.id), bob.finish_run(run.id, status="finished", answer="forged")):
        with pytest.raises(NotFoundError):
            await attempt
    await bob.delete_thread("work")
    assert [m.text for m in await chats.messages("work")] == ["ada's secret"]
    assert await owners(db) == ["ada"]


# ------------------------------------------------------------------------------------------------------- deleting


async def test_deleting_a_thread_deletes_all_of_it_and_the_artifacts_that_nobody_else_names(db: Database, chats: Chats):
    log = EventLog(db)
    for name in ("only", "shared", "made", "answered", "spoken"):
        await store_picture(db, "ada", name)
    await chats.create_thread("work")
    await chats.create_thread("other")
    run = await chats.start_run("work", "hello", ["only", "shared"], model="m")
    await chats.start_run("other", "hello", ["shared"], model="m")
    await log.append([make_event(run.id, 0, ToolArtifact(call_id="c", artifact=picture("made")))])
    await log.append([make_event(run.id, 1, SpeechMade(index=0, text="Hi", artifact=picture("spoken")))])
    await chats.finish_run(run.id, status="finished", artifacts=["answered"])

    await chats.delete_thread("work")
    async with db.session() as session:
        assert (await session.scalars(select(ArtifactRow.id))).all() == ["shared"]
    assert await log.read(run.id) == []
    for attempt in (chats.thread("work"), chats.messages("work"), chats.run(run.id), chats.delete_thread("work")):
        with pytest.raises(NotFoundError):
            await attempt
    assert [t.id for t in await chats.threads()] == ["other"]


# -------------------------------------------------------------------------------------------------------- crashes


async def test_a_killed_process_keeps_the_users_message_and_its_run_is_marked(
    db: Database, chats: Chats, url: str, start_python
):
    await chats.create_thread("work")
    process = start_python(WORKER, url, "die")
    out, _ = await asyncio.to_thread(process.communicate)
    run_id = out.strip()
    assert [m.text for m in await chats.messages("work")] == ["do not lose me"]
    assert (await chats.run(run_id)).status == "running"

    assert await chats.mark_interrupted() == 1
    run = await chats.run(run_id)
    assert (run.status, run.error["code"]) == ("interrupted", "interrupted")
    (last,) = await EventLog(db).read(run_id)
    assert last.type == "run.interrupted"
    assert await chats.mark_interrupted() == 0


async def test_runs_of_another_living_process_are_left_alone(db: Database, chats: Chats, url: str, start_python):
    await chats.create_thread("work")
    process = start_python(WORKER, url, "wait")
    run_id = (await asyncio.to_thread(process.stdout.readline)).strip()
    assert await chats.mark_interrupted() == 0
    assert (await chats.run(run_id)).status == "running"
    await asyncio.to_thread(process.communicate, "go\n")
    assert await chats.mark_interrupted() == 1


async def test_of_its_own_runs_a_process_names_those_that_live(chats: Chats):
    await chats.create_thread("work")
    living = await chats.start_run("work", "a", model="m")
    lost = await chats.start_run("work", "b", model="m")
    assert await chats.mark_interrupted({living.id}) == 1
    assert (await chats.run(living.id)).status == "running"
    assert (await chats.run(lost.id)).status == "interrupted"


async def test_a_later_process_with_the_same_number_is_not_the_one_that_died(db: Database, chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "a", model="m")
    async with db.transaction() as session:
        row = await session.get_one(RunRow, run.id)
        row.process_started -= 3600
    assert row.pid == os.getpid()
    assert await chats.mark_interrupted({run.id}) == 1


async def test_a_run_that_waits_outlives_its_process_and_another_one_goes_on_with_it(
    db: Database, chats: Chats, url: str, start_python
):
    await chats.create_thread("work")
    process = start_python(WORKER, url, "pause")
    out, _ = await asyncio.to_thread(process.communicate)
    run_id = out.strip()
    assert (await chats.run(run_id)).status == "waiting"
    assert await chats.mark_interrupted() == 0
    assert (await chats.resume_run(run_id)).status == "running"
    assert await chats.mark_interrupted({run_id}) == 0  # it is this process's now
    assert (await chats.finish_run(run_id, status="finished", answer="Done.")).status == "finished"


async def test_of_many_that_resume_a_run_one_does(chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "a", model="m")
    await chats.pause_run(run.id)
    results = await asyncio.gather(*(chats.resume_run(run.id) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, SensoriumError) for result in results) == 4
    assert (await chats.run(run.id)).status == "running"


async def test_a_run_that_waits_may_be_given_up(chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "a", model="m")
    await chats.pause_run(run.id)
    assert (await chats.finish_run(run.id, status="cancelled")).status == "cancelled"
    for change in (chats.resume_run, chats.pause_run):
        with pytest.raises(SensoriumError, match="has ended already: it is cancelled"):
            await change(run.id)


async def test_only_a_run_that_works_can_wait_and_only_one_that_waits_can_go_on(chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "a", model="m")
    with pytest.raises(SensoriumError, match="is running"):
        await chats.resume_run(run.id)
    await chats.pause_run(run.id)
    with pytest.raises(SensoriumError, match="is waiting"):
        await chats.pause_run(run.id)


async def test_another_owners_run_can_neither_wait_nor_go_on(db: Database, chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "a", model="m")
    bob = Chats(db, "bob")
    for change in (bob.pause_run, bob.resume_run):
        with pytest.raises(NotFoundError):
            await change(run.id)
    assert (await chats.run(run.id)).status == "running"


async def test_a_run_tells_which_one_it_goes_on_from(db: Database, chats: Chats):
    await chats.create_thread("work")
    first = await chats.start_run("work", "a", model="m")
    again = await chats.start_run("work", "a", model="m", parent_run=first.id)
    assert [(run.id, run.parent_run) for run in await chats.runs("work")] == [(first.id, None), (again.id, first.id)]
    bob = Chats(db, "bob")
    await bob.create_thread("work")
    with pytest.raises(NotFoundError):
        await bob.start_run("work", "a", model="m", parent_run=first.id)
    assert await bob.messages("work") == []


async def test_owners_mark_only_their_own_runs(db: Database, chats: Chats):
    await chats.create_thread("work")
    await chats.start_run("work", "a", model="m")
    assert await Chats(db, "bob").mark_interrupted() == 0
    assert await chats.mark_interrupted() == 1


@pytest.mark.parametrize(
    ("last", "status", "texts"),
    [
        (RunFinished(answer="All of it.", artifacts=(picture("pic"),)), "finished", ["hello", "All of it."]),
        (RunFailed(code="engine-failed", message="It broke.", fix="Again."), "failed", ["hello"]),
        (RunCancelled(), "cancelled", ["hello"]),
    ],
)
async def test_a_run_killed_after_its_last_event_ends_as_that_says(db, chats, last, status, texts):
    await chats.create_thread("work")
    run = await chats.start_run("work", "hello", model="m")
    await EventLog(db).append([make_event(run.id, 0), make_event(run.id, 1, last)])
    assert await chats.mark_interrupted() == 0
    assert (await chats.run(run.id)).status == status
    assert [m.text for m in await chats.messages("work")] == texts
    assert await EventLog(db).last_seq(run.id) == 1


async def test_a_run_killed_after_it_had_asked_its_user_waits(db: Database, chats: Chats):
    await chats.create_thread("work")
    run = await chats.start_run("work", "hello", model="m")
    await EventLog(db).append([make_event(run.id, 0), make_event(run.id, 1, ApprovalRequired(questions=()))])
    assert await chats.mark_interrupted() == 0
    assert (await chats.run(run.id)).status == "waiting"
