"""Cloning and converting voices: permission, the reference, what is said of the result, and what the file says."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from echo_voice import add_echo_voices
from elevenlabs_stand_in import KEY, stand_in
from homes import MEDIA
from scripted_chat import write_script

from agent.app import App, open_app
from agent.settings import load_settings
from engines.audio.read import write_wav
from engines.errors import ConsentError, InputError, MissingExtraError, MissingSettingError
from engines.protocols import Audio
from memory.artifact_types import Lineage
from memory.events import EventBody
from tools.audio.clone_voice import ClonedVoice, clone_voice
from tools.audio.convert_voice import ConvertedVoice, convert_voice
from tools.registry import Outcome
from tools.types import Danger


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models_dir: Path) -> AsyncIterator[App]:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_MODELS_DIR", str(models_dir))
    monkeypatch.delenv("SENSORIUM_ELEVENLABS_KEY", raising=False)
    write_script(tmp_path, [])
    add_echo_voices(tmp_path)
    async with open_app(load_settings()) as opened:
        yield opened


async def given(app: App, sound: Path | Audio, name: str = "voice.wav") -> str:
    """A recording of ``tests/media``, or samples, as an attachment."""
    if isinstance(sound, Audio):
        buffer = Path(app.settings.home, name)
        write_wav(sound, buffer)
        sound = buffer
    return (await app.artifacts.add_file(sound, name=sound.name, lineage=Lineage(tool="upload"))).id


async def run(app: App, tool: str, heard: list[EventBody] | None = None, **args: Any) -> Outcome:
    emit = heard.append if heard is not None else (lambda body: None)
    return await app.tools.run(tool, args, call_id="1", emit=emit)


async def file_info(app: App, artifact: str) -> dict[str, str]:
    with av.open(io.BytesIO((await app.artifacts.path(artifact)).read_bytes())) as file:
        return dict(file.metadata)


def files_with(folder: Path, what: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and what in path.read_bytes()]


def log_of(app: App) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(app.settings.home, "echo.jsonl").read_text("utf-8").splitlines()]


class TestConsent:
    def test_planners_neither_see_nor_set_it(self) -> None:
        for tool in (clone_voice, convert_voice):
            assert tool.danger is Danger.CONSENT
            assert not tool.is_planned("consent")
            assert "consent" not in tool.required
        assert clone_voice.required == {"text", "reference"}
        assert convert_voice.required == {"source", "reference"}

    @pytest.mark.parametrize("consent", [{}, {"consent": False}])
    async def test_nothing_happens_without_it(self, app: App, consent: dict[str, bool]) -> None:
        jfk = await given(app, MEDIA / "jfk.flac")
        heard: list[EventBody] = []
        for tool, args in (("clone_voice", {"text": "Hello."}), ("convert_voice", {"source": jfk})):
            with pytest.raises(ConsentError, match="needs the speaker's permission") as caught:
                await run(app, tool, heard, reference=jfk, **args, **consent)
            assert caught.value.fix.startswith("Say that you have it")
        assert not any(body.type in ("model.loading", "tool.artifact") for body in heard)


class TestCloning:
    async def test_a_clone(self, app: App) -> None:
        jfk = await given(app, MEDIA / "jfk.flac")
        outcome = await run(
            app, "clone_voice", text="Good morning, everybody.", reference=jfk, consent=True, seed=5, model="echo-clone"
        )
        result = outcome.result
        assert isinstance(result, ClonedVoice)
        assert (result.kind, result.model, result.language) == ("clone", "echo-clone", "en")
        assert result.similarity is not None
        assert result.similarity > 0.95  # the echo is the reference itself
        assert result.summary().startswith("The text was read aloud in a clone of the voice in the recording; ")
        assert f"Likeness to the recording: {result.similarity:.2f}" in result.summary()
        assert log_of(app) == [
            {
                "text": "Good morning, everybody.",
                "seconds": log_of(app)[0]["seconds"],
                "rate": 24_000,
                "language": "en",
                "speed": 1.0,
                "seed": 5,
            }
        ]
        assert {receipt.model for receipt in outcome.receipts} >= {"echo-clone", "resemblyzer"}

    async def test_the_file_and_its_lineage_say_what_it_is(self, app: App) -> None:
        jfk = await given(app, MEDIA / "jfk.flac")
        result = (await run(app, "clone_voice", text="Hello.", reference=jfk, consent=True, model="echo-clone")).result
        assert isinstance(result, ClonedVoice)
        info = await file_info(app, result.audio)
        assert info["comment"] == "synthetic speech, voice cloned by echo-clone with consent"
        assert "synthetic speech" in info["encoder"]
        lineage = await app.artifacts.lineage(result.audio)
        assert lineage.args["consent"] is True
        assert lineage.parents == (jfk,)
        assert "echo-clone" in {model["id"] for model in lineage.models}

    async def test_a_language_brings_the_model_that_speaks_it(self, app: App) -> None:
        jfk = await given(app, MEDIA / "jfk.flac")
        result = (await run(app, "clone_voice", text="Guten Morgen, liebe Leute!", reference=jfk, consent=True)).result
        assert isinstance(result, ClonedVoice)
        assert (result.model, result.language) == ("echo-clone", "de")

    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            (np.zeros(48_000), "is silent"),
            (np.sin(np.arange(48_000) / 9) * 0.2, "it is music or noise"),
            (np.random.default_rng(0).normal(size=48_000) * 0.05, "it is music or noise"),
        ],
    )
    async def test_references_that_hold_no_voice(self, app: App, samples: Any, message: str) -> None:
        sound = await given(app, Audio(samples.astype(np.float32), 16_000))
        with pytest.raises(InputError, match=message):
            await run(app, "clone_voice", text="Hello.", reference=sound, consent=True, model="echo-clone")

    async def test_a_picture_is_no_reference(self, app: App) -> None:
        photo = await given(app, MEDIA / "chelsea.jpg")
        with pytest.raises(InputError):
            await run(app, "clone_voice", text="Hello.", reference=photo, consent=True)

    async def test_what_a_model_lacks_is_said(self, app: App) -> None:
        jfk = await given(app, MEDIA / "jfk.flac")
        with pytest.raises(MissingSettingError, match="SENSORIUM_ELEVENLABS_KEY"):
            await run(app, "clone_voice", text="Hello.", reference=jfk, consent=True, model="elevenlabs-clone")
        with pytest.raises(MissingExtraError, match=r"torchaudio.*pip install 'sensorium\[coqui\]'"):
            await run(app, "clone_voice", text="Hello.", reference=jfk, consent=True, model="xtts-v2")

    @pytest.mark.models
    async def test_the_embedded_stand_in_says_that_it_is_none(self, app: App, weights: Callable[[str], Path]) -> None:
        pytest.importorskip("piper", reason="the extra `speech` is not installed")
        weights("kokoro-82m")
        jfk = await given(app, MEDIA / "jfk.flac")
        outcome = await run(
            app, "clone_voice", text="Good morning.", reference=jfk, consent=True, model="closest-voice"
        )
        result = outcome.result
        assert isinstance(result, ClonedVoice)
        assert result.kind == "closest-voice"
        assert "not a clone" in result.summary()
        assert result.similarity is not None
        assert (await file_info(app, result.audio))["comment"] == "synthetic speech by closest-voice"


class TestElevenLabs:
    """Over a stand-in on this machine that speaks the service's API."""

    ENTRY = """
[[model]]
id = "elevenlabs-here"
title = "ElevenLabs"
capability = "voice-cloning"
engine = "engines.audio.elevenlabs:ElevenLabsCloning"
licence = "proprietary service"
extra = "elevenlabs"
setting = "elevenlabs_key"
remote = true
options = {{ base_url = "{url}" }}
"""

    async def test_the_key_goes_nowhere_but_to_the_service(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        pytest.importorskip("elevenlabs", reason="the extra `elevenlabs` is not installed")
        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
        monkeypatch.setenv("SENSORIUM_ELEVENLABS_KEY", KEY)
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        heard: list[EventBody] = []
        with stand_in() as service:
            write_script(tmp_path, [])
            catalog = tmp_path / "catalog.toml"
            catalog.write_text(catalog.read_text("utf-8") + self.ENTRY.format(url=service.url), "utf-8")
            async with open_app(load_settings()) as app:
                jfk = await given(app, MEDIA / "jfk.flac")
                args: dict[str, Any] = {"text": "Good morning.", "reference": jfk, "consent": True}
                outcome = await run(app, "clone_voice", heard, model="elevenlabs-here", **args)
                service.failures["speak"] = (401, {"status": "invalid_api_key", "message": f"What is {KEY}?"})
                with pytest.raises(MissingSettingError) as refused:
                    await run(app, "clone_voice", heard, model="elevenlabs-here", **args)
                lineage = await app.artifacts.lineage(outcome.artifacts[0].id)
            assert service.names() == ["add", "speak", "delete", "add", "speak", "delete"]
            assert not service.cloned
        told = [body.model_dump_json() for body in heard] + [receipt.model_dump_json() for receipt in outcome.receipts]
        said = " ".join([*told, lineage.model_dump_json(), str(refused.value), caplog.text])
        assert "elevenlabs-here" in said
        assert KEY not in said
        assert not files_with(tmp_path, KEY.encode())


class TestConverting:
    async def test_a_recording_in_another_voice(self, app: App) -> None:
        jfk, woman = await given(app, MEDIA / "jfk.flac"), await given(app, MEDIA / "LJ001-0002.wav")
        outcome = await run(app, "convert_voice", source=jfk, reference=woman, consent=True, seed=3)
        result = outcome.result
        assert isinstance(result, ConvertedVoice)
        assert result.model == "echo-conversion"
        assert result.note.startswith("The reference holds 1.")
        assert "now sounds like the other voice" in result.summary()
        (seen,) = log_of(app)
        assert (seen["source"], seen["seed"]) == (11.0, 3)
        assert (await file_info(app, result.audio))["comment"].endswith("voice cloned by echo-conversion with consent")
        assert (await app.artifacts.lineage(result.audio)).parents == (jfk, woman)
