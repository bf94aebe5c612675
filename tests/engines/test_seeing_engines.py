"""Detection, classes, captions and answers by models in the transformers format, on tiny models with random weights.

They find nothing true; what is tested is that the real library takes the picture, and gives back what is promised.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engines.catalog import Catalog, ModelEntry, Snapshot
from engines.errors import EngineError, InputError, MissingExtraError
from engines.image.transformers_classification import TransformersClassification
from engines.image.transformers_describing import (
    CaptionByAsking,
    TransformersAnswering,
    TransformersCaptioning,
    VisionChat,
)
from engines.image.transformers_detection import OpenVocabularyDetection, TransformersDetection
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import Described

pytest.importorskip("torch")
pytest.importorskip("transformers")
import tiny_vision

MEDIA = Path(__file__).parents[1] / "media"

Build = Callable[[Callable[[Path], Path]], Path]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``tiny(builder)`` is the folder that the builder filled; each is built once."""
    made: dict[Any, Path] = {}

    def build(builder: Callable[[Path], Path]) -> Path:
        if builder not in made:
            made[builder] = builder(tmp_path_factory.mktemp(builder.__name__))
        return made[builder]

    return build


@pytest.fixture(scope="module")
def cat() -> Image.Image:
    return Image.open(MEDIA / "chelsea.jpg")


def context(folder: Path, **options: Any) -> LoadContext:
    entry = ModelEntry(
        id="tiny",
        title="Tiny",
        capability="object-detection",
        engine="engines.image.transformers_detection:TransformersDetection",
        licence="Apache-2.0",
        options=options,
        snapshot=Snapshot(folder=str(folder)),
    )
    return LoadContext(entry, folder)


@pytest.fixture(scope="module", params=[tiny_vision.rt_detr, tiny_vision.d_fine], ids=["RT-DETR", "D-FINE"])
def detector(request: pytest.FixtureRequest, tiny: Build) -> TransformersDetection:
    return TransformersDetection(context(tiny(request.param)))


