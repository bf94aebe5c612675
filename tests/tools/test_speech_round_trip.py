"""What is read aloud can be understood: spoken by one real model, written down by another."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from homes import scripted_app

from agent.app import App
from engines.errors import InputError
from memory.events import EventBody
from tools.audio.speak import Spoken
from tools.audio.transcribe_audio import Transcription

pytestmark = pytest.mark.models


def ignore(body: EventBody) -> None:
    """Nobody listens here."""


async def spoken_and_heard(app: App, text: str) -> tuple[Spoken, Transcription]:
    spoken = (await app.tools.run("speak", {"text": text}, call_id="1", emit=ignore)).result
    assert isinstance(spoken, Spoken)
    heard = (await app.tools.run("transcribe_audio", {"audio": spoken.audio}, call_id="2", emit=ignore)).result
    assert isinstance(heard, Transcription)
    return spoken, heard


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Good morning, everybody. The library is near the station.", "en"),
        ("Buenos días a todos. La biblioteca está cerca de la estación.", "es"),
        ("Bonjour à tous. La bibliothèque est près de la gare.", "fr"),
    ],
)
async def test_a_text_is_read_in_its_own_language(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    weights: Callable[[str], Path],
    models_dir: Path,
    text: str,
    language: str,
) -> None:
    for model in ("whisper-base", "piper-en-us-joe", "kokoro-82m"):
        weights(model)
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_MODELS_DIR", str(models_dir))
    async with scripted_app(tmp_path, []) as app:
        spoken, heard = await spoken_and_heard(app, text)
    assert (spoken.language, spoken.voice_language, heard.language) == (language, language, language)
    said, understood = (set(re.findall(r"\w+", words.lower())) for words in (text, heard.text))
    assert len(said & understood) >= 0.7 * len(said)


@pytest.fixture
async def talker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Callable[[str], Path], models_dir: Path
) -> AsyncIterator[App]:
    pytest.importorskip("piper", reason="the extra `speech` is not installed")
    for model in ("piper-en-us-joe", "kokoro-82m"):
        weights(model)
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_MODELS_DIR", str(models_dir))
    async with scripted_app(tmp_path, []) as app:
        yield app


async def said(app: App, **args: Any) -> Spoken:
    result = (await app.tools.run("speak", args, call_id="1", emit=ignore)).result
    assert isinstance(result, Spoken)
    return result


async def test_a_voice_in_words(talker: App) -> None:
    spoken = await said(talker, text="The kettle is on the stove, and the tea is ready.", voice="British female")
    assert (spoken.voice, spoken.voice_language) == ("bf_emma", "en")
    assert "by Emma (British, female)" in spoken.summary()


async def test_a_named_voice_brings_its_language_and_its_model(talker: App) -> None:
    short = await said(talker, text="Hola", voice="ef_dora")
    assert (short.voice, short.language) == ("ef_dora", "es")
    english = await said(talker, text="The doors of the museum are closed on Mondays.", voice="ef_dora")
    assert (english.language, english.voice_language) == ("en", "es")
    assert english.summary().endswith("The voice is Spanish, so the English has an accent.")


async def test_a_number_has_no_language(talker: App) -> None:
    assert (await said(talker, text="42")).language == "en"


async def test_voices_that_are_not_there(talker: App) -> None:
    with pytest.raises(InputError, match=r"No voice is called or described by 'Martian'.*British female"):
        await said(talker, text="Hello there.", voice="Martian")
    with pytest.raises(InputError, match=r"'British female'.*American male"):
        await said(talker, text="Hello there.", voice="British female", model="piper-en-us-joe")
