"""Enlarging pictures with the network that comes with the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engines.catalog import Catalog
from engines.errors import EngineError, InputError
from engines.image.read import read_image
from engines.image.realesrgan import MAX_PIXELS, RealEsrgan
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken

pytest.importorskip("ncnn", reason="needs the extra vision")

MEDIA = Path(__file__).parents[1] / "media"
WEIGHTS = Path(__file__).parents[2] / "engines" / "data" / "realesrgan"


def upscaler(folder: Path = WEIGHTS, **options: Any) -> RealEsrgan:
    entry = Catalog.load().get("realesr-animevideov3-x4")
    return RealEsrgan(LoadContext(entry.model_copy(update={"options": {**entry.options, **options}}), folder))


@pytest.fixture(scope="module")
def engine() -> RealEsrgan:
    return upscaler()


def drawing(edge: int) -> Image.Image:
    """Crisp shapes, drawn large and averaged down, so that every size shows the same."""
    large = Image.new("RGB", (512, 512), "#fdf6ea")
    pen = ImageDraw.Draw(large)
    pen.ellipse((60, 40, 330, 310), fill="#f8312f", outline="#321b41", width=14)
    pen.polygon([(250, 470), (480, 470), (365, 180)], fill="#3fa845", outline="#321b41")
    pen.line((20, 500, 490, 60), fill="#2f6fea", width=10)
    return large.resize((edge, edge), Image.Resampling.BOX)


def error(a: Image.Image, b: Image.Image) -> float:
    return float(((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2).mean())


def test_a_drawing_is_nearer_to_the_large_one_than_by_bicubic(engine: RealEsrgan) -> None:
    small, large = drawing(128), drawing(512)
    assert error(engine.upscale(small), large) < 0.9 * error(small.resize((512, 512), Image.Resampling.BICUBIC), large)


def test_a_photo_keeps_its_colours_and_shapes(engine: RealEsrgan) -> None:
    small = read_image(MEDIA / "astronaut.jpg").resize((96, 96))
    made = engine.upscale(small)
    assert made.size == (384, 384)
    assert error(made.resize((96, 96), Image.Resampling.BOX), small) < 150


@pytest.mark.parametrize("factor", [2, 3, 4, 1.5])
def test_factors(engine: RealEsrgan, factor: float) -> None:
    made = engine.upscale(drawing(33).crop((0, 0, 33, 21)), factor=factor)
    assert made.size == (round(33 * factor), round(21 * factor))


@pytest.mark.parametrize("factor", [1, 0.5, 5, -2, float("nan")])
def test_factors_it_has_not(engine: RealEsrgan, factor: float) -> None:
    with pytest.raises(InputError, match="up to 4"):
        engine.upscale(drawing(8), factor=factor)


def test_no_seam_is_seen_between_tiles(engine: RealEsrgan) -> None:
    small = drawing(60)
    whole = engine.upscale(small)
    tiled = upscaler(tile=30).upscale(small)
    difference = np.abs(np.asarray(whole, np.int32) - np.asarray(tiled, np.int32))
    assert difference.max() <= 12
    assert difference.mean() < 0.2


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (300, 2), (129, 127)])
def test_odd_sizes(engine: RealEsrgan, size: tuple[int, int]) -> None:
    assert engine.upscale(Image.new("RGB", size, "navy")).size == (4 * size[0], 4 * size[1])


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_other_modes_become_rgb(engine: RealEsrgan, mode: str) -> None:
    assert engine.upscale(drawing(16).convert(mode)).mode == "RGB"


def test_transparency_is_kept_and_no_black_bleeds_from_under_it(engine: RealEsrgan) -> None:
    ball = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    ImageDraw.Draw(ball).ellipse((8, 8, 40, 40), fill=(250, 210, 60, 255))
    made = engine.upscale(ball)
    assert made.mode == "RGBA"
    alpha = np.asarray(made.getchannel("A"))
    assert alpha[96, 96] > 250
    assert alpha[4, 4] < 5
    rim = np.asarray(made)[(alpha > 40) & (alpha < 215)][:, :3]
    assert rim.mean(axis=0)[0] > 215


def test_progress_per_tile_and_a_stop_between_tiles() -> None:
    engine, heard, cancel = upscaler(tile=16), [], CancelToken()

    def listen(fraction: float | None, message: str) -> None:
        heard.append((fraction, message))
        if len(heard) == 3:
            cancel.set()

    with pytest.raises(Cancelled):
        engine.upscale(drawing(48), on_progress=listen, cancel=cancel)
    assert heard[-1] == (3 / 9, "tile 3 of 9")


def test_a_picture_that_would_become_too_large(engine: RealEsrgan) -> None:
    edge = int((MAX_PIXELS / 16) ** 0.5) + 2
    with pytest.raises(InputError, match=r"2\.5 million px.*smaller"):
        engine.upscale(Image.new("RGB", (edge, edge)), factor=2)


def test_a_folder_without_the_network(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"one \.param and one \.bin"):
        upscaler(tmp_path)


def test_a_damaged_network(tmp_path: Path) -> None:
    (tmp_path / "x.param").write_text("no network")
    (tmp_path / "x.bin").write_bytes(b"no weights")
    with pytest.raises(EngineError, match=r"damaged.*sensorium models pull"):
        upscaler(tmp_path)


def test_options_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="options"):
        upscaler(tile=4)
    with pytest.raises(EngineError, match="options: scale"):
        upscaler(scale=2).upscale(drawing(8))
