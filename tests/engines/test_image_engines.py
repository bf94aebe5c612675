"""Finding objects in pictures with the detector that comes with the project, and drawing them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines.catalog import ModelEntry
from engines.errors import EngineError, InputError
from engines.image.draw import draw_boxes
from engines.image.nanodet import NanoDet
from engines.image.read import read_image
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import Box

MEDIA = Path(__file__).parents[1] / "media"
WEIGHTS = Path(__file__).parents[2] / "engines" / "data" / "nanodet"


def context(folder: Path) -> LoadContext:
    entry = ModelEntry(
        id="nanodet-416",
        title="NanoDet",
        capability="object-detection",
        engine="engines.image.nanodet:NanoDet",
        licence="Apache-2.0",
    )
    return LoadContext(entry, folder)


@pytest.fixture(scope="module")
def detector() -> NanoDet:
    return NanoDet(context(WEIGHTS))


def overlap(box: Box, left: float, top: float, right: float, bottom: float) -> float:
    width = min(box.right, right) - max(box.left, left)
    height = min(box.bottom, bottom) - max(box.top, top)
    shared = max(0.0, width) * max(0.0, height)
    areas = (box.right - box.left) * (box.bottom - box.top) + (right - left) * (bottom - top)
    return shared / (areas - shared)


class TestDetection:
    def test_the_person_in_a_portrait_and_where(self, detector: NanoDet) -> None:
        (person,) = detector.detect(read_image(MEDIA / "astronaut.jpg"))
        assert person.label == "person"
        assert person.score > 0.6
        assert overlap(person, 20, 14, 365, 512) > 0.85

    def test_the_cat_fills_a_picture_that_is_not_square(self, detector: NanoDet) -> None:
        (cat,) = detector.detect(read_image(MEDIA / "chelsea.jpg"))
        assert cat.label == "cat"
        assert overlap(cat, 0, 0, 451, 300) > 0.8

    @pytest.mark.parametrize("size", [(1536, 1024), (1024, 1536)], ids=["wide", "tall"])
    def test_boxes_are_in_px_of_the_picture_that_was_given(self, detector: NanoDet, size: tuple[int, int]) -> None:
        portrait = read_image(MEDIA / "astronaut.jpg")
        wall = Image.new("RGB", size, (120, 120, 120))
        offset = (size[0] - 700, size[1] - 800)
        wall.paste(portrait, offset)
        person, *_ = [box for box in detector.detect(wall) if box.label == "person"]
        x, y = offset
        assert overlap(person, x + 20, y + 14, x + 365, y + 512) > 0.8

    def test_several_things_of_one_kind(self, detector: NanoDet) -> None:
        portrait = read_image(MEDIA / "astronaut.jpg")
        row = Image.new("RGB", (1024, 512))
        row.paste(portrait, (0, 0))
        row.paste(portrait, (512, 0))
        people = [box for box in detector.detect(row) if box.label == "person"]
        assert len(people) == 2
        assert abs(people[0].left - people[1].left) > 400

    def test_best_first_and_never_below_the_threshold(self, detector: NanoDet) -> None:
        boxes = detector.detect(read_image(MEDIA / "astronaut.jpg"), threshold=0.1)
        scores = [box.score for box in boxes]
        assert len(scores) > 2
        assert scores == sorted(scores, reverse=True)
        assert min(scores) >= 0.1
        assert all(0 <= box.left < box.right <= 512 and 0 <= box.top < box.bottom <= 512 for box in boxes)

    def test_boxes_of_one_kind_that_show_one_thing_are_merged(self, detector: NanoDet) -> None:
        boxes = detector.detect(read_image(MEDIA / "astronaut.jpg"), threshold=0.05)
        for number, box in enumerate(boxes):
            same = [other for other in boxes[number + 1 :] if other.label == box.label]
            assert all(overlap(box, other.left, other.top, other.right, other.bottom) <= 0.61 for other in same)

    def test_nothing_in_an_empty_picture(self, detector: NanoDet) -> None:
        assert detector.detect(Image.new("RGB", (300, 200), "white")) == ()

    @pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000)])
    def test_odd_shapes(self, detector: NanoDet, size: tuple[int, int]) -> None:
        detector.detect(Image.new("RGB", size), threshold=0.0)

    def test_the_classes_of_coco(self, detector: NanoDet) -> None:
        assert len(detector.labels) == len(set(detector.labels)) == 80
        assert (detector.labels[0], detector.labels[15], detector.labels[79]) == ("person", "cat", "toothbrush")

    @pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
    def test_a_threshold_outside_its_range(self, detector: NanoDet, threshold: float) -> None:
        with pytest.raises(InputError, match="between 0 and 1"):
            detector.detect(Image.new("RGB", (8, 8)), threshold=threshold)

    def test_nothing_is_done_when_nobody_waits(self, detector: NanoDet) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            detector.detect(Image.new("RGB", (8, 8)), cancel=cancel)

    def test_a_broken_file_is_an_engine_error_that_says_how_to_mend_it(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match="holds 0"):
            NanoDet(context(tmp_path))
        (tmp_path / "model.onnx").write_bytes(b"not a model")
        with pytest.raises(EngineError, match=r"can't be loaded.*sensorium models pull nanodet-416"):
            NanoDet(context(tmp_path))


class TestDrawing:
    def changed(self, image: Image.Image, drawn: Image.Image) -> np.ndarray:
        return np.any(np.asarray(image) != np.asarray(drawn), axis=2)

    def test_the_frame_runs_along_the_edges_and_the_inside_stays(self) -> None:
        image = Image.new("RGB", (400, 300), "gray")
        changed = self.changed(image, draw_boxes(image, [Box("cat", 0.9, 100, 100, 300, 250)]))
        assert changed[100:250, 100].all()
        assert changed[249, 100:300].all()
        assert changed[100:250, 299].all()
        assert not changed[110:240, 110:290].any()
        assert not changed[:, 301:].any()

    def test_the_picture_that_was_given_stays_as_it_is(self) -> None:
        image = Image.new("RGB", (400, 300), "gray")
        draw_boxes(image, [Box("cat", 0.9, 100, 100, 300, 250)])
        assert image.getcolors() == [(400 * 300, (128, 128, 128))]

    def test_each_label_has_its_colour(self) -> None:
        image = Image.new("RGB", (400, 300), "gray")
        boxes = [
            Box("cat", 0.9, 10, 100, 90, 200),
            Box("dog", 0.8, 110, 100, 190, 200),
            Box("cat", 0.7, 210, 100, 290, 200),
        ]
        drawn = draw_boxes(image, boxes)
        first, second, third = (drawn.getpixel((box.left, 150)) for box in boxes)
        assert first == third != second

    @pytest.mark.parametrize("width", [200, 4000])
    def test_letters_grow_with_the_picture(self, width: int) -> None:
        image = Image.new("RGB", (width, width), "gray")
        changed = self.changed(
            image, draw_boxes(image, [Box("i", 0.9, width * 0.4, width * 0.5, width * 0.6, width * 0.6)])
        )
        tag = changed[: int(width * 0.5) - 1].any(axis=1).sum()  # rows of the label above the frame
        assert 0.02 < tag / width < 0.12
        assert tag >= 11

    @pytest.mark.parametrize("corner", [(0, 0), (350, 0), (0, 270), (350, 270)])
    def test_a_label_at_the_edge_stays_inside_the_picture(self, corner: tuple[int, int]) -> None:
        image = Image.new("RGB", (400, 300), "gray")
        x, y = corner
        drawn = draw_boxes(image, [Box("refrigerator", 0.91, x, y, x + 50, y + 30)])
        colours = {colour: count for count, colour in drawn.getcolors(100_000)}
        frame = drawn.getpixel((x, y + 29))
        assert colours[frame] > 800, "the tag is a filled rectangle of the frame's colour"
        assert any(sum(colour) < 60 for colour in colours), "dark letters stand on the bright tag"

    def test_tiny_pictures_and_boxes(self) -> None:
        assert draw_boxes(Image.new("RGB", (1, 1)), [Box("cat", 1.0, 0, 0, 0.2, 0.2)]).size == (1, 1)
