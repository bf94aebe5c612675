"""Bark from its config, end to end on random weights: nothing it says means anything, but every part of it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="the extra `transformers` is not installed")

from tiny_bark import tiny_bark

from engines.audio.bark import Bark
from engines.catalog import Catalog, ModelEntry
from engines.errors import EngineError, InputError, MissingWeightsError
from engines.loading import LoadContext, engine_class
from engines.progress import Cancelled, CancelToken
from engines.protocols import Audio, Voice
from engines.readiness import Shelf
from engines.weights import WeightStore

SIX = "v2/en_speaker_6"


def context(folder: Path) -> LoadContext:
    facts = {"id": "tiny-bark", "title": "Tiny", "capability": "text-to-speech", "licence": "MIT"}
    more = {"engine": "engines.audio.bark:Bark", "snapshot": {"folder": str(folder)}, "device": True}
    return LoadContext(ModelEntry.model_validate(facts | more), folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bark(tmp_path_factory.mktemp("bark"), (SIX, "v2/de_speaker_3", "v2/en_speaker_9"))


@pytest.fixture(scope="module")
def bark(folder: Path) -> Bark:
    return Bark(context(folder))


def test_the_catalog_names_it() -> None:
    for model in ("bark", "bark-small"):
        assert engine_class(Catalog.load().get(model)) is Bark


def test_its_voices_are_the_presets_whose_files_are_there(bark: Bark, folder: Path) -> None:
    assert [voice.id for voice in bark.voices] == [SIX, "v2/de_speaker_3", "v2/en_speaker_9"]
    assert Voice("v2/de_speaker_3", "German 3", "de") in bark.voices
    assert Bark.voices_of(context(folder).entry, folder) == bark.voices


def test_sound_sentence_by_sentence(bark: Bark) -> None:
    heard: list[Audio] = []
    reports: list[tuple[float | None, str]] = []
    spoken = bark.speak(
        "Hello there, hello there, hello there. One two three, one two three.",
        on_audio=heard.append,
        on_progress=lambda fraction, message: reports.append((fraction, message)),
    )
    assert spoken.rate == 24_000
    assert spoken.samples.dtype == np.float32
    assert np.abs(spoken.samples).max() <= 1.0
    assert len(heard) == 2
    assert np.array_equal(np.concatenate([sound.samples for sound in heard]), spoken.samples)
    assert [message for _, message in reports] == ["sentence 1 of 2", "sentence 2 of 2", ""]


def test_a_seed_makes_it_repeatable_and_a_preset_changes_it(bark: Bark) -> None:
    def said(voice: str, seed: int) -> np.ndarray:
        return bark.speak("Hello there.", voice=voice, seed=seed).samples

    first = said(SIX, 1)
    assert np.array_equal(first, said(SIX, 1))
    assert not np.array_equal(first, said(SIX, 2))
    assert not np.array_equal(first, said("v2/de_speaker_3", 1))


def test_speed(bark: Bark) -> None:
    normal, fast = (bark.speak("Hello there.", speed=speed, seed=0).seconds for speed in (1.0, 2.0))
    assert fast == pytest.approx(normal / 2, rel=0.15)


@pytest.mark.parametrize("stage", ["semantic", "coarse_acoustics", "fine_acoustics"])
def test_a_cancel_is_noticed_in_each_of_its_models(bark: Bark, stage: str) -> None:
    token = CancelToken()
    layer = getattr(bark._model, stage).layers[0]
    steps: list[int] = []

    def step(*_: object) -> None:
        steps.append(1)
        token.set()

    hook = layer.register_forward_hook(step)
    try:
        with pytest.raises(Cancelled):
            bark.speak("Hello there.", cancel=token)
    finally:
        hook.remove()
    assert len(steps) == 1
    assert bark.speak("Hello there.").seconds > 0, "it works on after a cancel"


def test_what_it_can_not_read(bark: Bark) -> None:
    with pytest.raises(InputError, match=r"No voice is called 'v2/en_speaker_7'.*v2/en_speaker_6"):
        bark.speak("Hello there.", voice="v2/en_speaker_7")
    with pytest.raises(InputError, match="nothing"):
        bark.speak("🎉")
    with pytest.raises(InputError, match="speed"):
        bark.speak("Hello there.", speed=3.0)


def test_without_presets_any_voice_reads(tmp_path: Path) -> None:
    engine = Bark(context(tiny_bark(tmp_path)))
    assert [voice.id for voice in engine.voices] == ["any"]
    assert engine.speak("Hello there.").seconds > 0
    engine.close()


def test_a_folder_without_the_model(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(EngineError, match="tiny-bark"):
        Bark(context(tmp_path))


def test_weights_that_are_not_there_name_the_command(tmp_path: Path) -> None:
    shelf = Shelf(Catalog.load(), WeightStore(tmp_path), {})
    with pytest.raises(MissingWeightsError, match=r"bark-small is not on this disk.*sensorium models pull bark-small"):
        shelf.require(shelf.catalog.get("bark-small"))
