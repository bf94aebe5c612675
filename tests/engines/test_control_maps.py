"""The maps that ControlNets follow, drawn from pictures, depths and poses."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engines.errors import MissingExtraError
from engines.image.control_maps import canny_map, depth_map, pose_map, scribble_map
from engines.image.read import read_image
from engines.protocols import DepthMap, Landmark, Pose

MEDIA = Path(__file__).parents[1] / "media"


def disc(size: int = 400) -> Image.Image:
    image = Image.new("RGB", (size, size), "white")
    ImageDraw.Draw(image).circle((size / 2, size / 2), size / 4, fill="black")
    return image


@pytest.mark.parametrize("draw", [canny_map, scribble_map])
class TestLines:
    @pytest.fixture(autouse=True)
    def _opencv(self) -> None:
        pytest.importorskip("cv2", reason="needs the extra vision")

    def test_the_outline_is_white_and_all_else_black(self, draw: type) -> None:
        lines = np.asarray(draw(disc()))
        assert lines.shape == (400, 400, 3)
        assert set(np.unique(lines)) == {0, 255}
        ys, xs = np.nonzero(lines[..., 0])
        off = np.abs(np.hypot(xs - 200, ys - 200) - 100)
        assert off.max() < 12
        around = np.unique((np.arctan2(ys - 200, xs - 200) * 180 / np.pi).astype(int) // 10)
        assert len(around) == 36 or len(around) == 37

    def test_large_pictures_are_drawn_at_the_size_nets_were_trained_on(self, draw: type) -> None:
        assert draw(Image.new("RGB", (3000, 2000))).size == (768, 512)

    @pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3000)])
    def test_next_to_nothing_gives_no_lines(self, draw: type, size: tuple[int, int]) -> None:
        assert draw(Image.new("RGB", size, "grey")).getextrema() == ((0, 0),) * 3

    def test_a_photograph(self, draw: type) -> None:
        white = np.asarray(draw(read_image(MEDIA / "astronaut.jpg")))[..., 0].mean() / 255
        assert 0.03 < white < 0.3


def test_specks_are_no_lines() -> None:
    pytest.importorskip("cv2", reason="needs the extra vision")
    noise = np.random.default_rng(0).integers(118, 138, (200, 200, 3), dtype=np.uint8)
    dusty = Image.fromarray(noise)
    ImageDraw.Draw(dusty).rectangle((100, 100, 102, 102), fill="black")
    assert np.asarray(scribble_map(dusty)).mean() < 1


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        MissingExtraError, match=r"needs OpenCV.*pip install 'sensorium\[vision\]', or give a ready-made"
    ):
        canny_map(disc())


def test_near_is_bright_whatever_the_unit_and_the_outliers() -> None:
    nearness = np.tile(np.linspace(5, 9, 200, dtype=np.float32), (100, 1))
    nearness[0, 0], nearness[0, 1] = 1e6, np.nan
    grey = np.asarray(depth_map(DepthMap(nearness)))
    assert grey.shape == (100, 200, 3)
    assert grey[50, 2].max() < 20
    assert grey[50, -1].min() > 245
    assert (np.diff(grey[50, :, 0].astype(int)) >= 0).all()
    assert np.asarray(depth_map(DepthMap(np.full((4, 4), 3, np.float32)))).max() == 0


def standing(*, hidden: frozenset[int] = frozenset()) -> Pose:
    """Somebody who stands upright and looks at us: their right is on our left."""
    places = {
        0: (50, 20), 2: (54, 16), 5: (46, 16), 7: (58, 18), 8: (42, 18), 11: (62, 40), 12: (38, 40), 13: (70, 60),
        14: (30, 60), 15: (74, 80), 16: (26, 80), 23: (58, 90), 24: (42, 90), 25: (58, 120), 26: (42, 120),
        27: (58, 150), 28: (42, 150),
    }  # fmt: skip
    points = tuple(
        Landmark(*places.get(number, (0, 0)), z=0.0, visibility=0.1 if number in hidden else 0.9)
        for number in range(33)
    )
    return Pose(1, points, points)


class TestPose:
    def test_limbs_have_the_colours_of_openpose(self) -> None:
        picture = pose_map((100, 170), [standing()])
        assert picture.getpixel((50, 20)) == (255, 0, 0)  # the nose
        assert picture.getpixel((50, 40)) == (255, 85, 0)  # the neck, between the shoulders
        assert picture.getpixel((38, 40)) == (255, 170, 0)  # the right shoulder
        assert picture.getpixel((62, 40)) == (85, 255, 0)  # the left one
        assert picture.getpixel((34, 50)) == (153, 102, 0)  # the right upper arm, in three fifths of its hue
        assert picture.getpixel((5, 5)) == (0, 0, 0)

    def test_what_is_hidden_is_not_drawn(self) -> None:
        picture = pose_map((100, 170), [standing(hidden=frozenset({14, 16}))])
        assert picture.getpixel((30, 60)) == picture.getpixel((26, 80)) == picture.getpixel((34, 50)) == (0, 0, 0)
        assert picture.getpixel((70, 60)) != (0, 0, 0)

    def test_nobody_gives_a_black_picture(self) -> None:
        assert pose_map((10, 20), []).getextrema() == ((0, 0),) * 3
