"""Whose voice it is: the speaker encoder, the closest ready-made voice, what a reference must hold, and the mark."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from engines.audio.closest import ClosestVoice, voice_embeddings
from engines.audio.marking import add_info, mark_cloned, mark_spoken
from engines.audio.mels import mel_power
from engines.audio.read import read_audio, write_wav
from engines.audio.reference import joined_speech, voice_sample
from engines.audio.speakers import Resemblyzer
from engines.catalog import Catalog
from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import Audio, Span, Voice

MEDIA = Path(__file__).parents[1] / "media"
DATA = Path(__file__).parents[2] / "engines" / "data" / "resemblyzer"


@pytest.fixture(scope="module")
def encoder() -> Resemblyzer:
    return Resemblyzer(LoadContext(Catalog.load().get("resemblyzer"), DATA))


@pytest.fixture(scope="module")
def jfk() -> Audio:
    return read_audio(MEDIA / "jfk.flac")


@pytest.fixture(scope="module")
def woman() -> Audio:
    return read_audio(MEDIA / "LJ001-0002.wav")


class TestMels:
    def test_they_are_librosas(self, jfk: Audio) -> None:
        librosa = pytest.importorskip("librosa", reason="librosa is not installed (coqui-tts brings it)")
        theirs = librosa.feature.melspectrogram(y=jfk.samples, sr=16_000, n_fft=400, hop_length=160, n_mels=40).T
        ours = mel_power(jfk.samples)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() < 1e-6 * theirs.max()

    def test_a_tone_is_in_one_band(self) -> None:
        tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
        bands = mel_power(tone).mean(0)
        assert bands.argmax() == 13  # 0 to 8 kHz are 45 mel, so 40 bands are 1.1 mel apart; 1 kHz is 15 mel
        assert np.sort(bands)[:-3].sum() < 0.05 * bands.sum()

    def test_long_sounds_go_in_blocks(self) -> None:
        sound = np.random.default_rng(0).normal(size=16_000 * 61).astype(np.float32)
        assert np.allclose(mel_power(sound)[:100], mel_power(sound[:17_000])[:100])
        assert mel_power(sound).shape == (6101, 40)


class TestEncoder:
    def test_one_person_sounds_alike_and_two_do_not(self, encoder: Resemblyzer, jfk: Audio, woman: Audio) -> None:
        half = len(jfk.samples) // 2
        first, second = (encoder.embed(Audio(part, 16_000)) for part in (jfk.samples[:half], jfk.samples[half:]))
        other = encoder.embed(woman)
        assert float(first @ second) > 0.75
        assert max(float(first @ other), float(second @ other)) < 0.55

    def test_what_it_gives(self, encoder: Resemblyzer, jfk: Audio) -> None:
        vector = encoder.embed(jfk)
        assert (vector.shape, vector.dtype) == ((256,), np.float32)
        assert np.linalg.norm(vector) == pytest.approx(1)
        assert vector.min() >= 0

    def test_rate_and_loudness_hardly_matter(self, encoder: Resemblyzer, jfk: Audio) -> None:
        usual = encoder.embed(jfk)
        finer = encoder.embed(read_audio(MEDIA / "jfk.flac", rate=44_100))
        softer = encoder.embed(Audio(jfk.samples * np.float32(0.1), 16_000))
        assert float(usual @ finer) > 0.99
        assert float(usual @ softer) > 0.97

    def test_pauses_hardly_matter(self, encoder: Resemblyzer, jfk: Audio) -> None:
        padded = np.concatenate([np.zeros(48_000, np.float32), jfk.samples, np.zeros(80_000, np.float32)])
        assert float(encoder.embed(jfk) @ encoder.embed(Audio(padded, 16_000))) > 0.98

    @pytest.mark.parametrize("kind", ["empty", "silence", "noise", "music"])
    def test_nobody_speaks(self, encoder: Resemblyzer, kind: str) -> None:
        with pytest.raises(InputError, match="Nobody speaks"):
            encoder.embed(without_speech(kind))

    def test_a_word_is_enough(self, encoder: Resemblyzer, jfk: Audio) -> None:
        word = encoder.embed(Audio(jfk.samples[: int(1.2 * 16_000)], 16_000))
        assert float(word @ encoder.embed(jfk)) > 0.6

    def test_cancelling(self, encoder: Resemblyzer, jfk: Audio) -> None:
        cancel = CancelToken()
        with pytest.raises(Cancelled):
            encoder.embed(Audio(np.tile(jfk.samples, 6), 16_000), on_progress=lambda *_: cancel.set(), cancel=cancel)

    def test_a_broken_file(self, tmp_path: Path) -> None:
        (tmp_path / "speaker_encoder.onnx").write_bytes(b"nothing")
        with pytest.raises(EngineError, match="resemblyzer can't be loaded"):
            Resemblyzer(LoadContext(Catalog.load().get("resemblyzer"), tmp_path))


def without_speech(kind: str) -> Audio:
    count = 3 * 16_000
    times = np.arange(count) / 16_000
    samples = {
        "empty": np.zeros(0),
        "silence": np.zeros(count),
        "noise": np.random.default_rng(0).normal(size=count) * 0.05,
        "music": sum(np.sin(2 * np.pi * pitch * times) for pitch in (220, 277, 330)) * 0.1,
    }[kind]
    return Audio(np.asarray(samples, np.float32), 16_000)


class TestReference:
    def sound(self, seconds: float) -> Audio:
        return Audio(np.full(round(seconds * 1000), 0.1, np.float32), 1000)

    def test_pauses_are_cut_short(self) -> None:
        sample, note = voice_sample(self.sound(20), [Span(1, 5), Span(10, 14)])
        assert sample.seconds == pytest.approx(8.1)
        assert not note

    def test_a_short_one_is_used_and_said_to_be_short(self) -> None:
        sample, note = voice_sample(self.sound(20), [Span(1, 3.5)])
        assert sample.seconds == pytest.approx(2.5)
        assert note == "The reference holds 2.5 s of speech; 6 s or more give a better likeness."

    def test_a_long_one_is_cut(self) -> None:
        sample, note = voice_sample(self.sound(800), [Span(0, 200), Span(300, 500), Span(600, 800)])
        assert sample.seconds == pytest.approx(300.1)
        assert note == "Only the first 5 minutes of speech were used."

    def test_too_little_speech(self) -> None:
        with pytest.raises(InputError, match=r"only 0\.8 s of speech in the reference.*at least 1 s, better 6 s"):
            voice_sample(self.sound(20), [Span(1, 1.8)])

    def test_no_speech(self) -> None:
        with pytest.raises(InputError, match="it is music or noise"):
            voice_sample(self.sound(20), [])

    @pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(9000), np.full(9000, 5e-4)])
    def test_silence(self, samples: Any) -> None:
        with pytest.raises(InputError, match="is silent"):
            voice_sample(Audio(samples.astype(np.float32), 1000), [])

    def test_the_speech_alone(self) -> None:
        sound = Audio(np.arange(10, dtype=np.float32), 1)
        assert joined_speech(sound, [Span(1, 3), Span(5, 6)]).samples.tolist() == [1, 2, 5]
        assert not len(joined_speech(sound, []).samples)


class SpeakerOf:
    """Stands for a `TextToSpeech`: its voices are names, and what it says is the recording it was given."""

    capability = "text-to-speech"

    def __init__(self, said: Audio, *voices: str) -> None:
        languages = {"a": "en", "b": "en", "e": "es", "j": "ja"}
        self.voices = tuple(Voice(name, name[3:].title(), languages[name[0]]) for name in voices)
        self.said = said
        self.asked: dict[str, Any] = {}

    def speak(self, text: str, **how: Any) -> Audio:
        self.asked = how
        return self.said

    def close(self) -> None: ...


class TestClosestVoice:
    def engine(self, encoder: Resemblyzer, speaker: SpeakerOf) -> ClosestVoice:
        parts = {"speaker-embedding": encoder, "text-to-speech": speaker}
        return ClosestVoice(LoadContext(Catalog.load().get("closest-voice"), Path(), parts=parts))

    def test_every_voice_of_kokoros_is_known(self) -> None:
        known = voice_embeddings()
        files = [file.name for file in Catalog.load().get("kokoro-82m").files if file.name.startswith("voices/")]
        assert {Path(name).stem for name in files} <= set(known)
        assert len(known) == 54
        assert all(np.linalg.norm(vector) == pytest.approx(1) for vector in known.values())

    def test_women_sound_like_women_and_men_like_men(self) -> None:
        """Each voice's neighbour among the others is mostly of its own sex: the second letter of the name."""
        known = voice_embeddings()
        names = list(known)
        cosines = np.stack([*known.values()]) @ np.stack([*known.values()]).T - 2 * np.eye(len(names))
        alike = [names[i][1] == names[int(row.argmax())][1] for i, row in enumerate(cosines)]
        assert np.mean(alike) > 0.85

    def test_a_mans_voice_for_a_man_and_a_womans_for_a_woman(
        self, encoder: Resemblyzer, jfk: Audio, woman: Audio
    ) -> None:
        speaker = SpeakerOf(jfk, "af_heart", "am_michael", "bf_emma", "bm_george", "ef_dora", "em_alex")
        engine = self.engine(encoder, speaker)
        for language in ("en", "es", None):
            assert engine.closest(encoder.embed(jfk), language).id[1] == "m"
            assert engine.closest(encoder.embed(woman), language).id[1] == "f"

    def test_what_it_says_of_itself(self, encoder: Resemblyzer, jfk: Audio) -> None:
        speaker = SpeakerOf(jfk, "af_heart", "am_michael", "ef_dora")
        made = self.engine(encoder, speaker).clone("Hello.", jfk, language="en", speed=1.1)
        assert made.kind == "closest-voice"
        assert made.note == "Closest available voice (Michael), not a clone."
        assert made.similarity == pytest.approx(1, abs=1e-5)  # what was "spoken" here is the reference itself
        assert (speaker.asked["voice"], speaker.asked["language"], speaker.asked["speed"]) == ("am_michael", "en", 1.1)

    def test_a_language_that_none_speaks(self, encoder: Resemblyzer, jfk: Audio) -> None:
        engine = self.engine(encoder, SpeakerOf(jfk, "am_michael", "ef_dora", "jf_alpha"))
        for language in ("de", "ja"):  # Kokoro has Japanese voices, but nothing that reads Japanese for them
            with pytest.raises(InputError, match=r"No voice here speaks \w+\. Languages: English, Spanish\."):
                engine.clone("Hallo.", jfk, language=language)

    def test_a_speaker_whose_voices_nobody_knows(self, encoder: Resemblyzer, jfk: Audio) -> None:
        with pytest.raises(EngineError, match="known for Kokoro's voices only"):
            self.engine(encoder, SpeakerOf(jfk, "am_nobody"))

    def test_a_result_too_short_to_tell(self, encoder: Resemblyzer, jfk: Audio) -> None:
        speaker = SpeakerOf(Audio(np.zeros(100, np.float32), 24_000), "am_michael")
        assert 0.3 < (self.engine(encoder, speaker).clone("Oh.", jfk, language="en").similarity or 0) < 0.9

    @pytest.mark.models
    def test_with_kokoro(self, encoder: Resemblyzer, jfk: Audio, weights: Callable[[str], Path]) -> None:
        pytest.importorskip("piper", reason="the extra `speech` is not installed")
        from engines.audio.kokoro import Kokoro

        kokoro = Kokoro(LoadContext(Catalog.load().get("kokoro-82m"), weights("kokoro-82m")))
        parts = {"speaker-embedding": encoder, "text-to-speech": kokoro}
        engine = ClosestVoice(LoadContext(Catalog.load().get("closest-voice"), Path(), parts=parts))
        made = engine.clone("Ask what you can do for your country.", jfk, language="en")
        assert made.audio.seconds > 1
        assert made.similarity is not None
        # The figures that were stored are those of the voices as they speak now.
        voice = engine.closest(encoder.embed(jfk), "en")
        assert float(encoder.embed(made.audio) @ voice_embeddings()[voice.id]) > 0.75


