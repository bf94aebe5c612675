"""How near the upscalers come to a photo that was made smaller, beside bicubic enlarging, and what they cost.

    python benchmarks/upscaling.py [model ...]

Each photo of `tests/media`, and a drawing of four pieces of vector art, is reduced to a quarter of its edges (bicubic,
as such measurements are usually made), enlarged four times and compared with itself: PSNR and SSIM (Wang et al. 2004,
Gaussian window of 11 px) of the luma. Higher is nearer. Networks trained for looks, as these are, invent detail, which
such measures punish.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agent.settings import load_settings
from engines.catalog import Catalog
from engines.image.read import read_image
from engines.image.realesrgan import RealEsrgan
from engines.image.scene_svg import rasterise
from engines.image.vector_art import packed_art
from engines.loading import LoadContext
from engines.weights import WeightStore

MEDIA = Path(__file__).parents[1] / "tests" / "media"


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return 10 * math.log10(255**2 / float(((a - b) ** 2).mean()))


def ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    def blur(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(x, (11, 11), 1.5))[5:-5, 5:-5]

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, cov = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(
        ((2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()
    )


def luma(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image.convert("L"), np.float64)


def drawing() -> Image.Image:
    """512 x 512 px of flat art."""
    art = {art.name: art for art in packed_art()}
    tiles = [
        f'<g transform="translate({256 * (number % 2)} {256 * (number // 2)}) scale(8)">{art[name].svg}</g>'
        for number, name in enumerate(("house", "automobile", "cat", "artist-palette"))
    ]
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><rect width="512" height="512" fill="#fdf6ea"/>'
    )
    return rasterise(f"{svg}{''.join(tiles)}</svg>", 512, 512)


def main() -> None:
    store = WeightStore(load_settings().models_dir)
    names = sys.argv[1:] or ["realesr-animevideov3-x4"]
    pictures = {photo: read_image(MEDIA / photo) for photo in ("astronaut.jpg", "chelsea.jpg")}
    for photo, picture in {**pictures, "drawing": drawing()}.items():
        image = picture
        image = image.crop((0, 0, image.width // 4 * 4, image.height // 4 * 4))
        small = image.resize((image.width // 4, image.height // 4), Image.Resampling.BICUBIC)
        results = {"bicubic": (small.resize(image.size, Image.Resampling.BICUBIC), 0.0)}
        for name in names:
            entry = Catalog.load().get(name)
            engine = RealEsrgan(LoadContext(entry, store.require(entry)))
            started = time.process_time()
            results[name] = (engine.upscale(small), time.process_time() - started)
            engine.close()
        for name, (made, seconds) in results.items():
            a, b = luma(image), luma(made)
            print(
                f"{photo} {small.width}x{small.height} -> {image.width}x{image.height} {name}: "
                f"PSNR {psnr(a, b):.2f} dB, SSIM {ssim(a, b):.3f}, {seconds:.1f} CPU-s"
            )


if __name__ == "__main__":
    main()
