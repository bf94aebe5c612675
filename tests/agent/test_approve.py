"""Calls that the user is asked about first: the question, the answers, and who may give them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from counting_judge import add_counting_judge, entries
from dying_turn import run_and_die
from echo_voice import add_echo_voices
from homes import events_of, types, upload
from scripted_chat import write_script

from agent.app import Answer, App, open_app
from engines.errors import ConflictError, InputError
from memory.events import (
    ApprovalAnswered,
    ApprovalRequired,
    Event,
    RunCancelled,
    RunFinished,
    ToolFinished,
    ToolStarted,
)

MESSAGE = "Judge these: one, two"
BOTH: dict[str, Any] = {
    "when": "Judge",
    "calls": [{"tool": "analyze_sentiment", "text": "one"}, {"tool": "analyze_sentiment", "text": "two"}],
    "answer": "{results}",
}
HELLO = {"when": "Hello", "answer": "Hello, I am Sensorium."}
CLONE: dict[str, Any] = {
    "when": "Good morning",
    "calls": [{"tool": "clone_voice", "text": "Good morning", "reference": "jfk.flac"}],
    "answer": "{results}",
}
YES = {"*": Answer(action="approve")}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models_dir: Path) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_MODELS_DIR", str(models_dir))
    monkeypatch.setenv("SENSORIUM_APPROVAL", json.dumps({"analyze_sentiment": "ask"}))
    return tmp_path


@pytest.fixture
def diary(home: Path) -> Path:
    write_script(home, [BOTH, HELLO, CLONE])
    return add_counting_judge(home)


async def asked(app: App, message: str = MESSAGE, *files: str) -> tuple[str, ApprovalRequired]:
    """A run that waits, and what it asks."""
    info = await app.agent.start(message, thread_id="talk", attachments=await upload(app, *files))
    async for event in app.agent.events(info.id):
        assert not event.is_terminal, event.body
        if isinstance(event.body, ApprovalRequired):
            return info.id, event.body
    raise AssertionError("nothing was asked")


async def answered(app: App, run_id: str, **answers: Answer) -> RunFinished:
    await app.agent.approve(run_id, {name.replace("step", "$"): answer for name, answer in answers.items()} or YES)
    last = (await events_of(app, run_id))[-1]
    assert isinstance(last.body, RunFinished), last.body
    return last.body


def calls(events: list[Event]) -> list[str]:
    return [event.body.args["text"] for event in events if isinstance(event.body, ToolStarted)]


async def test_steps_are_asked_about_together_and_nothing_is_done_before_the_answer(diary: Path) -> None:
    async with open_app() as app:
        run_id, question = await asked(app)
        assert [(item.step.id, item.step.args) for item in question.questions] == [
            ("$1", {"text": "one"}),
            ("$2", {"text": "two"}),
        ]
        assert (await app.chats.run(run_id)).status == "waiting"
        assert entries(diary) == []
        await answered(app, run_id)
        events = await events_of(app, run_id)
        assert [event.seq for event in events] == list(range(len(events)))
        assert types(events).count("approval.required") == 1
        assert next(e.body.answers for e in events if isinstance(e.body, ApprovalAnswered)) == {
            "$1": "approve",
            "$2": "approve",
        }
        assert sorted(entries(diary)) == ["begin one", "begin two", "end one", "end two"]


async def test_the_answer_may_come_from_another_process_long_after(diary: Path) -> None:
    async with open_app() as app:
        run_id, _ = await asked(app)
    async with open_app() as app:
        assert (await app.chats.run(run_id)).status == "waiting"
        await answered(app, run_id)
    assert "end two" in entries(diary)


async def test_whoever_follows_the_run_sees_it_go_on_wherever_it_is_answered(diary: Path) -> None:
    async with open_app() as one, open_app() as other:
        run_id, _ = await asked(one)
        await other.agent.approve(run_id, YES)
        assert await events_of(one, run_id) == await events_of(other, run_id)


async def test_what_is_denied_is_not_done_and_the_answer_knows_why(diary: Path) -> None:
    async with open_app() as app:
        run_id, _ = await asked(app)
        end = await answered(app, run_id, step1=Answer(action="deny", reason="too private"), step2=YES["*"])
        assert "analyze_sentiment was not run: you said no: too private." in end.answer
        assert "begin one" not in entries(diary)
        assert "end two" in entries(diary)


async def test_a_turn_in_which_everything_is_denied_is_answered_all_the_same(diary: Path) -> None:
    async with open_app() as app:
        run_id, _ = await asked(app)
        end = await answered(app, run_id, **{"*": Answer(action="deny")})
        assert "you said no" in end.answer
        assert entries(diary) == []


async def test_arguments_may_be_edited_before_they_are_approved(diary: Path) -> None:
    async with open_app() as app:
        run_id, _ = await asked(app)
        await answered(app, run_id, step1=Answer(action="edit", args={"text": "three"}), step2=YES["*"])
        assert sorted(calls(await events_of(app, run_id))) == ["three", "two"]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"$1": Answer(action="edit", args={"txt": "three"}), "*": YES["*"]}, "Parameters: text"),
        ({"$1": Answer(action="edit", args={"text": ""}), "*": YES["*"]}, "analyze_sentiment: text"),
        ({"$1": Answer(action="edit", args={"text": "$2"}), "*": YES["*"]}, "text must be text, and '\\$2' is none"),
        ({"$1": Answer(action="edit"), "*": YES["*"]}, "an edit needs the arguments"),
        ({"$1": Answer(action="approve", args={"text": "x"}), "*": YES["*"]}, "arguments come with an edit"),
        ({"$1": YES["*"]}, "no answer for \\$2"),
        ({"$7": YES["*"], "*": YES["*"]}, "Nothing is asked about '\\$7'"),
    ],
)
async def test_an_answer_that_does_not_fit_is_refused_and_the_run_goes_on_waiting(
    diary: Path, answers: dict[str, Answer], says: str
) -> None:
    async with open_app() as app:
        run_id, _ = await asked(app)
        with pytest.raises(InputError, match=says):
            await app.agent.approve(run_id, answers)
        assert (await app.chats.run(run_id)).status == "waiting"
        assert entries(diary) == []
        await answered(app, run_id)


async def test_an_answer_may_stand_for_the_rest_of_the_conversation_and_for_no_other(diary: Path) -> None:
    async with open_app() as app:
        run_id, _ = await asked(app)
        await answered(app, run_id, **{"*": Answer(action="approve", remember=True)})
        again = await app.agent.start(MESSAGE, thread_id="talk")
        assert "approval.required" not in types(await events_of(app, again.id))
        elsewhere = await app.agent.start(MESSAGE, thread_id="other")
        async for event in app.agent.events(elsewhere.id):
            if event.type == "approval.required":
                break
        assert (await app.chats.run(elsewhere.id)).status == "waiting"


async def test_a_no_may_stand_for_the_rest_of_the_conversation_too(diary: Path) -> None:
    async with open_app() as app:
        run_id, _ = await asked(app)
        await answered(app, run_id, **{"*": Answer(action="deny", remember=True)})
        again = await app.agent.start(MESSAGE, thread_id="talk")
        end = (await events_of(app, again.id))[-1].body
        assert isinstance(end, RunFinished)
        assert "you said no to it in this conversation" in end.answer


async def test_the_settings_may_forbid_a_tool(diary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_APPROVAL", json.dumps({"analyze_sentiment": "auto"}))
    monkeypatch.setenv("SENSORIUM_USER_APPROVAL", json.dumps({"local": {"analyze_sentiment": "deny"}}))
    async with open_app() as app:
        info = await app.agent.start(MESSAGE, thread_id="talk")
        end = (await events_of(app, info.id))[-1].body
        assert isinstance(end, RunFinished)
        assert "the settings do not allow it" in end.answer
        assert entries(diary) == []


async def test_a_setting_for_a_tool_that_there_is_not_is_an_error(diary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_APPROVAL", json.dumps({"analyse_sentiment": "ask"}))
    with pytest.raises(InputError, match="'analyse_sentiment'"):
        async with open_app():
            pass


async def test_a_run_that_waits_can_be_stopped(diary: Path) -> None:
    async with open_app() as app:
        run_id, _ = await asked(app)
    async with open_app() as app:
        assert await app.agent.cancel(run_id)
        assert (await events_of(app, run_id))[-1].type == "run.cancelled"
        with pytest.raises(ConflictError, match="asks nothing: it is cancelled"):
            await app.agent.approve(run_id, YES)


async def test_a_conversation_that_goes_on_without_an_answer_asks_no_more(diary: Path) -> None:
    async with open_app() as app:
        run_id, _ = await asked(app)
        later = await app.agent.start("Hello", thread_id="talk")
        assert (await events_of(app, later.id))[-1].type == "run.finished"
        end = (await events_of(app, run_id))[-1].body
        assert isinstance(end, RunCancelled)
        assert "went on without an answer" in end.reason


async def test_of_two_answers_at_the_same_moment_one_is_taken(diary: Path) -> None:
    async with open_app() as one, open_app() as other:
        run_id, _ = await asked(one)
        tried = await asyncio.gather(
            one.agent.approve(run_id, YES), other.agent.approve(run_id, YES), return_exceptions=True
        )
        assert sorted(type(item).__name__ for item in tried) == ["ConflictError", "RunInfo"]
        await events_of(one, run_id)
    assert entries(diary).count("end one") == 1


@pytest.mark.parametrize("moment", ["entering", "leaving"])
async def test_killed_on_its_way_to_the_question_it_asks_when_it_is_resumed(diary: Path, moment: str) -> None:
    await asyncio.to_thread(run_and_die, diary.parent, MESSAGE, "talk", "ask", 1, moment)
    async with open_app() as app:
        (run,) = await app.chats.runs("talk")
        if run.status == "interrupted":
            await app.agent.resume(run.id)
            async for event in app.agent.events(run.id):
                if isinstance(event.body, ApprovalRequired):
                    break
        assert (await app.chats.run(run.id)).status == "waiting"
        await answered(app, run.id)
        assert types(await events_of(app, run.id)).count("approval.required") == 1


class TestConsent:
    @pytest.fixture
    def home(self, home: Path) -> Path:
        write_script(home, [CLONE])
        add_echo_voices(home)
        return home

    async def test_cloning_a_voice_is_asked_about_in_plain_words(self, home: Path) -> None:
        async with open_app() as app:
            _, question = await asked(app, "Say Good morning in this voice", "jfk.flac")
            (item,) = question.questions
            assert item.consent
            assert item.danger == "consent"
            assert "Approve only if that person agrees" in item.text
            assert item.step.args == {"text": "Good morning", "reference": "jfk.flac"}
            assert "consent" not in item.editable
            assert item.editable["reference"] == {"enum": ["jfk.flac"]}

    async def test_approving_it_is_consent_for_this_call(self, home: Path) -> None:
        async with open_app() as app:
            run_id, _ = await asked(app, "Say Good morning in this voice", "jfk.flac")
            await app.agent.approve(run_id, YES)
            events = await events_of(app, run_id)
            assert any(isinstance(event.body, ToolFinished) for event in events)
            assert next(e.body.args["consent"] for e in events if isinstance(e.body, ToolStarted)) is True

    async def test_consent_is_no_argument_to_edit_and_is_not_remembered(self, home: Path) -> None:
        args = {"text": "Good morning", "reference": "jfk.flac", "consent": True}
        async with open_app() as app:
            run_id, _ = await asked(app, "Say Good morning in this voice", "jfk.flac")
            with pytest.raises(InputError, match="consent can't be edited"):
                await app.agent.approve(run_id, {"$1": Answer(action="edit", args=args)})
            with pytest.raises(InputError, match="asked about every time"):
                await app.agent.approve(run_id, {"*": Answer(action="approve", remember=True)})

    async def test_where_nothing_is_asked_only_the_message_gives_it(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SENSORIUM_APPROVAL", json.dumps({"clone_voice": "auto"}))
        async with open_app() as app:
            info = await app.agent.start(
                "Say Good morning in this voice", thread_id="talk", attachments=await upload(app, "jfk.flac")
            )
            end = (await events_of(app, info.id))[-1].body
            assert end.type == "run.failed"
            assert getattr(end, "code", "") == "consent-required"
