"""What memory keeps, finds, supersedes and forgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from word_vectors import WordVectors

from engines.errors import InputError, NotFoundError
from memory.chats import Chats
from memory.database import Database
from memory.longterm.memories import Memories
from memory.longterm.tables import MemoryRow
from memory.longterm.types import NewMemory
from memory.longterm.unread import UnreadTurns
from memory.longterm.vectors import Vectors

Remembering = Callable[..., Memories]


@pytest.fixture
async def vectors(tmp_path: Path) -> AsyncIterator[Vectors]:
    opened = Vectors(tmp_path / "memory")
    yield opened
    await opened.close()


@pytest.fixture
def memories(db: Database, vectors: Vectors) -> Memories:
    return Memories(db, "ann", vectors, WordVectors())


@pytest.fixture
async def unread_run(db: Database) -> str:
    """A turn of Ann's in the conversation "talk" that is to be read."""
    chats = Chats(db, "ann")
    await chats.ensure_thread("talk")
    run = await chats.start_run("talk", "I am ill.", model="m")
    await UnreadTurns(db, "ann").note(run.id)
    return run.id


def found_in(run_id: str, text: str = "The user is ill.", **fields: object) -> NewMemory:
    return NewMemory(text=text, origin="turn", run_id=run_id, thread_id="talk", **fields)


async def told(memories: Memories, text: str, **fields: object) -> str:
    """Keep it, index it, and give its id."""
    kept = await memories.add(NewMemory(text=text, **fields))
    await memories.catch_up()
    return kept.id


async def texts_for(memories: Memories, question: str) -> list[str]:
    return [hit.memory.text for hit in await memories.search(question)]


async def test_what_was_kept_is_found_by_its_words_and_its_meaning(memories: Memories) -> None:
    await told(memories, "Her sister Lena plays the cello in Graz.", about="Lena")
    await told(memories, "The bins are emptied on Thursdays.")
    (first, *_) = await memories.search("what instrument does Lena play?")
    assert first.memory.text.startswith("Her sister Lena")
    assert first.words > 0
    assert first.likeness is not None


async def test_it_is_found_at_once_before_its_vector_is_made(memories: Memories) -> None:
    await memories.add(NewMemory(text="The spare key is under the blue pot."))
    assert await texts_for(memories, "where is the spare key?") == ["The spare key is under the blue pot."]


async def test_words_are_matched_by_their_stems(memories: Memories) -> None:
    await memories.add(NewMemory(text="She was painting a sunrise."))
    assert await texts_for(memories, "who paints?")


async def test_scripts_without_spaces_are_found_by_their_characters(memories: Memories) -> None:
    await memories.add(NewMemory(text="我住在柏林"))
    assert await texts_for(memories, "柏林在哪里") == ["我住在柏林"]


async def test_what_was_said_around_it_helps_to_find_it(memories: Memories) -> None:
    await told(memories, "It was a gift from him.", context="user: look at my violin!")
    assert await texts_for(memories, "who gave me the violin") == ["It was a gift from him."]


async def test_a_date_in_the_question_finds_what_was_said_then(memories: Memories) -> None:
    now = datetime(2026, 6, 15, 12, tzinfo=UTC)
    await told(memories, "Saw a heron.", kind="episode", said_at=now - timedelta(days=7))
    await told(memories, "Saw an otter.", kind="episode", said_at=now - timedelta(days=70))
    assert (await memories.search("what did I see last week?", 1, now=now))[0].memory.text == "Saw a heron."
    assert (await memories.search("what did I see in April 2026?", 1, now=now))[0].memory.text == "Saw an otter."


async def test_a_memory_about_somebody_gains_when_they_are_named(memories: Memories) -> None:
    await told(memories, "Likes strong coffee", about="Tom")
    await told(memories, "Likes strong coffee", about="Mia")
    assert (await memories.search("does Mia like coffee?"))[0].memory.about == "Mia"


