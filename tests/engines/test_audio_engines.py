"""Hearing and speaking with the embedded models, and what a voice is given to read."""

import builtins
import itertools
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.audio import whisper as whisper_engine
from engines.audio.piper import Piper
from engines.audio.read import read_audio
from engines.audio.speakable import pieces, speakable
from engines.audio.vad import SileroVad
from engines.audio.whisper import FasterWhisper
from engines.catalog import Catalog, ModelEntry
from engines.errors import EngineError, InputError, MissingExtraError
from engines.loading import LoadContext, engine_class
from engines.progress import NEVER, Cancelled, CancelToken
from engines.protocols import Audio, Segment, Span, Transcript

MEDIA = Path(__file__).parents[1] / "media"
JFK = "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country."


def context(model_id: str, folder: Path) -> LoadContext:
    return LoadContext(Catalog.load().get(model_id), folder)


def silence(seconds: float) -> Audio:
    return Audio(np.zeros(int(seconds * 16_000), np.float32), 16_000)


def words(text: str) -> list[str]:
    return [word.strip(".,!?;:").lower() for word in text.split()]


def word_errors(said: str, heard: str) -> float:
    """Word error rate: edits by which ``heard`` differs, per word of ``said``."""
    first, second = words(said), words(heard)
    row = list(range(len(second) + 1))
    for number, word in enumerate(first, 1):
        above, row = row, [number]
        for column, other in enumerate(second, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (word != other)))
    return row[-1] / len(first)


def tripping(
    when: Callable[[int], bool],
) -> tuple[CancelToken, list[float | None], Callable[[float | None, str], None]]:
    """A token that is set by the progress callback once ``when(number of reports)`` holds."""
    token, reports = CancelToken(), []

    def on_progress(fraction: float | None, message: str) -> None:
        reports.append(fraction)
        if when(len(reports)):
            token.set()

    return token, reports, on_progress


@pytest.fixture(scope="module")
def detector() -> SileroVad:
    return SileroVad(context("silero-vad", Path()))


@pytest.fixture(scope="module")
def whisper(weights: Callable[[str], Path]) -> FasterWhisper:
    return FasterWhisper(context("whisper-base", weights("whisper-base")))


@pytest.fixture(scope="module")
def kennedy(whisper: FasterWhisper) -> Transcript:
    return whisper.transcribe(read_audio(MEDIA / "jfk.flac"))


@pytest.fixture(scope="module")
def piper(weights: Callable[[str], Path]) -> Piper:
    pytest.importorskip("piper", reason="the extra `speech` is not installed")
    return Piper(context("piper-en-us-joe", weights("piper-en-us-joe")))


def test_the_catalog_names_these_engines() -> None:
    catalog = Catalog.load()
    for model_id, engine in {"silero-vad": SileroVad, "whisper-base": FasterWhisper, "piper-en-us-joe": Piper}.items():
        assert engine_class(catalog.get(model_id)) is engine
        assert engine.capability == catalog.get(model_id).capability


class TestVoiceActivity:
    def test_speech_is_found_where_it_is(self, detector: SileroVad) -> None:
        speech = read_audio(MEDIA / "LJ001-0002.wav")
        padded = np.concatenate([silence(2.0).samples, speech.samples, silence(3.0).samples])
        (span,) = detector.detect(Audio(padded, 16_000))
        assert span.start == pytest.approx(2.0, abs=0.3)
        assert span.end == pytest.approx(2.0 + speech.seconds, abs=0.3)

    def test_pauses_between_sentences_part_the_spans(self, detector: SileroVad) -> None:
        spans = detector.detect(read_audio(MEDIA / "jfk.flac"))
        assert len(spans) >= 3
        assert all(before.end < after.start for before, after in itertools.pairwise(spans))

    def test_any_rate_will_do(self, detector: SileroVad) -> None:
        (span,) = detector.detect(read_audio(MEDIA / "LJ001-0002.wav", rate=44_100))
        assert 1.0 < span.end - span.start < 2.0

    def test_silence_noise_and_nothing_hold_no_speech(self, detector: SileroVad) -> None:
        noise = Audio(np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32), 16_000)
        assert [detector.detect(sound) for sound in (silence(3.0), silence(0.0), noise)] == [(), (), ()]

    def test_speech_across_the_cut_of_a_long_recording_is_one_span(self, detector: SileroVad) -> None:
        speech = read_audio(MEDIA / "LJ001-0002.wav").samples
        reports: list[float | None] = []
        long = np.concatenate([silence(299.0).samples, speech, silence(10.0).samples])
        spans = detector.detect(Audio(long, 16_000), on_progress=lambda fraction, _: reports.append(fraction))
        assert len(spans) == 1
        assert spans[0].start == pytest.approx(299.1, abs=0.3)
        assert spans[0].end == pytest.approx(300.8, abs=0.4)
        assert len(reports) == 2
        assert reports[-1] == 1.0

    def test_it_stops_when_nobody_waits(self, detector: SileroVad) -> None:
        token, reports, on_progress = tripping(lambda count: count == 1)
        with pytest.raises(Cancelled):
            detector.detect(silence(700.0), on_progress=on_progress, cancel=token)
        assert len(reports) == 1


