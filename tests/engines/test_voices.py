"""Kokoro's voices: languages, what is read, and that it can be understood; and what all voices do alike."""

from __future__ import annotations

import builtins
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.audio.aloud import check_speed, read_aloud, readable, voice_for
from engines.audio.kokoro import Kokoro
from engines.audio.whisper import FasterWhisper
from engines.catalog import Catalog
from engines.errors import EngineError, InputError, MissingExtraError
from engines.loading import LoadContext, engine_class
from engines.progress import NEVER, Cancelled, CancelToken
from engines.protocols import Voice

DORA, SARA, JOE = Voice("ef_dora", "Dora", "es", "female"), Voice("if_sara", "Sara", "it"), Voice("joe", "Joe", "en")


def context(model_id: str, folder: Path) -> LoadContext:
    return LoadContext(Catalog.load().get(model_id), folder)


@pytest.fixture(scope="module")
def kokoro(weights: Callable[[str], Path]) -> Kokoro:
    pytest.importorskip("piper", reason="the extra `speech` is not installed")
    return Kokoro(context("kokoro-82m", weights("kokoro-82m")))


@pytest.fixture(scope="module")
def whisper(weights: Callable[[str], Path]) -> FasterWhisper:
    return FasterWhisper(context("whisper-base", weights("whisper-base")))


def test_the_catalog_names_the_engine_and_the_default_is_english() -> None:
    catalog = Catalog.load()
    entry = catalog.get("kokoro-82m")
    assert engine_class(entry) is Kokoro
    assert Kokoro.capability == entry.capability
    assert {"es", "fr", "it", "pt"} <= set(entry.languages)
    assert catalog.default(entry.capability).languages == ("en",)


class TestChoosing:
    def test_a_voice_by_its_name(self) -> None:
        assert voice_for([JOE, DORA, SARA], "if_sara", "es") == SARA

    def test_the_first_voice_of_the_language(self) -> None:
        assert voice_for([JOE, DORA, SARA], None, "it") == SARA

    @pytest.mark.parametrize("language", [None, "fi"])
    def test_the_first_voice_when_none_fits(self, language: str | None) -> None:
        assert voice_for([JOE, DORA], None, language) == JOE

    def test_names_that_there_are(self) -> None:
        with pytest.raises(InputError, match=r"No voice is called 'amy'.*joe, ef_dora"):
            voice_for([JOE, DORA], "amy", None)

    def test_speed_in_its_limits(self) -> None:
        check_speed(2.0, 0.5, 2.0)
        for speed in (0.49, 2.01, float("nan")):
            with pytest.raises(InputError, match=r"between 0\.5 and 2"):
                check_speed(speed, 0.5, 2.0)

    def test_a_script_is_read_by_a_language_that_is_written_in_it(self) -> None:
        assert readable("नमस्ते", "hi", DORA) == "नमस्ते"
        with pytest.raises(InputError, match=r"'Dora' \(Spanish\) can't read this script"):
            readable("नमस्ते", "es", DORA)


class TestReadingAloud:
    def read(self, text: str, say: Callable[[str], list[Any]], **more: Any) -> Any:
        settings = {"longest": 10, "rate": 100, "pause": 0.1, "on_progress": lambda *_: None, "cancel": NEVER} | more
        return read_aloud(text, say, **settings)

    def test_pieces_are_said_in_order_with_pauses_between(self) -> None:
        said: list[str] = []
        reports: list[float] = []

        def say(piece: str) -> list[Any]:
            said.append(piece)
            return [np.ones(5, np.float32)]

        sound = self.read("One two. Three.", say, on_progress=lambda fraction, _: reports.append(fraction))
        assert said == ["One two.", "Three."]
        assert sound.samples.tolist() == [1.0] * 5 + [0.0] * 10 + [1.0] * 5
        assert reports == [0.0, 8 / 14, 1.0]

    def test_nothing_to_pronounce(self) -> None:
        with pytest.raises(InputError, match="pronounce"):
            self.read("Hm.", lambda piece: [])

    def test_it_stops_between_two_sounds(self) -> None:
        token = CancelToken()
        said: list[str] = []

        def say(piece: str) -> list[Any]:
            said.append(piece)
            token.set()
            return [np.ones(5, np.float32)]

        with pytest.raises(Cancelled):
            self.read("One two. Three.", say, cancel=token)
        assert said == ["One two."]