class TestMarking:
    def wav(self, folder: Path, samples: int = 1001) -> Path:
        path = folder / "speech.wav"
        write_wav(Audio(np.linspace(-0.5, 0.5, samples, dtype=np.float32), 24_000), path)
        return path

    def info(self, path: Path) -> dict[str, str]:
        with av.open(str(path)) as file:
            return dict(file.metadata)

    def test_players_can_read_it(self, tmp_path: Path) -> None:
        path = self.wav(tmp_path)
        mark_cloned(path, "xtts-v2")
        assert self.info(path) == {
            "encoder": "Sensorium (synthetic speech)",
            "comment": "synthetic speech, voice cloned by xtts-v2 with consent",
        }

    def test_speech_that_is_no_clone(self, tmp_path: Path) -> None:
        path = self.wav(tmp_path)
        mark_spoken(path, "kokoro-82m")
        assert self.info(path)["comment"] == "synthetic speech by kokoro-82m"

    @pytest.mark.parametrize("samples", [1000, 1001])
    def test_the_sound_stays_as_it_was(self, tmp_path: Path, samples: int) -> None:
        path = self.wav(tmp_path, samples)
        before = read_audio(path, rate=24_000).samples
        add_info(path, software="an odd name", comment="odd")
        assert np.array_equal(read_audio(path, rate=24_000).samples, before)
        with wave.open(str(path)) as file:
            assert file.getnframes() == samples
        size = int.from_bytes(path.read_bytes()[4:8], "little")
        assert size == path.stat().st_size - 8

    def test_only_wav_files(self, tmp_path: Path) -> None:
        path = tmp_path / "sound.flac"
        path.write_bytes(b"fLaC" + bytes(20))
        with pytest.raises(ValueError, match="is no WAV file"):
            mark_spoken(path, "x")
        assert path.read_bytes() == b"fLaC" + bytes(20)