@pytest.mark.models
class TestSpeechToText:
    def test_it_writes_down_what_is_said(self, kennedy: Transcript) -> None:
        assert word_errors(JFK, kennedy.text) <= 0.1

    def test_it_knows_the_language(self, kennedy: Transcript) -> None:
        assert kennedy.language == "en"
        assert kennedy.probability > 0.8

    def test_segments_say_when(self, kennedy: Transcript) -> None:
        assert " ".join(segment.text for segment in kennedy.segments) == kennedy.text
        assert all(0 <= segment.start < segment.end <= 11.1 for segment in kennedy.segments)

    def test_times_count_the_silence_before(self, whisper: FasterWhisper) -> None:
        speech = read_audio(MEDIA / "LJ001-0002.wav")
        late = Audio(np.concatenate([silence(20.0).samples, speech.samples]), 16_000)
        transcript = whisper.transcribe(late)
        assert "comparatively modern" in transcript.text
        assert transcript.segments[0].start > 19

    @pytest.mark.parametrize("loudness", [0.0, 0.1], ids=["silence", "noise"])
    def test_no_words_are_made_up(self, whisper: FasterWhisper, loudness: float) -> None:
        sound = np.random.default_rng(0).normal(0, loudness, 16_000 * 8).astype(np.float32)
        transcript = whisper.transcribe(Audio(sound, 16_000))
        assert (transcript.text, transcript.segments, transcript.language) == ("", (), "und")

    def test_nothing_at_all(self, whisper: FasterWhisper) -> None:
        assert whisper.transcribe(silence(0.0), language="en") == Transcript("", "en", 0.0, ())

    def test_a_language_is_given_by_its_code(self, whisper: FasterWhisper) -> None:
        transcript = whisper.transcribe(read_audio(MEDIA / "LJ001-0002.wav"), language="en-GB")
        assert transcript.language == "en"
        with pytest.raises(InputError, match=r"does not understand the language 'klingon'.*one of: .*\bes\b"):
            whisper.transcribe(silence(1.0), language="klingon")

    def test_progress_and_cancellation(self, whisper: FasterWhisper) -> None:
        speech = read_audio(MEDIA / "jfk.flac").samples
        twice = Audio(np.concatenate([speech, silence(20.0).samples, speech, silence(20.0).samples, speech]), 16_000)
        token, reports, on_progress = tripping(lambda count: count == 2)
        with pytest.raises(Cancelled):
            whisper.transcribe(twice, on_progress=on_progress, cancel=token)
        assert reports[0] == 0.0
        assert len(reports) == 2
        assert reports[1] is not None
        assert 0 < reports[1] < 1

    def test_the_network_is_never_asked(self, weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise AssertionError("a connection was tried")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        engine = FasterWhisper(context("whisper-base", weights("whisper-base")))
        assert "modern" in engine.transcribe(read_audio(MEDIA / "LJ001-0002.wav")).text
        engine.close()


class TestLongRecordings:
    def test_parts_are_cut_where_nobody_speaks_and_hold_all_speech(self) -> None:
        speech = read_audio(MEDIA / "LJ001-0002.wav").samples
        piece = np.concatenate([speech, silence(28.0).samples])
        samples = np.tile(piece, 20)
        parts = list(whisper_engine._parts(samples, NEVER))
        assert len(parts) >= 2
        assert all(part.end - part.start <= 300 for part in parts)
        assert all(before.end <= after.start for before, after in itertools.pairwise(parts))
        for number in range(20):
            middle = (number * len(piece) + len(speech) / 2) / 16_000
            assert any(part.start < middle < part.end for part in parts)

    def test_a_short_one_is_one_part(self) -> None:
        assert list(whisper_engine._parts(silence(400.0).samples, NEVER)) == [Span(0.0, 400.0)]

    def test_a_cancel_is_noticed_while_it_looks_for_speech(self) -> None:
        token = CancelToken()
        token.set()
        with pytest.raises(Cancelled):
            list(whisper_engine._parts(silence(700.0).samples, token))


@pytest.mark.models
class TestWhisperOptions:
    def test_a_folder_of_the_user_s_own(self, weights: Callable[[str], Path]) -> None:
        facts = {"id": "mine", "title": "Mine", "capability": "speech-to-text", "licence": "MIT", "device": True}
        more = {
            "engine": "engines.audio.whisper:FasterWhisper",
            "snapshot": {"folder": str(weights("whisper-tiny.en"))},
        }
        engine = FasterWhisper(
            LoadContext(ModelEntry.model_validate(facts | more), weights("whisper-tiny.en"), device="mps")
        )
        heard: list[Segment] = []
        transcript = engine.transcribe(read_audio(MEDIA / "LJ001-0002.wav"), words=True, on_segment=heard.append)
        assert "modern" in transcript.text
        assert tuple(heard) == transcript.segments
        assert "".join(word.text for word in heard[0].words).strip() == heard[0].text
        with pytest.raises(InputError, match="mine knows English only, so it can't translate"):
            engine.transcribe(silence(1.0), task="translate")
        engine.close()


class TestWhisperFiles:
    def test_missing_files_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(EngineError, match=r"lacks model.bin, tokenizer.json.*sensorium models pull whisper-base"):
            FasterWhisper(context("whisper-base", tmp_path))

    def test_a_broken_model_is_an_engine_error(self, tmp_path: Path) -> None:
        for name in ("model.bin", "config.json", "tokenizer.json"):
            (tmp_path / name).write_text("{}")
        with pytest.raises(EngineError, match=r"whisper-base can't be loaded.*sensorium models pull"):
            FasterWhisper(context("whisper-base", tmp_path))


class TestPiperFiles:
    def test_without_the_extra_it_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def without_piper(name: str, *args: Any, **kwargs: Any) -> Any:
            if name.partition(".")[0] == "piper":
                raise ModuleNotFoundError("No module named 'piper'", name="piper")
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", without_piper)
        with pytest.raises(MissingExtraError, match=r"pip install 'sensorium\[speech\]'"):
            Piper(context("piper-en-us-joe", tmp_path))

    def test_missing_and_broken_files(self, tmp_path: Path) -> None:
        pytest.importorskip("piper", reason="the extra `speech` is not installed")
        with pytest.raises(EngineError, match="must hold one voice"):
            Piper(context("piper-en-us-joe", tmp_path))
        (tmp_path / "v.onnx").write_bytes(b"nothing")
        (tmp_path / "v.onnx.json").write_text(json.dumps({}))
        with pytest.raises(EngineError, match=r"can't be loaded.*sensorium models pull piper-en-us-joe"):
            Piper(context("piper-en-us-joe", tmp_path))


@pytest.mark.models
class TestTextToSpeech:
    def test_what_is_spoken_can_be_understood(self, piper: Piper, weights: Callable[[str], Path]) -> None:
        text = "The quick brown fox jumps over the lazy dog. Tomorrow we will go to the beach."
        spoken = piper.speak(text)
        assert spoken.rate == 22_050
        assert spoken.samples.dtype == np.float32
        assert np.abs(spoken.samples).max() <= 1.0
        whisper = FasterWhisper(context("whisper-base", weights("whisper-base")))
        assert word_errors(text, whisper.transcribe(spoken).text) <= 0.15

    def test_its_voice_and_language(self, piper: Piper) -> None:
        (voice,) = piper.voices
        assert (voice.id, voice.name, voice.language) == ("en_US-joe-medium", "joe", "en")
        assert piper.speak("Hello.", voice=voice.id).seconds > 0.3
        with pytest.raises(InputError, match=r"No voice is called 'amy'.*en_US-joe-medium"):
            piper.speak("Hello.", voice="amy")

    def test_speed(self, piper: Piper) -> None:
        text = "The quick brown fox jumps over the lazy dog, again and again."
        slow, fast = (piper.speak(text, speed=speed).seconds for speed in (0.5, 2.0))
        assert slow > 2.5 * fast
        for speed in (0.0, -1.0, 100.0, float("nan")):
            with pytest.raises(InputError, match=r"between 0\.25 and 4"):
                piper.speak(text, speed=speed)

    @pytest.mark.parametrize("text", ["", " \n ", "🎉 👍🏽", "**", "---", "...", "[](http://a.b)"])
    def test_nothing_to_read(self, piper: Piper, text: str) -> None:
        with pytest.raises(InputError, match="nothing"):
            piper.speak(text)

    @pytest.mark.parametrize("text", ["42", "3.14", "$5", "https://example.org/a?b=c", "a", "Ångström ° ©"])
    def test_short_and_odd_text_is_read(self, piper: Piper, text: str) -> None:
        assert piper.speak(text).seconds > 0.2

    def test_a_script_the_voice_can_not_read(self, piper: Piper) -> None:
        with pytest.raises(InputError, match="can't read this script"):
            piper.speak("今日はいい天気です")

    def test_another_language_in_its_script_is_read_by_the_english_voice(self, piper: Piper) -> None:
        assert piper.speak("Buenos días, ¿cómo está?", language="es").seconds > 0.8

    def test_long_text_without_an_end_of_sentence_is_cut(self, piper: Piper) -> None:
        reports: list[float | None] = []
        spoken = piper.speak("word " * 200, on_progress=lambda fraction, _: reports.append(fraction))
        assert len(reports) == 4
        assert reports == sorted(reports, key=lambda fraction: fraction or 0)
        assert reports[-1] == 1.0
        assert spoken.seconds > 30

    def test_it_stops_between_sentences(self, piper: Piper) -> None:
        token, reports, on_progress = tripping(lambda count: count == 1)
        with pytest.raises(Cancelled):
            piper.speak("One.\nTwo.\nThree.", on_progress=on_progress, cancel=token)
        assert len(reports) == 1


class TestSpeakable:
    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("# Title\n\nSome **bold** and *fine* `code`.", "Title\nSome bold and fine code."),
            ("- one\n- two\n* three", "one\ntwo\nthree"),
            ("See [the page](https://a.example/x_(y)?z=1).", "See the page."),
            ("See [the page](https://a.example/x).", "See the page."),
            ("![a cat](cat.png) sits", "a cat sits"),
            ("Go to https://www.example.org/long/path?q=1#top.", "Go to example.org."),
            ("before\n```python\nprint(1)\n```\nafter", "before\nafter"),
            ("| a | b |\n|---|:-:|\n| 1 | 2 |", "a, b\n1, 2"),
            ("Well done 🎉👍🏽!", "Well done !"),
            ("<b>loud</b> 2 < 3 > 1", "loud 2 < 3 > 1"),
            ("snake_case and 2*3*4 stay", "snake_case and 2*3*4 stay"),
            ("20 °C, ½ © 2024", "20 °C, ½ © 2024"),
            ("[[raw]] phonemes", "raw phonemes"),
            ("bell\x07 zero\u200bwidth", "bell zero width"),
            ("- 5 degrees\n-5 degrees", "5 degrees\n-5 degrees"),
            ("🙂", ""),
        ],
    )
    def test_markup_goes_and_words_stay(self, text: str, read: str) -> None:
        assert speakable(text) == read

    @pytest.mark.parametrize("unit", ["\n", " ", "```\n", "[", "[a](", "*a ", "a://", "<a", "- ", "|", "_a", "a."])
    def test_no_text_takes_for_ever(self, unit: str) -> None:
        text = unit * 20_000  # with nested repetitions in a pattern, this would take days
        assert len(list(pieces(speakable(text), 400))) <= 20_000

    def test_pieces_keep_every_word_in_order(self) -> None:
        text = " ".join(f"Sentence {n}, with a clause; and another one." for n in range(50)) + "\n" + "x" * 250
        cut = list(pieces(text, 100))
        assert all(0 < len(piece) <= 100 for piece in cut)
        assert "".join("".join(cut).split()) == "".join(text.split())
        assert all(piece.endswith(".") for piece in cut[:-3])

    def test_a_clause_is_cut_before_a_word_is(self) -> None:
        assert list(pieces("one two three, four five six", 16)) == ["one two three,", "four five six"]
        assert list(pieces("one two three four", 9)) == ["one two", "three", "four"]
