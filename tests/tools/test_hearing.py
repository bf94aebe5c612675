"""Recordings and videos of every kind through the tools: what is heard, and what is said when nothing can be."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from homes import scripted_app
from recordings import JFK, MEDIA, recorded, silent_video

from agent.app import App
from engines.audio.read import read_audio, write_wav
from engines.errors import InputError, MediaError
from engines.protocols import Audio
from memory.artifact_types import Lineage
from memory.events import EventBody, ToolProgress
from tools.audio.detect_speech import SpeechFound
from tools.audio.transcribe_audio import Transcription

COUNTRY = "ask what you can do for your country"


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models_dir: Path) -> AsyncIterator[App]:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("SENSORIUM_HOME", str(home))
    monkeypatch.setenv("SENSORIUM_MODELS_DIR", str(models_dir))
    async with scripted_app(home, []) as app:
        yield app


async def taken_in(app: App, path: Path, name: str = "") -> str:
    return (await app.artifacts.add_file(path, name=name or path.name, lineage=Lineage(tool="upload"))).id


async def run(app: App, tool: str, emit: Callable[[EventBody], None] = lambda _: None, **args: Any) -> Any:
    return (await app.tools.run(tool, args, call_id="1", emit=emit)).result


@pytest.fixture
def heard(weights: Callable[[str], Path]) -> None:
    """Skips without Whisper."""
    weights("whisper-base")


def noise(path: Path, seconds: float, rate: int, loudness: float = 0.0) -> Path:
    write_wav(Audio(np.full(max(1, round(seconds * rate)), loudness, np.float32), rate), path)
    return path


@pytest.mark.models
@pytest.mark.usefixtures("heard")
class TestTranscribing:
    async def test_a_browser_s_recording(self, app: App, tmp_path: Path) -> None:
        found = await run(
            app, "transcribe_audio", audio=await taken_in(app, recorded(tmp_path / "r.webm", "libopus", form="webm"))
        )
        assert isinstance(found, Transcription)
        assert COUNTRY in found.text
        assert found.subtitles is None

    async def test_a_video_with_words_and_subtitles(self, app: App, tmp_path: Path) -> None:
        events: list[EventBody] = []
        video = await taken_in(app, recorded(tmp_path / "Speech.mp4", "aac", rate=44_100, picture=True))
        found = await run(app, "transcribe_audio", events.append, video=video, subtitles="vtt", words=True)
        assert COUNTRY in found.text
        words = [word for segment in found.segments for word in segment.words]
        assert words[-1].text == "country."
        assert all(before.start <= after.start for before, after in itertools.pairwise(words))
        saved = await app.artifacts.get(found.subtitles)
        assert (saved.name, saved.kind) == ("Speech.vtt", "text")
        assert (await app.artifacts.path(saved.id)).read_text("utf-8").startswith("WEBVTT\n\n00:00:00.000 --> ")
        written = "".join(event.text for event in events if isinstance(event, ToolProgress))
        assert written.split() == found.text.split(), "the text grows while it is written"

    async def test_of_two_sound_tracks_the_first(self, app: App, tmp_path: Path) -> None:
        path = recorded(tmp_path / "two.mp4", "aac", picture=True, sources=(MEDIA / "LJ001-0002.wav", JFK))
        found = await run(app, "transcribe_audio", video=await taken_in(app, path))
        assert "modern" in found.text
        assert "country" not in found.text

    async def test_half_a_recording_under_a_wrong_name(self, app: App, tmp_path: Path) -> None:
        whole = recorded(tmp_path / "r.mp3", "libmp3lame", rate=44_100, layout="stereo").read_bytes()
        (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
        found = await run(app, "transcribe_audio", audio=await taken_in(app, tmp_path / "cut", "holiday.wav"))
        assert "Americans" in found.text

    @pytest.mark.parametrize(("seconds", "rate"), [(0.01, 8_000), (2.0, 96_000)], ids=["10 ms", "silence"])
    async def test_nothing_to_hear(self, app: App, tmp_path: Path, seconds: float, rate: int) -> None:
        audio = await taken_in(app, noise(tmp_path / "n.wav", seconds, rate))
        found = await run(app, "transcribe_audio", audio=audio, subtitles="srt")
        assert (found.text, found.subtitles) == ("", None)
        assert found.summary() == "Nobody speaks in the recording."

    async def test_a_cancel_stops_the_writing(self, app: App, tmp_path: Path) -> None:
        speech = read_audio(JFK)
        write_wav(Audio(np.tile(speech.samples, 12), speech.rate), tmp_path / "long.wav")
        audio = await taken_in(app, tmp_path / "long.wav")
        working, fractions = asyncio.Event(), [0.0]

        def emit(body: EventBody) -> None:
            if isinstance(body, ToolProgress):
                fractions.append(body.fraction or 0.0)
                if body.text:
                    working.set()

        task = asyncio.create_task(run(app, "transcribe_audio", emit, audio=audio))
        await working.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await app.controller.close()  # waits for the engine's thread
        assert max(fractions) < 0.8


class TestDetecting:
    async def test_speech_in_a_video(self, app: App, tmp_path: Path) -> None:
        video = await taken_in(app, recorded(tmp_path / "clip.mp4", "aac", rate=44_100, picture=True))
        found = await run(app, "detect_speech", video=video)
        assert isinstance(found, SpeechFound)
        assert len(found.spans) >= 3
        assert found.seconds == pytest.approx(11.0, abs=0.2)

    @pytest.mark.parametrize("tool", ["detect_speech", "transcribe_audio"])
    async def test_a_video_without_sound_is_named(self, app: App, tmp_path: Path, tool: str) -> None:
        video = await taken_in(app, silent_video(tmp_path / "mute.mp4"))
        with pytest.raises(MediaError, match=r"mute\.mp4 has no sound.*a video with a sound track"):
            await run(app, tool, video=video)

    async def test_exactly_one_source(self, app: App) -> None:
        with pytest.raises(InputError, match="audio or video"):
            await run(app, "detect_speech")
        with pytest.raises(InputError, match="not both"):
            await run(app, "transcribe_audio", audio="a", video="b")
