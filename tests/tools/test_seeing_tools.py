"""Finding, classifying, describing and reading, as tools: with the embedded engines, and with a user's own models."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from homes import MEDIA, scripted_app
from PIL import Image

from agent.app import App, open_app
from engines.errors import InputError, MissingWeightsError, NotFoundError
from memory.artifact_types import Lineage
from tools.registry import Outcome

Run = Callable[..., Awaitable[Outcome]]

OWN = """
[[model]]
id = "my-detector"
title = "My detector"
capability = "object-detection"
engine = "engines.image.transformers_detection:TransformersDetection"
licence = "Apache-2.0"
extra = "transformers"
snapshot = {{ folder = '{rt_detr}' }}

[[model]]
id = "my-searcher"
title = "My searcher"
capability = "open-detection"
engine = "engines.image.transformers_detection:OpenVocabularyDetection"
licence = "Apache-2.0"
extra = "transformers"
snapshot = {{ folder = '{owlv2}' }}

[[model]]
id = "my-captioner"
title = "My captioner"
capability = "image-captioning"
engine = "engines.image.transformers_describing:TransformersCaptioning"
licence = "Apache-2.0"
extra = "transformers"
options = {{ max_tokens = 6 }}
snapshot = {{ folder = '{blip_captioning}' }}
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


async def run_in(app: App, tool: str, picture: Path | Image.Image, **args: Any) -> Outcome:
    lineage = Lineage(tool="upload")
    if isinstance(picture, Image.Image):
        ref = await app.artifacts.add_bytes(_png(picture), name="given.png", lineage=lineage)
    else:
        ref = await app.artifacts.add_file(picture, name=picture.name, lineage=lineage)
    return await app.tools.run(tool, {"image": ref.id, **args}, call_id="1", emit=lambda body: None)


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """With the embedded engines only."""
    async with scripted_app(tmp_path, []) as app:

        async def call(tool: str, picture: Path | Image.Image, **args: Any) -> Outcome:
            return await run_in(app, tool, picture, **args)

        yield call


@pytest.fixture(scope="session")
def own_models(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("torch", reason="needs the extra transformers")
    pytest.importorskip("transformers", reason="needs the extra transformers")
    import tiny_vision

    builders = (tiny_vision.rt_detr, tiny_vision.owlv2, tiny_vision.blip_captioning)
    return OWN.format(**{build.__name__: build(tmp_path_factory.mktemp(build.__name__)) for build in builders})


@pytest.fixture
async def run_own(tmp_path: Path, own_models: str) -> AsyncIterator[Run]:
    """With a user's own models beside them."""
    (tmp_path / "catalog.toml").write_text(own_models, "utf-8")
    async with open_app() as app:

        async def call(tool: str, picture: Path | Image.Image, **args: Any) -> Outcome:
            return await run_in(app, tool, picture, **args)

        yield call


class TestDetectObjects:
    async def test_several_kinds_at_once(self, run: Run) -> None:
        outcome = await run("detect_objects", MEDIA / "chelsea.jpg", target="person, cat")
        assert outcome.result.summary() == "Found in the picture: 1 cat."
        assert outcome.result.target == "person, cat"

    async def test_what_the_detector_does_not_know_is_told_with_what_would_find_it(self, run: Run) -> None:
        with pytest.raises(
            InputError, match=r"'red flag' is nothing the model knows.*sensorium models pull owlv2-base"
        ):
            await run("detect_objects", MEDIA / "chelsea.jpg", target="red flag")

    async def test_a_ready_searcher_finds_what_the_detector_does_not_know(self, run_own: Run) -> None:
        outcome = await run_own("detect_objects", MEDIA / "chelsea.jpg", target="striped cat", threshold=0.05)
        assert [receipt.model for receipt in outcome.receipts][-1] == "my-searcher"
        assert set(outcome.result.counts) <= {"striped cat"}

    async def test_a_ready_detector_takes_over_from_the_embedded_one(self, run_own: Run) -> None:
        outcome = await run_own("detect_objects", MEDIA / "chelsea.jpg", threshold=0.05)
        assert [receipt.model for receipt in outcome.receipts] == ["my-detector"]
        outcome = await run_own("detect_objects", MEDIA / "chelsea.jpg", model="nanodet-416")
        assert outcome.result.counts == {"cat": 1}

    async def test_weights_that_are_not_here(self, run: Run) -> None:
        pytest.importorskip("transformers")
        with pytest.raises(MissingWeightsError, match="sensorium models pull dfine-small"):
            await run("detect_objects", MEDIA / "chelsea.jpg", model="dfine-small")

    async def test_a_model_for_something_else(self, run: Run) -> None:
        with pytest.raises(NotFoundError, match="does image-classification, not object-detection"):
            await run("detect_objects", MEDIA / "chelsea.jpg", model="efficientnet-lite0")


class TestClassifyImage:
    async def test_a_cat(self, run: Run) -> None:
        outcome = await run("classify_image", MEDIA / "chelsea.jpg", top=2)
        assert len(outcome.result.classes) == 2
        assert outcome.result.summary().startswith("The picture most likely shows: Egyptian cat (")

    async def test_a_guess_is_called_one(self, run: Run) -> None:
        outcome = await run("classify_image", Image.new("RGB", (300, 200), "white"))
        assert outcome.result.summary().startswith("No class that the model knows fits the picture well")


class TestReadText:
    @pytest.fixture(autouse=True)
    def _needs_vision(self) -> None:
        pytest.importorskip("rapidocr_onnxruntime", reason="the extra vision is not installed")

    async def test_a_page(self, run: Run) -> None:
        from pages import lines_page

        outcome = await run("read_text", lines_page(["Departures", "Platform 9 at 18:45"]))
        assert outcome.result.text == "Departures\nPlatform 9 at 18:45"
        assert outcome.result.shows_text
        assert outcome.result.summary() == "The picture says:\nDepartures\nPlatform 9 at 18:45"
        assert [artifact.kind for artifact in outcome.artifacts] == ["image"]

    async def test_a_picture_without_text(self, run: Run) -> None:
        outcome = await run("read_text", Image.new("RGB", (300, 200), "white"))
        assert outcome.result.text == ""
        assert "no text" in outcome.result.summary()


class TestCaptionImage:
    async def test_put_together_from_parts_and_said_to_be(self, run: Run) -> None:
        pytest.importorskip("rapidocr_onnxruntime", reason="the extra vision is not installed")
        outcome = await run("caption_image", MEDIA / "chelsea.jpg")
        assert outcome.result.text.startswith("The picture shows one cat (middle). As a whole it looks most like: ")
        (receipt,) = outcome.receipts
        assert receipt.model == "caption-from-parts"
        assert "Not a model that sees" in receipt.note

    async def test_a_ready_captioner_takes_over(self, run_own: Run) -> None:
        outcome = await run_own("caption_image", MEDIA / "chelsea.jpg")
        assert [receipt.model for receipt in outcome.receipts] == ["my-captioner"]
        assert outcome.result.text

    async def test_a_model_that_is_not_here_and_one_that_can_t_be_asked(self, run: Run) -> None:
        with pytest.raises(NotFoundError, match="does image-captioning, not visual-question-answering"):
            await run("caption_image", MEDIA / "chelsea.jpg", question="Why?", model="florence-2-base")
        pytest.importorskip("transformers")
        with pytest.raises(MissingWeightsError, match="sensorium models pull florence-2-base"):
            await run("caption_image", MEDIA / "chelsea.jpg", model="florence-2-base")