async def test_the_same_fact_is_kept_once_and_dated_anew(memories: Memories) -> None:
    old = datetime(2026, 1, 1, tzinfo=UTC)
    first = await told(memories, "The user is allergic to nuts.", said_at=old)
    again = await memories.add(NewMemory(text="The user is allergic to nuts.", origin="asked"))
    assert again.id == first
    assert again.said_at > old
    assert again.origin == "asked"
    assert await memories.count() == 1


async def test_the_same_words_about_two_people_are_two_facts(memories: Memories) -> None:
    await told(memories, "Is allergic to nuts.", about="Tom")
    await told(memories, "Is allergic to nuts.", about="Mia")
    assert await memories.count() == 2


async def test_what_happens_twice_is_two_episodes(memories: Memories) -> None:
    await told(memories, "Ran ten kilometres.", kind="episode")
    await told(memories, "Ran ten kilometres.", kind="episode")
    assert await memories.count() == 2


async def test_a_superseded_fact_is_not_recalled_but_stays_readable_with_its_date(memories: Memories) -> None:
    old = await told(memories, "The user lives in Berlin.")
    new = await told(memories, "The user lives in Porto.")
    await memories.supersede(old, new)
    assert await texts_for(memories, "where does the user live?") == ["The user lives in Porto."]
    kept = await memories.get(old)
    assert kept.superseded_by == new
    assert kept.superseded_at is not None
    assert {memory.id for memory in await memories.page(superseded=True)} == {old, new}
    assert [memory.id for memory in await memories.page()] == [new]


async def test_a_fact_can_not_supersede_itself_or_be_superseded_twice(memories: Memories) -> None:
    one, two, three = [await told(memories, f"Fact {n} of them all") for n in ("one", "two", "three")]
    with pytest.raises(InputError):
        await memories.supersede(one, one)
    await memories.supersede(one, two)
    with pytest.raises(InputError):
        await memories.supersede(one, three)


async def test_rivals_are_facts_on_the_same_matter_about_the_same(memories: Memories) -> None:
    berlin = await told(memories, "The user lives in Berlin.")
    await told(memories, "The user lives in Berlin.", about="Tom")
    await told(memories, "Yesterday's soup was too salty.")
    new = await memories.add(NewMemory(text="The user lives in Porto."))
    assert [rival.id for rival in await memories.rivals(new)] == [berlin]


async def test_an_edited_memory_is_found_by_its_new_words_only(memories: Memories) -> None:
    edited = await told(memories, "The dentist is called Meyer.")
    await memories.edit(edited, text="The dentist is called Okafor.", pinned=True)
    await memories.catch_up()
    assert await texts_for(memories, "Okafor") == ["The dentist is called Okafor."]
    assert (await memories.search("Meyer"))[0].words == 0
    assert [memory.id for memory in await memories.pinned()] == [edited]


@pytest.mark.parametrize("changes", [{"owner": "bob"}, {"text": "  "}, {"text": "x" * 2_001}])
async def test_an_edit_that_does_not_fit_is_refused_and_changes_nothing(
    memories: Memories, changes: dict[str, str]
) -> None:
    kept = await told(memories, "The tap drips.")
    with pytest.raises(InputError):
        await memories.edit(kept, **changes)
    assert (await memories.get(kept)).text == "The tap drips."


async def test_a_forgotten_memory_leaves_no_row_no_word_and_no_vector(memories: Memories, vectors: Vectors) -> None:
    gone = await told(memories, "The safe's code is 4711.")
    await memories.forget(gone)
    assert await memories.search("the code of the safe") == []
    assert await vectors.ids("ann") == set()
    with pytest.raises(NotFoundError):
        await memories.get(gone)


async def test_deleting_a_conversation_forgets_what_was_found_in_it_but_not_what_was_asked_for(
    memories: Memories,
) -> None:
    await told(memories, "Had pancakes.", kind="episode", origin="turn", thread_id="talk")
    await told(memories, "Wants to be called Sam.", origin="asked", thread_id="talk")
    await told(memories, "Has a cat.", origin="turn", thread_id="other")
    assert await memories.forget_thread("talk") == 1
    assert {memory.text for memory in await memories.page()} == {"Wants to be called Sam.", "Has a cat."}


