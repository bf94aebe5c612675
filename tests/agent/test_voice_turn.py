"""A turn that is spoken, translated and read aloud: real graph, stores, voice activity; the rest follows a script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from homes import events_of, upload
from scripted_chat import write_script
from spoken_parts import add_spoken_parts

from agent.app import App, open_app
from agent.settings import load_settings
from engines.audio.read import read_audio, write_wav
from engines.media import Limits
from engines.protocols import Audio
from graphs.options import TurnOptions
from memory.artifact_types import Lineage
from memory.events import (
    Event,
    LanguageNoted,
    MessageDelta,
    MessageHeard,
    RunFailed,
    RunFinished,
    SentimentNoted,
    SpeechMade,
)

ANSWER = "Hello there, dear friend. The weather is fine today. Shall we go?"
RULES: list[dict[str, Any]] = [
    {"when": "Hello", "answer": ANSWER},
    {"when": "slowly", "answer": f"{ANSWER} {ANSWER}", "token_seconds": 0.2},
    {"when": "cough", "answer": "This is clear enough. Now I am hoarse, you see. And this is lost."},
    {"when": "jargon", "answer": "This is simple. This is untranslatable, they say. And so it ends here."},
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_OLLAMA_URL", "http://127.0.0.1:9")
    write_script(tmp_path, RULES)


async def run(app: App, message: str, *attachments: str, options: TurnOptions | None = None) -> list[Event]:
    info = await app.agent.start(message, thread_id="talk", attachments=attachments, options=options)
    return await events_of(app, info.id)


def finished(events: list[Event]) -> RunFinished:
    assert isinstance(events[-1].body, RunFinished), events[-1].body
    return events[-1].body


def text_of(events: list[Event]) -> str:
    return "".join(event.body.text for event in events if isinstance(event.body, MessageDelta)).strip()


def speech(events: list[Event]) -> list[SpeechMade]:
    return [event.body for event in events if isinstance(event.body, SpeechMade)]


async def test_a_recording_that_comes_alone_is_the_message(tmp_path: Path) -> None:
    log = add_spoken_parts(tmp_path, "Hello, who are you?")
    async with open_app(load_settings()) as app:
        events = await run(app, "", *await upload(app, "jfk.flac"))
        end = finished(events)
        heard = next(event.body for event in events if isinstance(event.body, MessageHeard))
        assert heard.transcript == heard.message == "Hello, who are you?"
        assert heard.artifact.name == "jfk.flac"
        assert end.answer == ANSWER
        assert [m.text for m in await app.chats.messages("talk")] == ["Hello, who are you?", ANSWER]
        assert (await app.chats.thread("talk")).title == "Hello, who are you?"
        assert {receipt.model for receipt in end.receipts} == {"silero-vad", "dictation", "scripted"}
        assert end.left_out == ()  # the recording has had its say
        assert log.read_text().startswith("heard 1")  # of 11 s: voice activity cut the silence around the words
        again = await app.agent.retry(events[0].run_id)
        assert finished(await events_of(app, again.id)).answer == ANSWER
        assert (await app.chats.run(again.id)).message == "Hello, who are you?"


async def test_a_marked_recording_adds_its_words_to_what_is_written(tmp_path: Path) -> None:
    add_spoken_parts(tmp_path, "who are you?")
    async with open_app(load_settings()) as app:
        voice, picture = await upload(app, "jfk.flac", "astronaut.jpg")
        events = await run(app, "Hello,", picture, options=TurnOptions(voice=voice))
        finished(events)
        assert (await app.chats.messages("talk"))[0].text == "Hello,\n\nwho are you?"


async def test_a_recording_in_which_nobody_speaks_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    add_spoken_parts(tmp_path, "never asked")
    write_wav(Audio(np.zeros(32_000, np.float32), 16_000), tmp_path / "silence.wav")
    async with open_app(load_settings()) as app:
        silence = await app.artifacts.add_file(
            tmp_path / "silence.wav", name="silence.wav", lineage=Lineage(tool="upload")
        )
        end = (await run(app, "", silence.id))[-1].body
        assert isinstance(end, RunFailed)
        assert end.message == "No speech was heard in silence.wav: Nobody speaks in its 2.0 s."
        assert end.fix
        assert (await app.chats.messages("talk"))[0].artifacts == (silence.id,)
        assert finished(await run(app, "Hello")).answer == ANSWER


async def test_what_is_marked_as_voice_must_be_a_recording(tmp_path: Path) -> None:
    async with open_app(load_settings()) as app:
        (picture,) = await upload(app, "astronaut.jpg")
        end = (await run(app, "", options=TurnOptions(voice=picture)))[-1].body
        assert isinstance(end, RunFailed)
        assert "no recording" in end.message


async def test_language_and_mood_are_noted(tmp_path: Path) -> None:
    async with open_app(load_settings()) as app:
        events = await run(app, "Hello, I am so unhappy and angry, everything is terrible!")
        (language,) = [event.body for event in events if isinstance(event.body, LanguageNoted)]
        (mood,) = [event.body for event in events if isinstance(event.body, SentimentNoted)]
        assert (language.language, language.name) == ("en", "English")
        assert mood.label == "negative"
        assert mood.score < -0.5


@pytest.mark.parametrize("message", ["🙂", "12345 67890", "?!", "ok"])
async def test_a_message_that_tells_nothing_fails_no_turn(tmp_path: Path, message: str) -> None:
    async with open_app(load_settings()) as app:
        events = await run(app, message)
        finished(events)
        assert not [event for event in events if event.type in ("language", "sentiment")]


async def test_the_answer_is_read_aloud_clause_by_clause_while_it_is_written(tmp_path: Path) -> None:
    log = add_spoken_parts(tmp_path)
    async with open_app(load_settings()) as app:
        events = await run(app, "Hello, slowly", options=TurnOptions(speak=True))
        end = finished(events)
        pieces = speech(events)
        assert [piece.index for piece in pieces] == list(range(len(pieces)))
        assert [piece.text for piece in pieces][:2] == ["Hello there, dear friend.", "The weather is fine today."]
        (whole,) = [artifact for artifact in end.artifacts if artifact.name == "answer.wav"]
        assert whole.seconds == pytest.approx(sum(piece.artifact.seconds or 0 for piece in pieces), abs=0.05)
        assert "said en: Hello there, dear friend." in log.read_text()
        assert [receipt.model for receipt in end.receipts if receipt.tool == "speak"].count("hum") == 1
        assert (await app.chats.messages("talk"))[-1].artifacts == (whole.id,)
        sound = read_audio(await app.artifacts.path(whole.id), limits=Limits())
        assert sound.seconds > 1


async def test_the_first_clause_is_heard_before_the_last_word_is_written(tmp_path: Path) -> None:
    add_spoken_parts(tmp_path)
    async with open_app(load_settings()) as app:
        events = await run(app, "Do it slowly", options=TurnOptions(speak=True))
        kinds = [event.type for event in events]
        assert kinds.index("speech") < len(kinds) - 1 - kinds[::-1].index("message.delta")


async def test_cancelling_stops_the_voice_too(tmp_path: Path) -> None:
    log = add_spoken_parts(tmp_path)
    async with open_app(load_settings()) as app:
        info = await app.agent.start("Do it slowly", thread_id="talk", options=TurnOptions(speak=True))
        async for event in app.agent.events(info.id):
            if isinstance(event.body, SpeechMade):
                break
        assert await app.agent.cancel(info.id)
        said = log.read_text()
        events = await events_of(app, info.id)
        assert events[-1].type == "run.cancelled"
        assert len(said.splitlines()) < 6
        assert log.read_text() == said


async def test_a_voice_that_breaks_costs_the_sound_and_not_the_answer(tmp_path: Path) -> None:
    add_spoken_parts(tmp_path)
    async with open_app(load_settings()) as app:
        events = await run(app, "Do cough", options=TurnOptions(speak=True))
        end = finished(events)
        assert end.answer == RULES[2]["answer"]
        assert [piece.text for piece in speech(events)] == ["This is clear enough."]
        assert any("not read aloud to its end" in what and "the voice is gone" in what for what in end.left_out)
        assert [artifact.name for artifact in end.artifacts] == ["answer.wav"]


async def test_the_answer_is_translated_clause_by_clause_and_read_in_that_language(tmp_path: Path) -> None:
    log = add_spoken_parts(tmp_path)
    async with open_app(load_settings()) as app:
        events = await run(app, "Hello", options=app.options(reply_language="German", speak=True))
        end = finished(events)
        assert end.answer == text_of(events) == ANSWER.upper()
        assert len([event for event in events if event.type == "message.delta"]) == 3
        assert [receipt.tool for receipt in end.receipts if receipt.model == "shout"] == ["translate"]
        assert "said de: SHALL WE GO?" in log.read_text()
        assert end.left_out == ("No voice for German is ready here: what is German was read with an accent.",)
        assert events[0].body.options == {"speak": True, "reply_language": "de"}


async def test_what_cannot_be_translated_is_shown_as_it_was_written(tmp_path: Path) -> None:
    add_spoken_parts(tmp_path)
    async with open_app(load_settings()) as app:
        end = finished(await run(app, "Some jargon", options=app.options(reply_language="Swahili")))
        assert end.answer == "THIS IS SIMPLE. This is untranslatable, they say. And so it ends here."
        assert any("was not translated into Swahili" in what for what in end.left_out)


async def test_a_long_file_that_was_read_in_part_is_named(tmp_path: Path) -> None:
    async with open_app(load_settings()) as app:
        long = await app.artifacts.add_bytes(b"word " * 4_000, name="long.txt", lineage=Lineage(tool="upload"))
        end = finished(await run(app, "Hello", long.id))
        assert end.left_out == ("Of long.txt, only a part was read.",)
