"""Depth from one picture on tiny random weights, from two by matching, and depth as pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import tiny_depth_anything, tiny_midas, tiny_zoedepth

from engines.catalog import ModelEntry
from engines.errors import EngineError, InputError
from engines.image.draw_depth import colour_map, depth_map, millimetres
from engines.image.read import read_image
from engines.image.stereo import BlockMatching
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken

MEDIA = Path(__file__).parents[1] / "media"
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "depth-anything": tiny_depth_anything,
    "midas": tiny_midas,
    "zoedepth": tiny_zoedepth,
}


def context(folder: Path, **options: object) -> LoadContext:
    entry = ModelEntry(
        id="tried", title="Tried", capability="depth-estimation", engine="a:B", licence="MIT", options=options
    )
    return LoadContext(entry, folder)


@pytest.fixture(scope="session")
def depth_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("transformers", reason="needs the extra `transformers`")
    return {name: build(tmp_path_factory.mktemp(name)) for name, build in BUILDERS.items()}


@pytest.mark.parametrize("name", list(BUILDERS))
class TestOnePicture:
    def test_each_pixel_has_a_depth(self, name: str, depth_folders: dict[str, Path]) -> None:
        from engines.image.depth import MonocularDepth

        engine = MonocularDepth(context(depth_folders[name]))
        heard: list[float | None] = []
        found = engine.estimate_depth(
            read_image(MEDIA / "chelsea.jpg"), on_progress=lambda share, message: heard.append(share)
        )
        assert found.nearness.shape == (300, 451)
        assert found.nearness.dtype == np.float32
        assert np.isfinite(found.nearness).all()
        if name == "zoedepth":
            assert found.metres is not None
            assert found.metres.dtype == np.float32
            assert 0 < found.metres.min() <= found.metres.max() <= 10
            assert np.allclose(found.nearness * found.metres, 1)
        else:
            assert found.metres is None
        assert heard[-1] == 1.0
        engine.close()

    @pytest.mark.parametrize("size", [(1, 1), (300, 2), (2, 300)])
    def test_odd_shapes(self, name: str, size: tuple[int, int], depth_folders: dict[str, Path]) -> None:
        from engines.image.depth import MonocularDepth

        found = MonocularDepth(context(depth_folders[name])).estimate_depth(Image.new("RGB", size))
        assert found.nearness.shape == (size[1], size[0])
        assert np.isfinite(found.nearness).all()

    def test_it_stops_between_two_layers_and_works_again(self, name: str, depth_folders: dict[str, Path]) -> None:
        from engines.image.depth import MonocularDepth

        engine = MonocularDepth(context(depth_folders[name]))
        cancel = CancelToken()
        image = Image.new("RGB", (64, 64))
        with pytest.raises(Cancelled):
            engine.estimate_depth(image, on_progress=lambda share, message: cancel.set(), cancel=cancel)
        assert engine.estimate_depth(image).nearness.shape == (64, 64)


def test_a_depth_anything_that_was_trained_on_metres_gives_them(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra `transformers`")
    from engines.image.depth import MonocularDepth

    found = MonocularDepth(context(tiny_depth_anything(tmp_path, metric=True))).estimate_depth(
        Image.new("RGB", (60, 40))
    )
    assert found.metres is not None
    assert 0 < found.metres.max() <= 20


def test_a_large_picture_gets_its_depth_at_full_size(depth_folders: dict[str, Path]) -> None:
    from engines.image.depth import MonocularDepth

    found = MonocularDepth(context(depth_folders["midas"])).estimate_depth(Image.new("RGB", (5472, 3648)))
    assert found.nearness.shape == (3648, 5472)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra `transformers`")
    from engines.image.depth import MonocularDepth

    with pytest.raises(EngineError, match="sensorium models pull tried"):
        MonocularDepth(context(tmp_path))


def shifted(disparity: np.ndarray) -> tuple[Image.Image, Image.Image]:
    """A left picture of random texture, and the right one in which each place lies ``disparity`` px further left."""
    height, width = disparity.shape
    small = np.random.default_rng(3).integers(0, 256, (height // 2, width // 2, 3), np.uint8)
    left = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    right = np.zeros_like(left)
    for distance in np.unique(disparity):  # the near ones, which hide the far ones, come last
        rows, columns = np.nonzero(disparity == distance)
        there = columns - int(distance)
        seen = there >= 0
        right[rows[seen], there[seen]] = left[rows[seen], columns[seen]]
    return Image.fromarray(left), Image.fromarray(right)


class TestStereo:
    @pytest.fixture
    def matcher(self) -> BlockMatching:
        pytest.importorskip("cv2", reason="needs OpenCV: the extra `vision`")
        return BlockMatching(context(Path()))

    def test_a_box_before_a_wall(self, matcher: BlockMatching) -> None:
        truth = np.full((200, 300), 6)
        truth[60:140, 120:220] = 20
        left, right = shifted(truth)
        found = matcher.match(left, right)
        assert found.metres is None
        assert found.disparity_px.shape == (200, 300)
        assert np.nanmedian(np.abs(found.disparity_px[70:130, 130:210] - 20)) < 0.5
        assert np.nanmedian(np.abs(found.disparity_px[:50, 30:] - 6)) < 0.5
        assert np.isfinite(found.disparity_px[:, 30:]).mean() > 0.85

    def test_metres_by_focal_length_and_baseline(self, matcher: BlockMatching) -> None:
        left, right = shifted(np.full((120, 240), 12))
        found = matcher.match(left, right, focal_px=600, baseline_m=0.1)
        assert found.metres is not None
        assert np.nanmedian(found.metres) == pytest.approx(600 * 0.1 / 12, rel=0.03)

    def test_a_large_pair_is_matched_small_and_counted_in_its_own_px(self, matcher: BlockMatching) -> None:
        left, right = (side.resize((2400, 1200), Image.Resampling.BICUBIC) for side in shifted(np.full((200, 400), 10)))
        found = matcher.match(left, right)
        assert found.disparity_px.shape == (1200, 2400)
        assert np.nanmedian(found.disparity_px) == pytest.approx(60, abs=3)

    def test_what_is_not_in_the_right_picture_has_no_match(self, matcher: BlockMatching) -> None:
        left, _ = shifted(np.full((100, 200), 4))
        grey = Image.new("RGB", left.size, "gray")
        assert np.isnan(matcher.match(left, grey).disparity_px).mean() > 0.9

    @pytest.mark.parametrize(
        ("sizes", "camera", "message"),
        [
            (((100, 80), (100, 81)), {}, "differ in size: 100 x 80 px and 100 x 81 px"),
            (((16, 80), (16, 80)), {}, "too small"),
            (((100, 80), (100, 80)), {"focal_px": 500.0}, "both the focal length"),
            (((100, 80), (100, 80)), {"focal_px": 500.0, "baseline_m": 0.0}, "above 0"),
            (((100, 80), (100, 80)), {"focal_px": float("nan"), "baseline_m": 1.0}, "above 0"),
        ],
    )
    def test_pairs_that_can_not_be_matched(
        self, matcher: BlockMatching, sizes: tuple[tuple[int, int], ...], camera: dict[str, float], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            matcher.match(*(Image.new("RGB", size) for size in sizes), **camera)

    def test_nothing_is_done_when_nobody_waits(self, matcher: BlockMatching) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            matcher.match(Image.new("RGB", (80, 80)), Image.new("RGB", (80, 80)), cancel=cancel)


class TestPictures:
    def test_nearer_is_brighter_and_unknown_is_dark(self) -> None:
        grey = depth_map(np.array([[1, 3], [2, np.nan]], np.float32))
        assert grey.mode == "I;16"
        assert np.asarray(grey).tolist() == [[0, 65535], [32768, 0]]

    def test_colours_grow_brighter_and_unknown_is_grey(self) -> None:
        shown = colour_map(np.linspace(0, 9, 100, dtype=np.float32).reshape(1, 100))
        light = np.asarray(shown.convert("L"), int)[0]
        assert (np.diff(light) >= 0).all()
        assert colour_map(np.array([[np.nan, 1.0]], np.float32)).getpixel((0, 0)) == (128, 128, 128)

    def test_everything_equally_far_and_nothing_known(self) -> None:
        assert depth_map(np.ones((2, 3), np.float32)).size == (3, 2)
        assert colour_map(np.full((2, 3), np.nan, np.float32)).getcolors() == [(6, (128, 128, 128))]

    def test_millimetres(self) -> None:
        found = np.asarray(millimetres(np.array([[1.5, 80.0, np.nan, np.inf, -1.0]], np.float32)))
        assert found.dtype == np.uint16
        assert found.tolist() == [[1500, 0, 0, 0, 0]]
