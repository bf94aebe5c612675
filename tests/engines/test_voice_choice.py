"""Which voice somebody means, by an id or in words; without a model loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines.audio.voices import describes, find_voice, offered, styles, voices_of
from engines.catalog import Catalog, ModelEntry
from engines.errors import InputError, NotFoundError
from engines.protocols import Voice
from engines.readiness import Shelf
from engines.weights import WeightStore

EMMA = Voice("bf_emma", "Emma", "en", "female", "British")
DORA = Voice("pf_dora", "Dora", "pt", "female", "Brazilian")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Nothing has been pulled."""
    return Shelf(Catalog.load(), WeightStore(tmp_path), {})


def piper_entry(folder: Path, **more: object) -> ModelEntry:
    facts = {"id": "mine", "title": "Mine", "capability": "text-to-speech", "licence": "MIT"}
    return ModelEntry.model_validate(
        {**facts, "engine": "engines.audio.piper:Piper", "snapshot": {"folder": str(folder)}, **more}
    )


class TestWords:
    @pytest.mark.parametrize(
        "words",
        [
            "British female",
            "a british woman",
            "female, British accent",
            "UK lady",
            "Emma",
            "English female",
            "en female",
        ],
    )
    def test_words_that_fit(self, words: str) -> None:
        assert describes(words, EMMA)

    @pytest.mark.parametrize("words", ["British male", "American female", "Dora", "", "a voice", "squeaky female"])
    def test_words_that_do_not(self, words: str) -> None:
        assert not describes(words, EMMA)

    def test_a_language_by_its_own_name(self) -> None:
        assert describes("português", DORA)
        assert describes("Portuguese woman's voice", DORA)

    def test_styles_are_descriptions_of_voices(self, shelf: Shelf) -> None:
        offers = offered(shelf)
        found = styles(offers)
        assert {"female", "male", "British female", "American male", "Spanish female", "Brazilian male"} <= set(found)
        assert "Japanese female" not in found, "Kokoro's Japanese voices can't read Japanese here"
        for style in found:
            assert describes(style, find_voice(offers, style).voice)


class TestFinding:
    def test_by_id_whatever_the_model(self, shelf: Shelf) -> None:
        found = find_voice(offered(shelf), "EF_Dora")
        assert (found.entry.id, found.voice.id) == ("kokoro-82m", "ef_dora")

    def test_the_best_of_a_kind_comes_first(self, shelf: Shelf) -> None:
        assert find_voice(offered(shelf), "British female").voice.id == "bf_emma"
        assert find_voice(offered(shelf), "American female").voice.id == "af_heart"

    def test_a_gender_alone_is_of_the_text_s_language(self, shelf: Shelf) -> None:
        assert find_voice(offered(shelf), "male", "es").voice.id == "em_alex"
        assert find_voice(offered(shelf), "male").entry.id == "piper-en-us-joe"

    def test_without_a_man_of_that_language_a_model_that_reads_it(self, shelf: Shelf) -> None:
        found = find_voice(offered(shelf), "male", "fr")
        assert (found.entry.id, found.voice.language) == ("kokoro-82m", "en")

    def test_an_unknown_voice_names_near_ones_and_kinds(self, shelf: Shelf) -> None:
        with pytest.raises(InputError, match=r"'bf_ema'.*Near: bf_emma.*British female"):
            find_voice(offered(shelf), "bf_ema")

    def test_of_one_model_only(self, shelf: Shelf) -> None:
        assert {offer.entry.id for offer in offered(shelf, "piper-en-us-joe")} == {"piper-en-us-joe"}
        with pytest.raises(NotFoundError, match="does speech-to-text"):
            offered(shelf, "whisper-base")

    def test_a_ready_voice_comes_before_a_fitting_one_that_is_not(self, shelf: Shelf, tmp_path: Path) -> None:
        folder = tmp_path / "mine"
        folder.mkdir()
        (folder / "en_GB-alba-medium.onnx.json").write_text(json.dumps({"language": {"family": "en", "region": "GB"}}))
        entry = piper_entry(folder, options={"gender": "female"})
        ready = Shelf(Catalog({**{e.id: e for e in Catalog.load()}, "mine": entry}), WeightStore(tmp_path), {})
        assert find_voice(offered(ready), "British female").entry.id == "mine"


class TestVoicesOfAModel:
    def test_kokoro_names_all_of_its_voices_before_it_is_fetched(self, tmp_path: Path) -> None:
        voices = voices_of(Catalog.load().get("kokoro-82m"), tmp_path)
        assert len(voices) == 54
        assert EMMA in voices
        assert all(voice.gender for voice in voices)

    def test_a_voice_of_the_user_s_own_beside_them(self, tmp_path: Path) -> None:
        (tmp_path / "voices").mkdir()
        (tmp_path / "voices" / "bm_own.bin").touch()
        (tmp_path / "voices" / "notes.bin").touch()
        voices = voices_of(Catalog.load().get("kokoro-82m"), tmp_path)
        assert voices[-1] == Voice("bm_own", "Own", "en", "male", "British")
        assert len(voices) == 55

    def test_piper_by_its_name_then_by_its_settings(self, tmp_path: Path) -> None:
        joe = Catalog.load().get("piper-en-us-joe")
        assert voices_of(joe, tmp_path) == (Voice("en_US-joe-medium", "joe", "en", "male", "American"),)

    def test_piper_with_several_speakers(self, tmp_path: Path) -> None:
        settings = {
            "dataset": "mls",
            "espeak": {"voice": "de"},
            "speaker_id_map": {"anna": 0, "bert": 1},
            "language": {"family": "de", "region": "DE"},
        }
        (tmp_path / "de_DE-mls-medium.onnx.json").write_text(json.dumps(settings))
        assert [voice.id for voice in voices_of(piper_entry(tmp_path), tmp_path)] == [
            "de_DE-mls-medium/anna",
            "de_DE-mls-medium/bert",
        ]

    @pytest.mark.parametrize("text", ["", "{", "[1]"])
    def test_broken_settings_hide_a_voice_and_no_other(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "x.onnx.json").write_text(text)
        assert voices_of(piper_entry(tmp_path), tmp_path) == ()

    def test_bark_s_presets_while_it_is_not_there(self, tmp_path: Path) -> None:
        voices = voices_of(Catalog.load().get("bark-small"), tmp_path)
        assert len(voices) == 130
        assert Voice("v2/en_speaker_9", "English 9", "en", "female") in voices

    def test_an_engine_that_can_not_be_found_spoils_nothing(self, tmp_path: Path) -> None:
        assert voices_of(piper_entry(tmp_path, engine="nowhere:Nothing"), tmp_path) == ()
