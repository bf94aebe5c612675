"""A turn from message to answer: real graph, tools, engines, stores; only the chat model follows a script."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from homes import MEDIA, events_of, scripted_app, turn, types, upload

from agent.app import open_app
from engines.errors import InputError, NotFoundError
from memory.artifact_types import Lineage
from memory.events import Event, MessageDelta, PlanMade, RunFailed, RunFinished, ToolFailed, ToolFinished, ToolStarted

PEOPLE = {
    "when": "How many people",
    "calls": [{"tool": "detect_objects", "image": "astronaut.jpg", "target": "person"}],
    "answer": "See: {results}",
}
REVIEW = {"when": "review", "calls": [{"tool": "analyze_sentiment", "text": "Lovely, warm and kind people!"}]}
HELLO = {"when": "Hello", "answer": "Hello, I am Sensorium."}
SLOW = {"when": "slowly", "answer": "one two three four five six seven eight nine ten", "token_seconds": 0.2}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


def finished(events: list[Event]) -> RunFinished:
    assert isinstance(events[-1].body, RunFinished), events[-1].body
    return events[-1].body


async def test_a_question_about_a_picture_is_planned_run_and_answered(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [PEOPLE]) as app:
        events = await turn(app, "How many people are in this picture?", "astronaut.jpg")
        end = finished(events)
        assert [event.seq for event in events] == list(range(len(events)))
        passing = ("model.loading", "tool.progress", "message.delta", "language", "sentiment")
        order = [name for name in types(events) if name not in passing]
        assert order == ["run.started", "plan.made", "tool.started", "tool.artifact", "tool.finished", "run.finished"]
        result = next(event.body.result for event in events if isinstance(event.body, ToolFinished))
        assert result["counts"] == {"person": 1}
        assert "1 person" in end.answer
        drawn = end.artifacts[0]
        assert (drawn.kind, drawn.mime) == ("image", "image/png")
        assert {receipt.model for receipt in end.receipts} == {"nanodet-416", "scripted"}
        lineage = await app.artifacts.lineage(drawn.id)
        assert lineage.tool == "detect_objects"
        assert lineage.models[0]["id"] == "nanodet-416"
        assert len(lineage.parents) == 1


async def test_a_greeting_needs_no_tool(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [HELLO]) as app:
        events = await turn(app, "Hello, who are you?")
        plan = next(event.body for event in events if isinstance(event.body, PlanMade))
        assert plan.steps == ()
        assert (
            "".join(e.body.text for e in events if isinstance(e.body, MessageDelta)).strip() == finished(events).answer
        )


async def test_a_conversation_goes_on_in_a_new_process_and_knows_its_files(tmp_path: Path) -> None:
    again = {"when": "the dog", "calls": [{"tool": "detect_objects", "image": "astronaut.jpg", "target": "dog"}]}
    async with scripted_app(tmp_path, [PEOPLE]) as app:
        await turn(app, "How many people are in this picture?", "astronaut.jpg")
    async with scripted_app(tmp_path, [again]) as app:
        events = await turn(app, "And where is the dog?")
        assert "No dog" in next(e.body.summary for e in events if isinstance(e.body, ToolFinished))
        assert [m.role for m in await app.chats.messages("talk")] == ["user", "assistant"] * 2


async def test_a_text_file_is_read_by_the_tool_that_gets_it(tmp_path: Path) -> None:
    judge = {"when": "letter", "calls": [{"tool": "analyze_sentiment", "text": "letter.txt"}], "answer": "{results}"}
    async with scripted_app(tmp_path, [judge]) as app:
        letter = await app.artifacts.add_bytes(
            b"I hate this. Awful!", name="letter.txt", lineage=Lineage(tool="upload")
        )
        info = await app.agent.start("Is the letter kind?", thread_id="talk", attachments=[letter.id])
        assert "negative" in finished(await events_of(app, info.id)).answer


async def test_texts_that_together_are_too_long_for_the_model_are_shown_to_it_in_part(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [HELLO]) as app:
        texts = [
            await app.artifacts.add_bytes(b"a " * 5_000, name=f"{n}.txt", lineage=Lineage(tool="upload"))
            for n in range(4)
        ]
        info = await app.agent.start("Hello", thread_id="talk", attachments=[text.id for text in texts])
        assert finished(await events_of(app, info.id)).answer == "Hello, I am Sensorium."


async def test_a_message_that_can_never_fit_says_so(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [HELLO]) as app:
        end = (await turn(app, "a " * 9_000))[-1].body
        assert isinstance(end, RunFailed)
        assert end.code == "context-overflow"


async def test_a_file_may_be_called_like_a_step_s_result(tmp_path: Path) -> None:
    people = {"when": "How many", "calls": [{"tool": "detect_objects", "image": "1"}], "answer": "{results}"}
    async with scripted_app(tmp_path, [people]) as app:
        file = await app.artifacts.add_file(MEDIA / "astronaut.jpg", name="$1", lineage=Lineage(tool="upload"))
        info = await app.agent.start("How many?", thread_id="talk", attachments=[file.id])
        assert "1 person" in finished(await events_of(app, info.id)).answer


async def test_followers_can_come_late_and_from_any_point(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [SLOW]) as app:
        info = await app.agent.start("Count slowly", thread_id="talk")
        live = await events_of(app, info.id)
        assert await events_of(app, info.id) == live
        assert await events_of(app, info.id, after=3) == live[4:]


async def test_cancelling_stops_the_model_and_keeps_what_was_said(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [SLOW, HELLO]) as app:
        info = await app.agent.start("Count slowly", thread_id="talk")
        async for event in app.agent.events(info.id):
            if isinstance(event.body, MessageDelta):
                break
        assert await app.agent.cancel(info.id)
        events = await events_of(app, info.id)
        assert events[-1].type == "run.cancelled"
        assert (await app.chats.run(info.id)).status == "cancelled"
        question, answer = await app.chats.messages("talk")
        assert question.text == "Count slowly"
        assert answer.text.startswith("one")
        assert not answer.text.endswith("ten")
        assert not await app.agent.cancel(info.id)
        assert finished(await turn(app, "Hello again")).answer == "Hello, I am Sensorium."


async def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [SLOW]) as app:
        info = await app.agent.start("Count slowly", thread_id="talk")
        async for event in app.agent.events(info.id):
            if isinstance(event.body, MessageDelta):
                break
        stops = []
        for _ in range(20):  # at every point of storing the end
            stops.append(asyncio.create_task(app.agent.cancel(info.id)))
            await asyncio.sleep(0)
        await asyncio.gather(*stops)
        assert (await events_of(app, info.id))[-1].type == "run.cancelled"
        assert (await app.chats.run(info.id)).status == "cancelled"


async def test_a_turn_that_is_closed_before_its_first_step_is_stored_as_interrupted(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [SLOW]) as app:
        info = await app.agent.start("Count slowly", thread_id="talk")
    async with scripted_app(tmp_path, []) as app:
        assert (await app.chats.run(info.id)).status == "interrupted"


async def test_a_tool_that_is_interrupted_does_not_run_in_the_next_turn(tmp_path: Path) -> None:
    both = {
        "when": "review",
        "calls": [*REVIEW["calls"], {"tool": "detect_objects", "image": "astronaut.jpg"}],
    }
    async with scripted_app(tmp_path, [both, HELLO]) as app:
        info = await app.agent.start(
            "Is this review good?", thread_id="talk", attachments=await upload(app, "astronaut.jpg")
        )
        async for event in app.agent.events(info.id):
            if isinstance(event.body, ToolStarted):
                break
        await app.agent.cancel(info.id)
        events = await turn(app, "Hello")
        assert not [name for name in types(events) if name.startswith("tool")]
        assert finished(events).receipts[0].tool == "chat"


async def test_one_failed_step_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    both = {
        "when": "Both",
        "calls": [
            {"tool": "transcribe_audio", "audio": "jfk.flac"},
            {"tool": "translate", "text": "$1", "target_language": "Spanish"},
            {"tool": "analyze_sentiment", "text": "I love it"},
        ],
        "answer": "{results}",
    }
    async with scripted_app(tmp_path, [both]) as app:  # no Whisper in this home: the first step fails
        events = await turn(app, "Both, please, and: I love it", "jfk.flac")
        failed = next(e.body for e in events if isinstance(e.body, ToolFailed))
        assert failed.code == "missing-weights"
        assert "sensorium models pull whisper-base" in failed.message
        answer = finished(events).answer
        assert "Skipped, because $1 failed" in answer
        assert "positive" in answer


async def test_a_tool_that_breaks_does_not_take_the_others_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tools.image.detect_objects.draw_boxes", broken)
    both = {
        "when": "Both",
        "calls": [
            {"tool": "detect_objects", "image": "astronaut.jpg"},
            {"tool": "analyze_sentiment", "text": "I love it"},
        ],
        "answer": "{results}",
    }
    async with scripted_app(tmp_path, [both]) as app:
        events = await turn(app, "Both, please, and: I love it", "astronaut.jpg")
        assert [e.body.tool for e in events if isinstance(e.body, ToolFailed)] == ["detect_objects"]
        assert "positive" in finished(events).answer


async def test_when_every_step_fails_the_turn_says_what_to_do(tmp_path: Path) -> None:
    write = {"when": "Write", "calls": [{"tool": "transcribe_audio", "audio": "jfk.flac"}]}
    async with scripted_app(tmp_path, [write, HELLO]) as app:
        events = await turn(app, "Write it down", "jfk.flac")
        end = events[-1].body
        assert isinstance(end, RunFailed)
        assert end.code == "missing-weights"
        assert "sensorium models pull whisper-base" in f"{end.message} {end.fix}"
        assert finished(await turn(app, "Hello again")).answer == "Hello, I am Sensorium."


async def test_turns_of_one_conversation_wait_for_each_other(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [SLOW, HELLO]) as app:
        first = await app.agent.start("Count slowly", thread_id="talk")
        second = await app.agent.start("Hello", thread_id="talk")
        ends = await asyncio.gather(events_of(app, first.id), events_of(app, second.id))
        assert [end[-1].type for end in ends] == ["run.finished", "run.finished"]
        assert ends[0][-1].at < next(e.at for e in ends[1] if isinstance(e.body, PlanMade))


async def test_a_forgotten_conversation_is_not_known_to_a_new_one_of_its_name(tmp_path: Path) -> None:
    again = {"when": "the dog", "calls": [{"tool": "detect_objects", "image": "astronaut.jpg", "target": "dog"}]}
    async with scripted_app(tmp_path, [PEOPLE, again]) as app:
        await turn(app, "How many people are in this picture?", "astronaut.jpg")
        await app.eraser.thread("talk")
        events = await turn(app, "And where is the dog?")  # a plan that names the old picture fits no schema now
        assert isinstance(events[-1].body, RunFailed)


async def test_turns_of_one_conversation_wait_for_each_other_across_processes_too(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [SLOW, HELLO]) as one, open_app() as other:
        first = await one.agent.start("Count slowly", thread_id="talk")
        async for event in one.agent.events(first.id):
            if isinstance(event.body, MessageDelta):
                break
        second = await other.agent.start("Hello", thread_id="talk")
        ends = await asyncio.gather(events_of(one, first.id), events_of(other, second.id))
        assert ends[0][-1].at < next(e.at for e in ends[1] if isinstance(e.body, PlanMade))


async def test_a_message_runs_again(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [REVIEW]) as app:
        info = await app.agent.start("Is this review good?", thread_id="talk")
        await events_of(app, info.id)
        again = await app.agent.retry(info.id)
        assert finished(await events_of(app, again.id))
        assert again.message == info.message


@pytest.mark.parametrize(
    ("message", "says"), [("   ", "empty"), ("x" * 1_000_000, "1,000,000 characters long; the limit is 20,000")]
)
async def test_messages_that_cannot_be_used_are_refused_before_anything_is_stored(
    tmp_path: Path, message: str, says: str
) -> None:
    async with scripted_app(tmp_path, []) as app:
        with pytest.raises(InputError, match=says):
            await app.agent.start(message, thread_id="talk")
        assert await app.chats.threads() == []


async def test_unknown_models_attachments_and_runs_are_named(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        with pytest.raises(NotFoundError, match="gpt-9"):
            await app.agent.start("Hello", model="gpt-9")
        with pytest.raises(NotFoundError, match="nothing"):
            await app.agent.start("Hello", attachments=["nothing"])
        with pytest.raises(NotFoundError):
            await events_of(app, "no-such-run")


async def test_closing_the_app_interrupts_what_runs(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, [SLOW]) as app:
        info = await app.agent.start("Count slowly", thread_id="talk")
        await upload(app, "jfk.flac")
    async with scripted_app(tmp_path, []) as app:
        assert (await app.chats.run(info.id)).status == "interrupted"