class TestDetection:
    def test_boxes_are_best_first_inside_the_picture_and_named(
        self, detector: TransformersDetection, cat: Image.Image
    ) -> None:
        boxes = detector.detect(cat, threshold=0.0)
        assert boxes
        scores = [box.score for box in boxes]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= box.left < box.right <= 451 and 0 <= box.top < box.bottom <= 300 for box in boxes)
        assert {box.label for box in boxes} <= {"person", "airplane", "cat"}

    def test_labels_are_those_of_coco_and_no_placeholder(self, detector: TransformersDetection) -> None:
        assert detector.labels == ("person", "airplane", "cat")

    def test_the_threshold_is_kept(self, detector: TransformersDetection, cat: Image.Image) -> None:
        every = detector.detect(cat, threshold=0.0)
        middle = sorted(box.score for box in every)[len(every) // 2]
        some = detector.detect(cat, threshold=middle)
        assert 0 < len(some) < len(every)
        assert all(box.score >= middle for box in some)
        assert detector.detect(cat, threshold=1.0) == ()

    @pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
    def test_a_threshold_outside_its_range(self, detector: TransformersDetection, threshold: float) -> None:
        with pytest.raises(InputError, match="between 0 and 1"):
            detector.detect(Image.new("RGB", (8, 8)), threshold=threshold)

    @pytest.mark.parametrize("size", [(1, 1), (900, 2), (2, 900)])
    def test_odd_shapes(self, detector: TransformersDetection, size: tuple[int, int]) -> None:
        for box in detector.detect(Image.new("RGB", size), threshold=0.0):
            assert 0 <= box.left < box.right <= size[0]

    @pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
    def test_every_mode_of_colours(self, detector: TransformersDetection, cat: Image.Image, mode: str) -> None:
        assert detector.detect(cat.convert(mode), threshold=0.0)

    def test_a_cancel_is_noticed(self, detector: TransformersDetection, cat: Image.Image) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            detector.detect(cat, cancel=cancel)


@pytest.fixture(scope="module", params=[tiny_vision.owlv2, tiny_vision.grounding_dino], ids=["OWLv2", "Grounding DINO"])
def searcher(request: pytest.FixtureRequest, tiny: Build) -> OpenVocabularyDetection:
    return OpenVocabularyDetection(context(tiny(request.param)))


class TestSearch:
    def test_boxes_carry_the_words_that_were_looked_for(
        self, searcher: OpenVocabularyDetection, cat: Image.Image
    ) -> None:
        boxes = searcher.detect(cat, ["cat", " red car "], threshold=0.0)
        assert boxes
        assert {box.label for box in boxes} <= {"cat", "red car"}
        assert all(0 <= box.left < box.right <= 451 and 0 <= box.top < box.bottom <= 300 for box in boxes)

    def test_many_long_words_are_no_error(self, searcher: OpenVocabularyDetection, cat: Image.Image) -> None:
        searcher.detect(cat, ["a very old dog of the person that sits in the red car " * 4], threshold=0.5)

    def test_nothing_to_look_for(self, searcher: OpenVocabularyDetection, cat: Image.Image) -> None:
        with pytest.raises(InputError, match="Nothing was named"):
            searcher.detect(cat, ["  "])


class TestClasses:
    def test_readable_names_best_first(self, tiny: Build, cat: Image.Image) -> None:
        engine = TransformersClassification(context(tiny(tiny_vision.vit)))
        assert engine.labels == ("tabby", "golden retriever", "espresso")
        classes = engine.classify(cat, top=20)
        assert sorted(each.label for each in classes) == sorted(engine.labels)
        assert [each.score for each in classes] == sorted((each.score for each in classes), reverse=True)
        assert sum(each.score for each in classes) == pytest.approx(1, abs=1e-4)
        assert len(engine.classify(cat, top=1)) == 1

    def test_tags_have_a_probability_each(self, tiny: Build, cat: Image.Image) -> None:
        engine = TransformersClassification(context(tiny(tiny_vision.vit), many=True))
        assert sum(each.score for each in engine.classify(cat)) != pytest.approx(1, abs=1e-3)


class TestDescribing:
    def test_a_captioner_writes(self, tiny: Build, cat: Image.Image) -> None:
        engine = TransformersCaptioning(context(tiny(tiny_vision.blip_captioning), max_tokens=8))
        assert engine.caption(cat).text
        assert engine.caption(cat) == engine.caption(cat), "the same picture gives the same text"

    def test_a_question_is_answered(self, tiny: Build, cat: Image.Image) -> None:
        engine = TransformersAnswering(context(tiny(tiny_vision.blip_vqa), max_tokens=8))
        assert engine.answer(cat, "what is this?").text
        assert engine.answer(cat, "what " * 300).known

    def test_a_chat_model_answers_with_what_it_adds_to_the_prompt(self, tiny: Build, cat: Image.Image) -> None:
        engine = VisionChat(context(tiny(tiny_vision.llava), max_tokens=12))
        said = engine.answer(cat, "what is this?")
        assert said.text
        assert "what is this" not in said.text

    def test_the_picture_and_the_question_matter(self, tiny: Build, cat: Image.Image) -> None:
        engine = VisionChat(context(tiny(tiny_vision.llava), max_tokens=12))
        answers = {
            engine.answer(cat, "what?").text,
            engine.answer(Image.effect_noise((64, 64), 90), "what?").text,
            engine.answer(cat, "how many?").text,
        }
        assert len(answers) > 1

    @pytest.mark.parametrize(("question", "says"), [(" \n", "empty"), ("x" * 2001, "2001 characters")])
    def test_questions_that_are_none(self, tiny: Build, cat: Image.Image, question: str, says: str) -> None:
        engine = VisionChat(context(tiny(tiny_vision.llava)))
        with pytest.raises(InputError, match=says):
            engine.answer(cat, question)

    def test_generating_ends_soon_after_a_cancel(self, tiny: Build, cat: Image.Image) -> None:
        engine = TransformersCaptioning(context(tiny(tiny_vision.blip_captioning), max_tokens=50))
        cancel = CancelToken()
        looked = 0
        ask = cancel.is_set

        def is_set() -> bool:  # as if somebody cancelled at the third token
            nonlocal looked
            looked += 1
            if looked == 3:
                cancel.set()
            return ask()

        cancel.is_set = is_set  # type: ignore[method-assign]  # counts how often it is asked
        with pytest.raises(Cancelled):
            engine.caption(cat, cancel=cancel)
        assert looked < 10

    def test_a_caption_by_asking_goes_through_its_part(self, cat: Image.Image) -> None:
        asked: list[str] = []

        class Part:
            def answer(self, image: Image.Image, question: str, **_: Any) -> Described:
                asked.append(question)
                return Described("A cat.")

        entry = Catalog.load().get("qwen2.5-vl-3b-caption")
        engine = CaptionByAsking(LoadContext(entry, Path(), parts={"visual-question-answering": Part()}))
        assert engine.caption(cat).text == "A cat."
        assert "Describe" in asked[0]


class TestFolders:
    """What is wrong with a folder is said in a line, with what to do."""

    def test_an_empty_one(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"no model in the transformers format.*Put the whole model into"):
            TransformersDetection(context(tmp_path))

    def test_one_without_weights(self, tiny: Build, tmp_path: Path) -> None:
        shutil.copytree(tiny(tiny_vision.vit), tmp_path / "part")
        (tmp_path / "part" / "model.safetensors").unlink()
        with pytest.raises(EngineError, match=r"tiny \(vit\) can't be loaded"):
            TransformersClassification(context(tmp_path / "part"))

    def test_one_with_half_a_file(self, tiny: Build, tmp_path: Path) -> None:
        shutil.copytree(tiny(tiny_vision.vit), tmp_path / "part")
        weights = tmp_path / "part" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
        with pytest.raises(EngineError, match=r"tiny \(vit\) can't be loaded"):
            TransformersClassification(context(tmp_path / "part"))

    def test_a_model_of_another_kind(self, tiny: Build) -> None:
        with pytest.raises(EngineError, match=r"tiny \(vit\) can't be loaded"):
            TransformersDetection(context(tiny(tiny_vision.vit)))

    def test_a_captioner_is_no_chat_model(self, tiny: Build) -> None:
        with pytest.raises(EngineError, match="no chat template"):
            VisionChat(context(tiny(tiny_vision.blip_captioning)))

    def test_code_in_the_folder_is_not_run(self, tiny: Build, tmp_path: Path) -> None:
        folder = tmp_path / "sly"
        shutil.copytree(tiny(tiny_vision.vit), folder)
        config = json.loads((folder / "config.json").read_text())
        config |= {"model_type": "sly", "auto_map": {"AutoConfig": "sly.Sly"}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "sly.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        with pytest.raises(EngineError):
            TransformersClassification(context(folder))
        assert not (tmp_path / "ran").exists()

    def test_a_model_that_needs_torchvision_says_so(self, tiny: Build, monkeypatch: pytest.MonkeyPatch) -> None:
        from transformers import AutoModelForImageClassification

        def fail(*_: Any, **__: Any) -> None:
            raise ImportError("Qwen2VLVideoProcessor requires the Torchvision library but it was not found")

        monkeypatch.setattr(AutoModelForImageClassification, "from_pretrained", fail)
        with pytest.raises(MissingExtraError, match="pip install torchvision"):
            TransformersClassification(context(tiny(tiny_vision.vit)))


def test_pixels_that_are_not_a_number_never_come_out_of_a_blank_picture(tiny: Build) -> None:
    engine = TransformersClassification(context(tiny(tiny_vision.vit)))
    for colour in ("black", "white"):
        assert np.isfinite([each.score for each in engine.classify(Image.new("RGB", (300, 200), colour))]).all()