async def test_what_is_read_out_of_a_turn_is_kept_as_long_as_the_turn_is_to_be_read(
    db: Database, memories: Memories, unread_run: str
) -> None:
    kept = await memories.add_from_unread(found_in(unread_run))
    assert kept is not None
    again = await memories.add_from_unread(found_in(unread_run))
    assert again is not None
    assert again.id == kept.id
    await UnreadTurns(db, "ann").done(unread_run)
    assert await memories.add_from_unread(found_in(unread_run, "The user has a dog.")) is None
    assert [memory.text for memory in await memories.page()] == ["The user is ill."]


@pytest.mark.parametrize("half_way", [True, False], ids=["half deleted", "deleted"])
async def test_nothing_is_kept_of_a_conversation_that_was_deleted_while_a_model_read_it(
    db: Database, memories: Memories, unread_run: str, half_way: bool
) -> None:
    await memories.forget_thread("talk")
    if not half_way:
        await Chats(db, "ann").delete_thread("talk")
    assert await memories.add_from_unread(found_in(unread_run)) is None
    assert await memories.count() == 0


async def test_a_deletion_waits_for_what_is_being_added_and_takes_it_along(
    db: Database, memories: Memories, unread_run: str
) -> None:
    new = found_in(unread_run)
    async with db.transaction() as session:
        assert await UnreadTurns(db, "ann").hold(session, unread_run)
        deletion = asyncio.create_task(memories.forget_thread("talk"))
        await asyncio.sleep(0.3)
        session.add(memories._new_row(new, datetime.now(UTC)))
    assert await deletion == 1
    assert await memories.count() == 0


async def test_deleting_a_conversation_leaves_the_unread_turns_of_others(
    db: Database, memories: Memories, unread_run: str
) -> None:
    await memories.forget_thread("another")
    await Memories(db, "bob", memories._index._vectors, WordVectors()).forget_thread("talk")
    assert await UnreadTurns(db, "ann").waiting() == [unread_run]


async def test_what_to_forget_is_found_by_its_words_and_nothing_is_taken_that_was_not_meant(
    memories: Memories,
) -> None:
    await told(memories, "The user's favourite colour is green.")
    meant = await memories.about_to_forget("my favourite colour")
    assert meant is not None
    assert "green" in meant.memory.text
    assert await memories.about_to_forget("the PIN of my bank card") is None


async def test_one_owner_never_sees_another_s(db: Database, vectors: Vectors) -> None:
    ann = Memories(db, "ann", vectors, WordVectors())
    bob = Memories(db, "bob", vectors, WordVectors())
    hers = await told(ann, "Ann's diary is in the attic.")
    assert await bob.search("where is the diary in the attic?") == []
    assert await bob.page() == []
    assert await bob.export() == []
    with pytest.raises(NotFoundError):
        await bob.forget(hers)
    with pytest.raises(NotFoundError):
        await bob.edit(hers, text="Bob's")
    assert await bob.forget_all() == 0
    await bob.reindex()
    assert await texts_for(ann, "diary") == ["Ann's diary is in the attic."]
    assert (await ann.search("diary"))[0].likeness is not None


async def test_what_is_too_long_or_empty_is_refused_and_says_so(memories: Memories) -> None:
    kept = await told(memories, "The user has a cat.")
    for new in (NewMemory(text="x" * 2_001), NewMemory(text=" \0"), NewMemory(text="x", about="y" * 256)):
        with pytest.raises(InputError):
            await memories.add(new)
    for changes in ({"text": "x" * 2_001}, {"text": ""}, {"about": "y" * 256}):
        with pytest.raises(InputError):
            await memories.edit(kept, **changes)
    assert [each.text for each in await memories.page()] == ["The user has a cat."]


async def test_who_forgets_everything_forgets_what_was_not_read_yet(
    db: Database, memories: Memories, unread_run: str
) -> None:
    await memories.forget_all()
    assert await UnreadTurns(db, "ann").waiting() == []
    assert await memories.add_from_unread(found_in(unread_run)) is None


