"""Outlines from boxes and clicks: the embedded ways on real pictures, Segment Anything on tiny random weights."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tiny_segmentation import tiny_sam, tiny_sam2

pytest.importorskip("cv2", reason="needs OpenCV: the extra `vision`")

from engines.catalog import ModelEntry
from engines.errors import EngineError, InputError
from engines.image.grabcut import GrabCut
from engines.image.matte import cut_out, enlarge, iou, polygons, shrink, soften, tidy
from engines.image.people import people_in_boxes
from engines.image.read import read_image
from engines.image.u2net import U2Net
from engines.loading import LoadContext
from engines.progress import NEVER, Cancelled, CancelToken
from engines.protocols import Box, Point
from engines.slots import resident_bytes

MEDIA = Path(__file__).parents[1] / "media"
DATA = Path(__file__).parents[2] / "engines" / "data"


def context(folder: Path, **more: object) -> LoadContext:
    entry = ModelEntry(id="tried", title="Tried", capability="segmentation", engine="a:B", licence="MIT", **more)
    return LoadContext(entry, folder)


def disc(size: tuple[int, int], box: tuple[int, int, int, int]) -> tuple[Image.Image, np.ndarray]:
    """An orange disc on a blue-grey ground with grain, and its truth."""
    truth = Image.new("1", size)
    ImageDraw.Draw(truth).ellipse(box, fill=1)
    grain = np.random.default_rng(1).normal(0, 6, (size[1], size[0], 1))
    ground = Image.fromarray((np.array([90, 110, 130]) + grain).clip(0, 255).astype(np.uint8))
    ground.paste(Image.new("RGB", size, (230, 120, 40)), mask=truth)
    return ground, np.asarray(truth)


@pytest.fixture(scope="module")
def u2net() -> U2Net:
    return U2Net(context(DATA / "u2net"))


@pytest.fixture(scope="module")
def cutout(u2net: U2Net) -> GrabCut:
    given = context(Path())
    return GrabCut(LoadContext(given.entry, Path(), parts={"saliency": u2net}))


@pytest.fixture(scope="module")
def grabcut() -> GrabCut:
    return GrabCut(context(Path()))


class TestSaliency:
    def test_what_the_picture_is_of(self, u2net: U2Net) -> None:
        image, truth = disc((400, 300), (120, 60, 280, 220))
        found = u2net.find_salient(image)
        assert found.shape == (300, 400)
        assert found.dtype == np.float32
        assert 0 <= found.min() <= found.max() <= 1
        assert iou(found > 0.5, truth) > 0.9

    def test_the_portrait_without_its_background(self, u2net: U2Net) -> None:
        found = u2net.find_salient(read_image(MEDIA / "astronaut.jpg")) > 0.5
        assert found[60:110, 190:260].all(), "the face"
        assert found[300:450, 100:220].mean() > 0.95, "the suit"
        assert not found[20:150, 330:500].any(), "the wall and the rocket"

    @pytest.mark.parametrize("size", [(1, 1), (2000, 3)])
    def test_odd_shapes(self, u2net: U2Net, size: tuple[int, int]) -> None:
        assert u2net.find_salient(Image.new("RGB", size)).shape == (size[1], size[0])

    def test_a_folder_without_weights(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"holds 0.*sensorium models pull tried"):
            U2Net(context(tmp_path))


@pytest.mark.parametrize("name", ["cutout", "grabcut"])
class TestEmbedded:
    @pytest.fixture
    def engine(self, name: str, request: pytest.FixtureRequest) -> GrabCut:
        return request.getfixturevalue(name)

    def test_a_box_and_a_click_find_the_disc(self, engine: GrabCut) -> None:
        image, truth = disc((420, 300), (150, 80, 290, 220))
        (by_box,) = engine.segment(image, boxes=[Box("ball", 0.9, 145, 74, 296, 225)])
        (by_click,) = engine.segment(image, points=[Point(220, 150)])
        assert iou(by_box.pixels, truth) > 0.95
        assert iou(by_click.pixels, truth) > 0.95
        assert (by_box.label, by_click.label) == ("ball", "")
        assert 0 < by_box.score <= 1

    def test_one_mask_for_each_box_in_order(self, engine: GrabCut) -> None:
        image, first = disc((420, 300), (30, 80, 150, 200))
        second = Image.new("1", image.size)
        ImageDraw.Draw(second).rectangle((250, 60, 380, 240), fill=1)
        image.paste(Image.new("RGB", image.size, (40, 160, 60)), mask=second)
        boxes = [Box("door", 1, 244, 54, 386, 246), Box("ball", 1, 25, 75, 155, 205)]
        masks = engine.segment(image, boxes=boxes)
        assert [mask.label for mask in masks] == ["door", "ball"]
        assert iou(masks[0].pixels, np.asarray(second)) > 0.95
        assert iou(masks[1].pixels, first) > 0.95

    def test_a_point_beside_the_thing_takes_that_away(self, engine: GrabCut) -> None:
        image, _ = disc((420, 300), (30, 80, 150, 200))
        ImageDraw.Draw(image).ellipse((230, 80, 350, 200), fill=(230, 120, 40))
        box = Box("balls", 1, 20, 70, 360, 210)
        (mask,) = engine.segment(image, boxes=[box], points=[Point(90, 140), Point(290, 140, inside=False)])
        assert mask.pixels[140, 90]
        assert not mask.pixels[140, 290]

    def test_a_large_picture_is_worked_on_small_and_its_mask_is_large(self, engine: GrabCut) -> None:
        small, disc_there = disc((684, 456), (225, 112, 450, 337))
        image = small.resize((5472, 3648))
        truth = np.asarray(Image.fromarray(disc_there).resize(image.size))
        (mask,) = engine.segment(image, boxes=[Box("ball", 1, 1750, 850, 3650, 2750)])
        assert mask.pixels.shape == (3648, 5472)
        assert mask.pixels.dtype == np.bool_
        assert iou(mask.pixels, truth) > 0.95

    @pytest.mark.parametrize("size", [(1, 1), (3, 90), (90, 3), (5, 5)])
    def test_odd_shapes(self, engine: GrabCut, size: tuple[int, int]) -> None:
        image = Image.new("RGB", size, "red")
        (mask,) = engine.segment(image, boxes=[Box("", 1, 0, 0, *size)])
        assert mask.pixels.shape == (size[1], size[0])
        (mask,) = engine.segment(image, points=[Point(0, 0)])
        assert mask.pixels.shape == (size[1], size[0])

    def test_the_same_answer_every_time(self, engine: GrabCut) -> None:
        image = shrink(read_image(MEDIA / "chelsea.jpg"), 200)
        box = Box("cat", 1, 5, 2, 190, 130)
        first, second = (engine.segment(image, boxes=[box])[0].pixels for _ in range(2))
        assert (first == second).all()

    def test_nothing_is_done_when_nobody_waits(self, engine: GrabCut) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            engine.segment(Image.new("RGB", (80, 80)), points=[Point(4, 4)], cancel=cancel)


def test_memory_does_not_grow(cutout: GrabCut) -> None:
    image, _ = disc((160, 120), (40, 20, 120, 100))
    box = Box("ball", 1, 35, 15, 125, 105)
    for _ in range(3):
        cutout.segment(image, boxes=[box])
    gc.collect()
    before = resident_bytes()
    for _ in range(8):
        cutout.segment(image, boxes=[box])
    gc.collect()
    assert resident_bytes() - before < 12_000_000


class TestPrompts:
    @pytest.mark.parametrize(
        ("points", "boxes", "message"),
        [
            ([], [], "Nothing says what to outline"),
            ([Point(1, 1)], [Box("", 1, 0, 0, 5, 5)] * 2, "Points can refine one box"),
            ([Point(1, 1, inside=False)], [], "Every point is beside"),
            ([Point(80, 1)], [], r"outside the picture.*x goes from 0 to 79"),
            ([Point(float("nan"), 1)], [], "outside the picture"),
            ([], [Box("", 1, 90, 0, 95, 5)], "no area in the picture"),
            ([], [Box("", 1, 10, 10, 10, 20)], "no area in the picture"),
            ([], [Box("", 1, float("nan"), 0, 9, 9)], "no area in the picture"),
        ],
    )
    def test_what_can_not_be_outlined_is_said(
        self, grabcut: GrabCut, points: list[Point], boxes: list[Box], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            grabcut.segment(Image.new("RGB", (80, 60)), points=points, boxes=boxes)

    def test_a_box_is_cut_to_the_picture(self, grabcut: GrabCut) -> None:
        image, truth = disc((200, 200), (40, 40, 160, 160))
        (mask,) = grabcut.segment(image, boxes=[Box("", 1, -300, -300, 900, 900)])
        assert iou(mask.pixels, truth) > 0.9


class _Seer:
    """Sees a person wherever the picture is brighter than half."""

    capability = "person-segmentation"

    def segment_people(self, image: Image.Image, *, on_progress: object = None, cancel: object = None) -> np.ndarray:
        return (np.asarray(image.convert("L"), np.float32) > 127).astype(np.float32)

    def close(self) -> None: ...


class TestPeople:
    def test_two_who_touch_are_parted_where_their_boxes_meet(self) -> None:
        image = Image.new("RGB", (300, 200))
        ImageDraw.Draw(image).rectangle((50, 50, 249, 199), fill="white")
        left, right = people_in_boxes(
            image, [Box("person", 1, 50, 50, 150, 200), Box("person", 1, 150, 50, 250, 200)], _Seer(), NEVER
        )
        assert left is not None
        assert right is not None
        assert not (left.pixels & right.pixels).any()
        assert left.pixels[100, 50:149].all()
        assert right.pixels[100, 151:250].all()

    def test_someone_who_goes_on_beyond_the_box_is_seen_whole(self) -> None:
        image = Image.new("RGB", (400, 200))
        ImageDraw.Draw(image).rectangle((50, 50, 299, 199), fill="white")
        (mask,) = people_in_boxes(image, [Box("person", 1, 50, 50, 200, 200)], _Seer(), NEVER)
        assert mask is not None
        assert mask.pixels[100, 50:300].all()
        assert not mask.pixels[100, 305:].any()

    def test_nobody_there(self) -> None:
        assert people_in_boxes(Image.new("RGB", (90, 90)), [Box("person", 1, 9, 9, 80, 80)], _Seer(), NEVER) == [None]

    def test_the_portrait(self) -> None:
        pytest.importorskip("mediapipe", reason="needs mediapipe, see the extra `vision`")
        from engines.image.selfie import SelfieSegmentation

        selfie = SelfieSegmentation(context(Path()))
        image = read_image(MEDIA / "astronaut.jpg")
        (mask,) = people_in_boxes(image, [Box("person", 0.7, 15, 14, 364, 509)], selfie, NEVER)
        assert mask is not None
        assert mask.pixels[60:110, 190:260].all(), "the face"
        assert mask.pixels[300:450, 100:220].mean() > 0.98, "the suit"
        assert not mask.pixels[20:150, 330:500].any(), "the wall and the rocket"
        for size in ((1, 1), (3000, 2)):
            assert selfie.segment_people(Image.new("RGB", size)).shape == (size[1], size[0])
        selfie.close()


class TestMatte:
    def test_bits_and_pinholes_go_and_real_holes_stay(self) -> None:
        mask = np.zeros((100, 100), bool)
        mask[10:90, 10:90] = True
        mask[30:60, 30:60] = False
        mask[70:72, 70:72] = False
        mask[2:4, 2:4] = True
        tidied = tidy(mask)
        assert not tidied[2:4, 2:4].any()
        assert tidied[70:72, 70:72].all()
        assert not tidied[30:60, 30:60].any()

    def test_the_part_that_was_clicked_stays_however_small(self) -> None:
        mask = np.zeros((100, 100), bool)
        mask[:, 30:] = True
        mask[5:9, 5:9] = True
        seeds = np.zeros_like(mask)
        seeds[6, 6] = True
        assert tidy(mask, seeds=seeds).sum() == 16

    def test_nothing_and_everything_pass(self) -> None:
        image = Image.new("RGB", (20, 10), "white")
        for mask in (np.zeros((10, 20), bool), np.ones((10, 20), bool)):
            assert (tidy(mask) == mask).all()
            alpha = soften(image, mask)
            assert (alpha == mask).all()
            assert cut_out(image, alpha).getextrema()[3] == (mask.min() * 255, mask.max() * 255)

    def test_a_rough_outline_is_drawn_to_the_edge(self) -> None:
        image, truth = disc((600, 600), (150, 150, 450, 450))
        rough = np.roll(truth, 2, axis=1)
        alpha = soften(image, rough)
        assert alpha.dtype == np.float32
        assert iou(alpha > 0.5, truth) > iou(rough, truth)
        assert alpha[300, 300] == 1
        assert alpha[20, 20] == 0

    def test_the_rim_takes_the_colour_of_the_thing(self) -> None:
        image = Image.new("RGB", (120, 120), (0, 0, 255))
        ImageDraw.Draw(image).rectangle((30, 30, 89, 89), fill=(255, 0, 0))
        alpha = np.zeros((120, 120), np.float32)
        alpha[30:90, 30:90] = 1
        alpha[:, 90] = 0.4  # a column of the blue ground that was taken for half the thing
        cut = cut_out(image, alpha)
        red, _, blue, opacity = cut.getpixel((90, 60))
        assert red > blue
        assert opacity == 102
        assert cut.getpixel((60, 60)) == (255, 0, 0, 255)

    def test_outlines_in_px_the_largest_first(self) -> None:
        mask = np.zeros((100, 200), bool)
        mask[10:30, 10:30] = True
        mask[20:90, 60:160] = True
        large, small = polygons(mask)
        assert {tuple(corner) for corner in large} == {(60, 20), (60, 89), (159, 89), (159, 20)}
        assert {tuple(corner) for corner in small} == {(10, 10), (10, 29), (29, 29), (29, 10)}

    def test_masks_grow_without_stairs(self) -> None:
        _, small = disc((60, 60), (10, 10, 50, 50))
        _, large = disc((600, 600), (100, 100, 500, 500))
        assert iou(enlarge(small, (600, 600)), large) > 0.95


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers", reason="needs the extra `transformers`")
    return tiny_sam(tmp_path_factory.mktemp("sam"))


@pytest.fixture(scope="session")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers", reason="needs the extra `transformers`")
    return tiny_sam2(tmp_path_factory.mktemp("sam2"))


@pytest.mark.parametrize("kind", ["sam", "sam2"])
class TestSegmentAnything:
    @pytest.fixture
    def folder(self, kind: str, request: pytest.FixtureRequest) -> Path:
        return request.getfixturevalue(f"{kind}_folder")

    def test_points_boxes_and_both(self, folder: Path) -> None:
        from engines.image.sam import SegmentAnything

        engine = SegmentAnything(context(folder))
        image = read_image(MEDIA / "chelsea.jpg")
        heard: list[tuple[float | None, str]] = []
        boxes = [Box("cat", 1, 10, 20, 300, 200), Box("eye", 1, 130, 90, 190, 150)]
        masks = engine.segment(image, boxes=boxes, on_progress=lambda share, message: heard.append((share, message)))
        assert [mask.label for mask in masks] == ["cat", "eye"]
        assert all(mask.pixels.shape == (300, 451) and mask.pixels.dtype == np.bool_ for mask in masks)
        assert all(0 <= mask.score <= 1 for mask in masks)
        assert heard[0][1] == "looking at the picture"
        assert heard[-1] == (1.0, "outlined")
        assert len(engine.segment(image, points=[Point(100, 100), Point(9, 9, inside=False)])) == 1
        assert len(engine.segment(image, points=[Point(100, 100)], boxes=boxes[:1])) == 1
        engine.close()

    @pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
    def test_odd_shapes(self, folder: Path, size: tuple[int, int]) -> None:
        from engines.image.sam import SegmentAnything

        (mask,) = SegmentAnything(context(folder)).segment(Image.new("RGB", size), points=[Point(0, 0)])
        assert mask.pixels.shape == (size[1], size[0])

    def test_it_stops_between_two_layers_and_works_again(self, folder: Path) -> None:
        from engines.image.sam import SegmentAnything

        engine = SegmentAnything(context(folder))
        cancel = CancelToken()
        begun: list[str] = []

        def stop(share: float | None, message: str) -> None:
            begun.append(message)
            if len(begun) == 2:
                cancel.set()

        with pytest.raises(Cancelled):
            engine.segment(Image.new("RGB", (64, 64)), points=[Point(4, 4)], on_progress=stop, cancel=cancel)
        assert len(begun) == 2
        assert engine.segment(Image.new("RGB", (64, 64)), points=[Point(4, 4)])


def test_sam_sees_the_same_as_through_its_own_processor(sam_folder: Path) -> None:
    """Prompts and pixels are scaled here without the library's processor: the masks must be those it would give."""
    import torch
    from transformers import SamModel, SamProcessor
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    from engines.image.sam import SegmentAnything

    image = read_image(MEDIA / "chelsea.jpg").resize((64, 43))  # no shrinking: only the prompts' way is compared
    processor = SamProcessor(SamImageProcessorPil.from_pretrained(sam_folder))
    model = SamModel.from_pretrained(sam_folder).eval()
    box = [3.0, 5.0, 50.0, 30.0]
    inputs = processor(image, input_boxes=[[box]], return_tensors="pt")
    with torch.inference_mode():
        found = model(
            pixel_values=inputs["pixel_values"].float(),
            input_boxes=inputs["input_boxes"].float(),
            multimask_output=False,
        )
    (whole,) = processor.image_processor.post_process_masks(
        [found.pred_masks[0]], inputs["original_sizes"], inputs["reshaped_input_sizes"]
    )
    (mask,) = SegmentAnything(context(sam_folder)).segment(image, boxes=[Box("", 1, *box)])
    assert iou(mask.pixels, whole[0, 0].numpy()) > 0.99
    (other,) = SegmentAnything(context(sam_folder)).segment(image, boxes=[Box("", 1, 30, 20, 60, 40)])
    assert (other.pixels != mask.pixels).any(), "the box makes a difference"


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra `transformers`")
    from engines.image.sam import SegmentAnything

    with pytest.raises(EngineError, match="holds no model in the transformers format"):
        SegmentAnything(context(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(EngineError, match=r"the kind bert.*It knows: sam"):
        SegmentAnything(context(tmp_path))
