"""A conversation's history, and conversations that fork from it: real graph and stores, a script for a chat model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from counting_judge import add_counting_judge
from homes import events_of, scripted_app, turn, types, upload
from postgres import postgres_server, schema_of_its_own
from scripted_chat import write_script

from agent.app import App, open_app
from engines.errors import ConflictError, InputError, NotFoundError
from memory.artifact_types import Lineage
from memory.chat_types import RunInfo
from memory.events import MessageDelta, PlanMade, RunFinished, ToolFinished

NAMES = {"when": "call me", "answer": "Grüß dich, Jürgen 数!"}
FIRST = {"when": "First", "answer": "The first answer."}
SECOND = {"when": "Second", "answer": "The second answer."}
OTHER = {"when": "Other", "answer": "The other answer."}
SLOW = {"when": "slowly", "answer": "one two three four five six", "token_seconds": 0.3}
RULES: list[dict[str, Any]] = [NAMES, FIRST, SECOND, OTHER, SLOW]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


async def three_turns(app: App) -> list[RunInfo]:
    for message in ("Please call me Jürgen 数", "First", "Second"):
        assert types(await turn(app, message))[-1] == "run.finished"
    return await app.chats.runs("talk")


async def texts(app: App, thread: str) -> list[str]:
    return [message.text for message in await app.chats.messages(thread)]


async def known(app: App, thread: str) -> list[str]:
    """What the graph takes for the conversation."""
    return [str(message.text) for message in (await app.agent.state(thread)).get("messages", [])]


async def test_a_fork_in_the_middle_knows_what_was_before_and_leaves_the_original_as_it_is(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, RULES) as app:
        runs = await three_turns(app)
        before = (await texts(app, "talk"), await known(app, "talk"), await app.chats.runs("talk"))
        made = await app.timetravel.fork("talk", run_id=runs[2].id)
        assert made.run is None
        assert await texts(app, made.thread.id) == before[0][:4]
        assert await known(app, made.thread.id) == before[1][:4]
        assert types(await turn(app, "Other", thread=made.thread.id))[-1] == "run.finished"
        assert await known(app, made.thread.id) == [*before[1][:4], "Other", "The other answer."]
        assert (await texts(app, "talk"), await known(app, "talk"), await app.chats.runs("talk")) == before


async def test_the_edited_text_is_what_is_planned_and_answered(tmp_path: Path) -> None:
    async with scripted_app(
        tmp_path, [{"when": "kind", "calls": [{"tool": "analyze_sentiment", "text": "Awful!"}]}]
    ) as app:
        await turn(app, "Hello there")
        question = (await app.chats.messages("talk"))[0]
        made = await app.timetravel.fork("talk", message_id=question.id, text="Is it kind? Awful! Größe 数")
        assert made.run is not None
        events = await events_of(app, made.run.id)
        assert [step.tool for event in events if isinstance(event.body, PlanMade) for step in event.body.steps] == [
            "analyze_sentiment"
        ]
        assert made.run.parent_run == question.run_id
        assert (await texts(app, made.thread.id))[0] == "Is it kind? Awful! Größe 数"
        assert (await app.chats.thread(made.thread.id)).title == "Is it kind? Awful! Größe 数"
        assert await texts(app, "talk") == ["Hello there", "Done."]


async def test_attachments_of_the_edited_message_go_along_and_are_not_copied(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [{"when": "Cat", "answer": "A cat."}]) as app:
        await turn(app, "A dog?", "chelsea.jpg")
        (run,) = await app.chats.runs("talk")
        made = await app.timetravel.fork("talk", run_id=run.id[:8], text="Cat?")
        assert made.run is not None
        await events_of(app, made.run.id)
        assert made.run.attachments == run.attachments
        assert len(await app.artifacts.list()) == 1
        await app.eraser.thread("talk")
        assert (await app.artifacts.path(run.attachments[0])).is_file()


async def test_a_fork_of_a_fork_before_its_copies_knows_what_its_log_tells(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, RULES) as app:
        runs = await three_turns(app)
        one = await app.timetravel.fork("talk", run_id=runs[2].id)
        await app.eraser.thread("talk")
        copies = await app.chats.runs(one.thread.id)
        two = await app.timetravel.fork(one.thread.id, run_id=copies[1].id)
        assert await known(app, two.thread.id) == ["Please call me Jürgen 数", "Grüß dich, Jürgen 数!"]
        assert types(await turn(app, "Other", thread=two.thread.id))[-1] == "run.finished"
        assert len(await known(app, two.thread.id)) == 4


async def test_files_of_turns_before_the_fork_can_be_named_in_it(tmp_path: Path) -> None:
    judge = {"when": "letter", "calls": [{"tool": "analyze_sentiment", "text": "clip.txt"}], "answer": "{results}"}
    (tmp_path / "clip.txt").write_text("Lovely, warm and kind people!")
    async with scripted_app(tmp_path, [FIRST, SECOND, judge]) as app:
        ref = await app.artifacts.add_file(tmp_path / "clip.txt", name="clip.txt", lineage=Lineage(tool="upload"))
        info = await app.agent.start("First", thread_id="talk", attachments=[ref.id])
        await events_of(app, info.id)
        await turn(app, "Second")
        runs = await app.chats.runs("talk")
        one = await app.timetravel.fork("talk", run_id=runs[1].id, text="Is the letter kind?")
        copy = (await app.chats.runs(one.thread.id))[0]
        await turn(app, "First again", thread=one.thread.id)
        last = (await app.chats.runs(one.thread.id))[1]
        two = await app.timetravel.fork(one.thread.id, run_id=last.id, text="And is the letter kind?")
        assert copy.parent_run == runs[0].id
        for made in (one, two):
            assert made.run is not None
            ends = [event.body for event in await events_of(app, made.run.id) if isinstance(event.body, ToolFinished)]
            assert "positive" in ends[0].summary


async def test_before_an_open_run_nothing_is_forked_yet_and_at_it_something_is(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, RULES) as app:
        await turn(app, "First")
        slow = await app.agent.start("Count slowly", thread_id="talk")
        waiting = await app.agent.start("Second", thread_id="talk")
        async for event in app.agent.events(slow.id):
            if isinstance(event.body, MessageDelta):
                break
        with pytest.raises(ConflictError, match="before the fork, is still running"):
            await app.timetravel.fork("talk", run_id=waiting.id, text="Other")
        assert [thread.id for thread in await app.chats.threads()] == ["talk"]
        made = await app.timetravel.fork("talk", run_id=slow.id, text="Other")
        assert made.run is not None
        assert isinstance((await events_of(app, made.run.id))[-1].body, RunFinished)
        assert await known(app, made.thread.id) == ["First", "The first answer.", "Other", "The other answer."]
        await asyncio.gather(events_of(app, slow.id), events_of(app, waiting.id))


async def test_a_fork_after_a_run_that_was_stopped_goes_on_without_its_message(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, RULES) as app:
        await turn(app, "First")
        slow = await app.agent.start("Count slowly", thread_id="talk")
        async for event in app.agent.events(slow.id):
            if isinstance(event.body, MessageDelta):
                break
        await app.agent.cancel(slow.id)
        await turn(app, "Second")
        made = await app.timetravel.fork("talk", run_id=(await app.chats.runs("talk"))[2].id, text="Other")
        assert made.run is not None
        await events_of(app, made.run.id)
        assert await known(app, made.thread.id) == ["First", "The first answer.", "Other", "The other answer."]


async def test_what_is_not_there_or_not_to_be_edited_is_said_with_what_to_do(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, RULES) as app:
        runs = await three_turns(app)
        travel = app.timetravel
        answer = (await app.chats.messages("talk"))[1]
        for wrong, error, says in (
            ({"run_id": "größe"}, NotFoundError, "sensorium history talk"),
            ({"message_id": 9_999}, NotFoundError, "sensorium history talk"),
            ({"message_id": answer.id}, InputError, "is an answer"),
            ({"run_id": ""}, NotFoundError, "no run"),
            ({}, InputError, "either its run or its number"),
            ({"run_id": runs[0].id, "text": "  "}, InputError, "empty"),
        ):
            with pytest.raises(error, match=says):
                await travel.fork("talk", **wrong)
        for unknown in (travel.history("nö"), travel.fork("nö", run_id=runs[0].id)):
            with pytest.raises(NotFoundError, match="nö"):
                await unknown
        assert [thread.id for thread in await app.chats.threads()] == ["talk"]


async def test_history_is_a_line_for_each_run_with_its_plan_its_checkpoint_and_its_forks(tmp_path: Path) -> None:
    judge = {"when": "review", "calls": [{"tool": "analyze_sentiment", "text": "Lovely!"}]}
    async with scripted_app(tmp_path, [FIRST, judge, OTHER]) as app:
        for message in ("First", "Judge this review: Lovely!"):
            await turn(app, message)
        runs = await app.chats.runs("talk")
        made = await app.timetravel.fork("talk", run_id=runs[1].id, text="Other")
        found = await app.timetravel.history("talk")
        assert [(m.run_id, m.message, m.status, m.tools) for m in found.runs] == [
            (runs[0].id, "First", "finished", ()),
            (runs[1].id, "Judge this review: Lovely!", "finished", ("analyze_sentiment",)),
        ]
        assert [m.message_id for m in found.runs] == [
            m.id for m in await app.chats.messages("talk") if m.role == "user"
        ]
        assert [[fork.id for fork in m.forks] for m in found.runs] == [[], [made.thread.id]]
        assert len({m.checkpoint for m in found.runs} - {None}) == 2
        assert all(m.checkpoints == () for m in found.runs)
        assert made.run is not None
        await events_of(app, made.run.id)
        of_fork = await app.timetravel.history(made.thread.id)
        assert of_fork.thread.forked_at == runs[1].id
        assert [m.parent_run for m in of_fork.runs] == [runs[0].id, runs[1].id]
        assert all(m.checkpoint for m in of_fork.runs)


async def test_history_node_by_node_has_the_way_of_each_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_KEEP_CHECKPOINTS", "all")
    write_script(tmp_path, [{"when": "Judge", "calls": [{"tool": "analyze_sentiment", "text": "one"}]}, FIRST])
    add_counting_judge(tmp_path)
    async with open_app() as app:
        await turn(app, "First")
        await turn(app, "Judge")
        for moment, acts in zip((await app.timetravel.history("talk", with_all=True)).runs, (False, True), strict=True):
            ways = [each.next for each in moment.checkpoints]
            assert ways[0] == ("ingest",)
            assert moment.checkpoints[0].source == "input"
            assert ways[-1] == ()
            assert (("act",) in ways) is acts
            assert [way for way in ways if way in {("plan",), ("respond",)}] == [("plan",), ("respond",)]
            assert moment.checkpoints[-1].id == moment.checkpoint


async def test_one_attachment_that_was_deleted_is_named_before_anything_is_made(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, RULES) as app:
        (picture,) = await upload(app, "chelsea.jpg")
        info = await app.agent.start("First", thread_id="talk", attachments=[picture])
        await events_of(app, info.id)
        await app.artifacts.delete(picture)
        with pytest.raises(NotFoundError, match=picture):
            await app.timetravel.fork("talk", run_id=info.id, text="Other")
        assert len(await app.chats.threads()) == 1


async def test_all_of_it_on_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres_server() as server, schema_of_its_own(server) as url:
        monkeypatch.setenv("SENSORIUM_DATABASE_URL", url)
        async with scripted_app(tmp_path, RULES) as app:
            runs = await three_turns(app)
            before = await known(app, "talk")
            made = await app.timetravel.fork("talk", run_id=runs[2].id, text="Other 数")
            assert made.run is not None
            await events_of(app, made.run.id)
            await turn(app, "First", thread=made.thread.id)
            assert await known(app, made.thread.id) == [
                *before[:4],
                "Other 数",
                "The other answer.",
                "First",
                "The first answer.",
            ]
            assert await known(app, "talk") == before
            found = await app.timetravel.history("talk", with_all=True)
            assert [len(moment.forks) for moment in found.runs] == [0, 0, 1]
            assert all(moment.checkpoint and moment.checkpoints for moment in found.runs)
            copies = await app.chats.runs(made.thread.id)
            again = await app.timetravel.fork(made.thread.id, run_id=copies[1].id)
            assert await known(app, again.thread.id) == before[:2]