class TestKokoroFiles:
    def test_without_the_extra_it_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def without_piper(name: str, *args: Any, **kwargs: Any) -> Any:
            if name.partition(".")[0] == "piper":
                raise ModuleNotFoundError("No module named 'piper'", name="piper")
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", without_piper)
        with pytest.raises(MissingExtraError, match=r"pip install 'sensorium\[speech\]'"):
            Kokoro(context("kokoro-82m", tmp_path))

    @pytest.mark.parametrize("size", [100, 510 * 256 * 4], ids=["short voice", "broken model"])
    def test_missing_and_broken_files(self, tmp_path: Path, size: int) -> None:
        pytest.importorskip("piper", reason="the extra `speech` is not installed")
        with pytest.raises(EngineError, match=r"must hold an \.onnx file and voices"):
            Kokoro(context("kokoro-82m", tmp_path))
        (tmp_path / "voices").mkdir()
        (tmp_path / "voices" / "ef_dora.bin").write_bytes(bytes(size))
        (tmp_path / "k.onnx").write_bytes(b"nothing")
        with pytest.raises(EngineError, match=r"can't be loaded.*sensorium models pull kokoro-82m"):
            Kokoro(context("kokoro-82m", tmp_path))


@pytest.mark.models
class TestKokoro:
    def test_every_language_of_the_catalog_has_a_voice(self, kokoro: Kokoro) -> None:
        languages = set(Catalog.load().get("kokoro-82m").languages)
        assert {voice.language for voice in kokoro.voices if not voice.note} == languages
        assert {voice.language for voice in kokoro.voices if voice.note} == {"ja", "zh"}
        assert DORA in kokoro.voices
        assert len(kokoro.voices) == 54

    @pytest.mark.parametrize(
        ("language", "text", "expected"),
        [
            ("es", "Necesito comprar pan, leche y queso en el mercado.", {"comprar", "leche", "queso", "mercado"}),
            ("fr", "Demain matin, nous irons à la plage avec les enfants.", {"demain", "matin", "plage", "enfants"}),
            ("it", "Domani mattina andiamo al mare con i bambini.", {"domani", "mattina", "mare", "bambini"}),
            ("pt", "Amanhã de manhã vamos à praia com as crianças.", {"vamos", "praia", "crianças"}),
        ],
    )
    def test_each_language_is_understood_as_itself(
        self, kokoro: Kokoro, whisper: FasterWhisper, language: str, text: str, expected: set[str]
    ) -> None:
        spoken = kokoro.speak(text, language=language)
        assert spoken.rate == 24_000
        assert spoken.samples.dtype == np.float32
        assert np.abs(spoken.samples).max() <= 1.0
        heard = whisper.transcribe(spoken)
        assert heard.language == language
        found = {word.strip(".,").lower() for word in heard.text.split()}
        assert len(expected & found) >= len(expected) - 1

    def test_a_language_without_a_voice_names_those_with_one(self, kokoro: Kokoro) -> None:
        with pytest.raises(InputError, match=r"No voice here can read Finnish.*en, es, fr"):
            kokoro.speak("Hyvää päivää.", language="fi")

    def test_a_voice_that_is_asked_for_reads_any_language(self, kokoro: Kokoro) -> None:
        assert kokoro.speak("Hyvää päivää.", voice="ef_dora", language="fi").seconds > 0.5
        with pytest.raises(InputError, match=r"No voice is called 'amy'.*am_"):
            kokoro.speak("Hola.", voice="amy")

    def test_speed(self, kokoro: Kokoro) -> None:
        slow, fast = (kokoro.speak("La casa es muy grande.", language="es", speed=s).seconds for s in (0.5, 2.0))
        assert slow > 2 * fast

    @pytest.mark.parametrize("text", ["", "🎉", "..."])
    def test_nothing_to_read(self, kokoro: Kokoro, text: str) -> None:
        with pytest.raises(InputError, match="nothing"):
            kokoro.speak(text, language="es")

    def test_a_number_with_more_phonemes_than_fit_is_cut(self, kokoro: Kokoro) -> None:
        digits = " ".join(["98765432109876"] * 3)
        assert kokoro.speak(digits, language="es").seconds > 20

    def test_it_stops_between_pieces(self, kokoro: Kokoro) -> None:
        token, reports = CancelToken(), []

        def on_progress(fraction: float | None, _: str) -> None:
            reports.append(fraction)
            token.set()

        with pytest.raises(Cancelled):
            kokoro.speak("Uno.\nDos.\nTres.", language="es", on_progress=on_progress, cancel=token)
        assert len(reports) == 1

    def test_the_network_is_never_asked(self, weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise AssertionError("a connection was tried")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        engine = Kokoro(context("kokoro-82m", weights("kokoro-82m")))
        assert engine.speak("Hola.", language="es").seconds > 0.3
        engine.close()
