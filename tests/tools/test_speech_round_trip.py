"""What is read aloud can be understood: spoken by one real model, written down by another."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from homes import scripted_app

from agent.app import App
from memory.events import EventBody
from tools.audio import Spoken, Transcription

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