async def test_without_the_model_memory_works_by_words_and_says_why(db: Database, vectors: Vectors) -> None:
    embedder = WordVectors()
    embedder.is_there = False
    memories = Memories(db, "ann", vectors, embedder)
    await told(memories, "The wifi password is on the fridge.")
    (hit,) = await memories.search("wifi password")
    assert hit.likeness is None
    assert "not here" in memories.trouble
    embedder.is_there = True
    assert await memories.catch_up() == 1
    assert memories.trouble == ""
    assert (await memories.search("wifi password"))[0].likeness is not None


async def test_a_new_embedding_model_gets_vectors_of_its_own(db: Database, vectors: Vectors) -> None:
    await told(Memories(db, "ann", vectors, WordVectors("small")), "The tent is at Jo's place.")
    later = Memories(db, "ann", vectors, WordVectors("large"))
    assert await later.catch_up() == 1
    assert (await later.search("tent"))[0].likeness is not None


async def test_a_memory_is_dated_when_its_turn_to_write_has_come(sqlite_url: str, vectors: Vectors) -> None:
    """Or another process, which looks for what is new, would miss one that waited long."""
    db = await Database.open(sqlite_url)
    memories = Memories(db, "ann", vectors, WordVectors())
    async with db.transaction():
        adding = asyncio.create_task(memories.add_all([NewMemory(text="The boat is called Albatross.")]))
        await asyncio.sleep(0.1)
        free_at = datetime.now(UTC)
    (kept,) = await adding
    assert kept.updated_at >= free_at
    await db.close()


async def test_what_another_process_stored_long_after_its_time_is_found(db: Database, vectors: Vectors) -> None:
    here, there = (Memories(db, "ann", vectors, WordVectors()) for _ in range(2))
    await told(here, "The dog is called Rex.")
    assert await texts_for(here, "Rex")
    late = await there.add(NewMemory(text="The boat is called Albatross."))
    async with db.transaction() as session:
        old = {"updated_at": late.updated_at - timedelta(minutes=1)}
        await session.execute(update(MemoryRow).where(MemoryRow.id == late.id).values(old))
    (hit, *_) = await here.search("Albatross")
    assert hit.memory.id == late.id
    assert hit.words > 0


@pytest.mark.parametrize("kind", ["fact", "episode"])
async def test_what_no_database_can_store_is_left_out(memories: Memories, unread_run: str, kind: str) -> None:
    new = found_in(unread_run, "Saw a her\0on. ", about="An\0na", context="by the ri\0ver", kind=kind)
    kept = await memories.add(new)
    assert (kept.text, kept.about, kept.context) == ("Saw a heron.", "Anna", "by the river")
    assert (await memories.add(new)).id == kept.id
    edited = await memories.edit(kept.id, text="Saw an ot\0ter.", about="Le\0na\udc80")
    assert (edited.text, edited.about) == ("Saw an otter.", "Lena?")
    (listed,) = await memories.add_all([NewMemory(text="A hare\0.", about="Jo\0")])
    assert (listed.text, listed.about) == ("A hare.", "Jo")


async def test_what_can_be_no_id_is_not_there(memories: Memories) -> None:
    for look in (memories.get("a\0b"), memories.forget("\0"), memories.page(before="\udc80")):
        with pytest.raises(NotFoundError):
            await look


async def test_everything_can_be_exported_in_order(memories: Memories) -> None:
    one = await told(memories, "First of all.")
    two = await told(memories, "Second to none.")
    await memories.supersede(one, two)
    assert [memory.id for memory in await memories.export()] == [one, two]


async def test_lists_go_on_where_a_page_ended(memories: Memories) -> None:
    kept = [await told(memories, f"Number {n}: {'x' * n}", kind="episode") for n in range(5)]
    first = await memories.page(limit=3)
    rest = await memories.page(limit=3, before=first[-1].id)
    assert [memory.id for memory in (*first, *rest)] == kept[::-1]
