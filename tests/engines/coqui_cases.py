"""Coqui's library end to end on tiny random models. `test_coqui.py` runs this in a process of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_coqui import tiny_openvoice, tiny_vits, tiny_xtts

from engines.audio.coqui import CoquiVits
from engines.audio.openvoice import ConvertedSpeech, OpenVoice
from engines.audio.read import read_audio
from engines.audio.xtts import Xtts, XttsSpeech
from engines.catalog import Catalog, ModelEntry
from engines.errors import EngineError, InputError, MissingExtraError
from engines.loading import LoadContext, engine_class
from engines.progress import Cancelled, CancelToken
from engines.protocols import Audio

MEDIA = Path(__file__).parents[1] / "media"
TEXT = "The boat left early. Nobody waved."


def context(folder: Path, model_id: str, **more: Any) -> LoadContext:
    return LoadContext(Catalog.load().get(model_id), folder, **more)


@pytest.fixture(scope="session")
def reference() -> Audio:
    sound = read_audio(MEDIA / "LJ001-0002.wav", rate=24_000)
    return Audio(sound.samples[:24_000], sound.rate)  # a second: the vocoders are as large as ever


@pytest.fixture(scope="module")
def vits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vits(tmp_path_factory.mktemp("vits"))


@pytest.fixture(scope="module")
def vits(vits_folder: Path) -> CoquiVits:
    return CoquiVits(context(vits_folder, "vits-fa"))


@pytest.fixture(scope="module")
def xtts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_xtts(tmp_path_factory.mktemp("xtts"))


@pytest.fixture(scope="module")
def xtts(xtts_folder: Path) -> Xtts:
    return Xtts(context(xtts_folder, "xtts-v2"))


@pytest.fixture(scope="module")
def openvoice(tmp_path_factory: pytest.TempPathFactory) -> OpenVoice:
    return OpenVoice(context(tiny_openvoice(tmp_path_factory.mktemp("openvoice")), "openvoice-v2"))


class TestVits:
    def test_speaks(self, vits: CoquiVits) -> None:
        pieces: list[Audio] = []
        sound = vits.speak(TEXT, seed=1, on_audio=pieces.append)
        assert sound.rate == 22_050
        assert sound.seconds > 0.3
        assert np.abs(sound.samples).max() > 0.001
        assert len(pieces) == 2

    def test_the_same_seed_says_it_the_same_way(self, vits: CoquiVits) -> None:
        one, same, other = (vits.speak("hello there", seed=seed).samples for seed in (1, 1, 2))
        assert np.array_equal(one, same)
        assert not np.array_equal(one[: len(other)], other[: len(one)])

    def test_speed(self, vits: CoquiVits) -> None:
        slow, fast = (vits.speak("hello there my friend", speed=speed, seed=1).seconds for speed in (0.5, 2.0))
        assert slow > 2 * fast

    def test_several_speakers(self, tmp_path: Path) -> None:
        folder = tiny_vits(tmp_path, ("anna", "ben"))
        engine = CoquiVits(context(folder, "vits-fa"))
        assert [voice.id for voice in engine.voices] == ["anna", "ben"]
        assert CoquiVits.voices_of(Catalog.load().get("vits-fa"), folder) == engine.voices
        anna, ben = (engine.speak("hello", voice=voice, seed=1).samples for voice in ("anna", "ben"))
        assert not np.array_equal(anna, ben)
        with pytest.raises(InputError, match="No voice is called 'carl'"):
            engine.speak("hello", voice="carl")

    def test_a_config_that_names_files_of_another_machine(self, tmp_path: Path) -> None:
        folder = tiny_vits(tmp_path, ("anna", "ben"))
        config = json.loads((folder / "config.json").read_text("utf-8"))
        config["speakers"] = []
        config["speakers_file"] = config["model_args"]["speakers_file"] = "/home/trainer/run/speakers.pth"
        (folder / "config.json").write_text(json.dumps(config), "utf-8")
        import torch

        torch.save({"anna": 0, "ben": 1}, folder / "speakers.pth")
        assert [voice.id for voice in CoquiVits(context(folder, "vits-fa")).voices] == ["anna", "ben"]

    def test_cancelling(self, vits: CoquiVits) -> None:
        cancel = CancelToken()
        with pytest.raises(Cancelled):
            vits.speak(TEXT, on_audio=lambda _: cancel.set(), cancel=cancel)

    def test_bad_input(self, vits: CoquiVits) -> None:
        with pytest.raises(InputError, match="speed"):
            vits.speak("hello", speed=9)
        with pytest.raises(InputError, match="nothing in the text"):
            vits.speak("***")

    def test_broken_folders(self, vits_folder: Path, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"its folder lacks config\.json"):
            CoquiVits(context(tmp_path, "vits-fa"))
        shutil.copy(vits_folder / "config.json", tmp_path)
        with pytest.raises(EngineError, match=r"one file of weights \(\.pth\); it holds 0"):
            CoquiVits(context(tmp_path, "vits-fa"))
        (tmp_path / "model.pth").write_bytes((vits_folder / "model.pth").read_bytes()[:5000])
        with pytest.raises(EngineError, match="vits-fa can't be loaded"):
            CoquiVits(context(tmp_path, "vits-fa"))

    def test_other_kinds_of_models(self, vits_folder: Path, tmp_path: Path) -> None:
        config = json.loads((vits_folder / "config.json").read_text("utf-8")) | {"model": "glow_tts"}
        (tmp_path / "config.json").write_text(json.dumps({"model": config["model"]}), "utf-8")
        with pytest.raises(EngineError, match="is a glow_tts model"):
            CoquiVits(context(tmp_path, "vits-fa"))

    def test_a_users_own_folder(self, vits_folder: Path, tmp_path: Path) -> None:
        file = tmp_path / "catalog.toml"
        file.write_text(
            '[[model]]\nid = "mine"\ntitle = "Mine"\ncapability = "text-to-speech"\nlicence = "MIT"\n'
            'engine = "engines.audio.coqui:CoquiVits"\nextra = "coqui"\nlanguages = ["cy"]\n'
            f'snapshot = {{ folder = "{vits_folder}" }}\n',
            "utf-8",
        )
        entry = Catalog.load(file).get("mine")
        loaded = engine_class(entry)(LoadContext(entry, vits_folder))  # type: ignore[call-arg]  # engines are built like this
        assert [(voice.id, voice.language) for voice in loaded.voices] == [("mine", "cy")]  # type: ignore[attr-defined]


class TestXtts:
    def test_clones(self, xtts: Xtts, reference: Audio) -> None:
        said: list[str] = []
        made = xtts.clone(TEXT, reference, language="en", seed=1, on_progress=lambda _, message: said.append(message))
        assert (made.kind, made.similarity, made.audio.rate) == ("clone", None, 24_000)
        assert made.audio.seconds > 0.3
        assert np.abs(made.audio.samples).max() > 0.001
        assert said[0] == "listening to the voice"
        assert len(said) > 2

    def test_another_reference_gives_another_voice(self, xtts: Xtts, reference: Audio) -> None:
        other = Audio(read_audio(MEDIA / "jfk.flac").samples[:16_000], 16_000)
        one, same, two = (xtts.clone("hi", voice, seed=1).audio.samples for voice in (reference, reference, other))
        assert np.array_equal(one, same)
        assert len(one) != len(two) or not np.allclose(one, two)

    def test_languages(self, xtts: Xtts, reference: Audio) -> None:
        assert xtts.clone("hallo", reference, language="de", seed=1).audio.seconds > 0
        with pytest.raises(InputError, match=r"xtts-v2 doesn't speak Swahili.*English, Spanish, German, Chinese"):
            xtts.clone("habari", reference, language="sw")

    def test_japanese_says_what_it_needs(self, xtts: Xtts, reference: Audio) -> None:
        pytest.importorskip("TTS")
        try:
            import cutlet  # noqa: F401 # there, Japanese is simply read
        except ImportError:
            with pytest.raises(MissingExtraError, match=r"can't read Japanese here.*coqui-tts\[ja\]"):
                xtts.clone("こんにちは", reference, language="ja")

    def test_it_stops_between_two_tokens(self, xtts: Xtts, reference: Audio) -> None:
        cancel = CancelToken()
        steps = 0

        class Counting(CancelToken):
            def check(self) -> None:
                nonlocal steps
                steps += 1
                if steps > 5:
                    cancel.set()
                cancel.check()

        with pytest.raises(Cancelled):
            xtts.clone("hello", reference, cancel=Counting())
        assert xtts.clone("hello", reference).audio.seconds > 0  # and it still works

    def test_a_reference_of_nothing(self, xtts: Xtts) -> None:
        with pytest.raises(EngineError, match="can't use this reference"):
            xtts.clone("hello", Audio(np.zeros(100, np.float32), 24_000))

    def test_its_own_voices(self, xtts_folder: Path) -> None:
        engine = XttsSpeech(context(xtts_folder, "xtts-v2-voices"))
        assert [voice.id for voice in engine.voices] == ["Ana Test", "Ben Test"]
        sound = engine.speak("hola amigo", voice="Ben Test", language="es", seed=3)
        assert (sound.rate, sound.seconds > 0) == (24_000, True)

    def test_without_voices_of_its_own(self, xtts_folder: Path, tmp_path: Path) -> None:
        for name in ("config.json", "vocab.json", "model.pth"):
            (tmp_path / name).symlink_to(xtts_folder / name)
        with pytest.raises(EngineError, match=r"no voices in its folder.*speakers_xtts\.pth"):
            XttsSpeech(context(tmp_path, "xtts-v2-voices"))

    def test_what_is_missing_is_named(self, xtts_folder: Path, tmp_path: Path) -> None:
        shutil.copy(xtts_folder / "config.json", tmp_path)
        with pytest.raises(EngineError, match=r"lacks model\.pth, vocab\.json.*sensorium models pull xtts-v2"):
            Xtts(context(tmp_path, "xtts-v2"))


class TestOpenVoice:
    def test_converts(self, openvoice: OpenVoice, reference: Audio) -> None:
        done: list[float | None] = []
        sound = openvoice.convert(reference, reference, seed=1, on_progress=lambda part, _: done.append(part))
        assert sound.rate == 22_050
        assert sound.seconds == pytest.approx(reference.seconds, abs=0.02)
        assert np.abs(sound.samples).max() > 0.001
        assert done == [1.0]

    def test_stops_between_pieces(
        self, openvoice: OpenVoice, reference: Audio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("engines.audio.openvoice._PIECE_SECONDS", 0.9)
        monkeypatch.setattr("engines.audio.openvoice._SEARCH_SECONDS", 0.2)
        cancel = CancelToken()
        long = Audio(np.tile(reference.samples, 2), reference.rate)
        with pytest.raises(Cancelled):
            openvoice.convert(long, reference, on_progress=lambda *_: cancel.set(), cancel=cancel)

    def test_speech_of_another_engine_is_converted(
        self, openvoice: OpenVoice, reference: Audio, tmp_path: Path
    ) -> None:
        speaker = CoquiVits(context(tiny_vits(tmp_path), "vits-fa"))
        parts = {"text-to-speech": speaker, "voice-conversion": openvoice}
        cloning = ConvertedSpeech(context(tmp_path, "openvoice-clone", parts=parts))
        made = cloning.clone("hello there my friends", reference, language="fa", seed=1)
        assert made.kind == "clone"
        assert made.audio.seconds > 0.1
        assert "accent" in made.note

    def test_broken_weights(self, tmp_path: Path) -> None:
        (tmp_path / "converter").mkdir()
        (tmp_path / "converter" / "config.json").write_text("{}", "utf-8")
        (tmp_path / "converter" / "checkpoint.pth").write_bytes(b"no weights")
        with pytest.raises(EngineError, match="openvoice-v2 can't be loaded"):
            OpenVoice(context(tmp_path, "openvoice-v2"))


def test_every_entry_of_coquis_names_its_engine() -> None:
    entries: list[ModelEntry] = [entry for entry in Catalog.load() if entry.extra == "coqui"]
    assert len(entries) == 5
    for entry in entries:
        assert engine_class(entry).capability == entry.capability
