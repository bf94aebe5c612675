"""Measure outlines and stereo depth against a truth that is known because it was drawn.

    python benchmarks/segmentation.py [--engine grabcut cutout ...] [--threads 2] [--json] [--save FOLDER]

- Shapes: 24 drawn things, filled with colours or another photo's texture, on photos of `tests/media`. Each is asked for
  by its box, which is up to 3 % off at each edge, and by one click. Drawn shapes have crisper edges than real things.
- Outlines: the photos of `tests/media` with outlines drawn by hand, right to about 3 px; see `_OUTLINES`.
- Stereo: photos bent by a known disparity.

Figures are means of the intersection over union, in percent, and CPU-seconds of all threads together.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from agent.settings import load_settings
from engines.catalog import Catalog
from engines.image.matte import iou, soften, tidy
from engines.image.people import people_in_boxes
from engines.image.read import read_image
from engines.loading import LoadContext, engine_class
from engines.progress import NEVER
from engines.protocols import Box, Point
from engines.weights import WeightStore

MEDIA = Path(__file__).parents[1] / "tests" / "media"
SIDE = 4
"""Shapes are drawn this many times as large as they are shown, for smooth edges."""


@dataclass(frozen=True)
class Case:
    name: str
    image: Image.Image
    truth: NDArray[np.bool_]
    box: Box
    click: Point
    ignore: NDArray[np.bool_] | None = None
    """Pixels that may be counted in or out."""


# ------------------------------------------------------------------------------------------------------- the truth


def drawn_cases(count: int = 24) -> list[Case]:
    draw = np.random.default_rng(20)
    photos = [read_image(MEDIA / name) for name in ("astronaut.jpg", "chelsea.jpg")]
    outlines = (_star, _blob, _cup, _leaf, _figure, _tower)
    cases = []
    for number in range(count):
        ground = photos[number % 2].transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        outline = outlines[number % len(outlines)]
        cases.append(_composite(f"{outline.__name__[1:]}-{number}", ground, outline, photos[1 - number % 2], draw))
    return cases


def _composite(
    name: str, ground: Image.Image, outline: Callable[..., None], other: Image.Image, draw: np.random.Generator
) -> Case:
    width, height = ground.size
    size = int(min(width, height) * draw.uniform(0.35, 0.75))
    shape = Image.new("L", (size * SIDE, size * SIDE))
    outline(ImageDraw.Draw(shape), size * SIDE, draw)
    shape = shape.resize((size, size), Image.Resampling.BOX)
    left, top = int(draw.integers(0, width - size)), int(draw.integers(0, height - size))
    alpha = Image.new("L", ground.size)
    alpha.paste(shape, (left, top))
    image = Image.composite(_filling(ground.size, other, draw), ground, alpha)
    image = image.filter(ImageFilter.GaussianBlur(0.6))
    truth = np.asarray(alpha) > 127
    return Case(name, image, truth, _loose_box(truth, draw), _deepest(truth))


def _filling(size: tuple[int, int], other: Image.Image, draw: np.random.Generator) -> Image.Image:
    """Every third is the texture of another photo, the rest two colours that run into each other, with grain."""
    if draw.random() < 1 / 3:
        return other.resize(size)
    first, second = draw.integers(20, 236, (2, 3))
    run = np.linspace(0, 1, size[1])[:, None, None]
    pixels = first + (second - first) * run + draw.normal(0, 8, (size[1], size[0], 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _star(pen: ImageDraw.ImageDraw, size: int, draw: np.random.Generator) -> None:
    points, turn = int(draw.integers(5, 9)), draw.uniform(0, 1)
    corners = []
    for step in range(2 * points):
        reach = size / 2 * (0.98 if step % 2 == 0 else 0.5)
        angle = math.pi * (step / points + turn)
        corners.append((size / 2 + reach * math.cos(angle), size / 2 + reach * math.sin(angle)))
    pen.polygon(corners, fill=255)


def _blob(pen: ImageDraw.ImageDraw, size: int, draw: np.random.Generator) -> None:
    waves = draw.normal(0, 0.09, (4, 2))
    corners = []
    for step in range(180):
        angle = 2 * math.pi * step / 180
        reach = 0.36 + sum(
            a * math.cos(k * angle) + b * math.sin(k * angle) for k, (a, b) in enumerate(waves / 2, start=2)
        )
        reach = min(0.5, max(0.12, reach)) * size
        corners.append((size / 2 + reach * math.cos(angle), size / 2 + reach * math.sin(angle)))
    pen.polygon(corners, fill=255)


def _cup(pen: ImageDraw.ImageDraw, size: int, draw: np.random.Generator) -> None:
    wall = size * draw.uniform(0.05, 0.09)
    pen.ellipse((size * 0.5, size * 0.3, size * 0.95, size * 0.75), fill=255)
    pen.ellipse((size * 0.5 + wall, size * 0.3 + wall, size * 0.95 - wall, size * 0.75 - wall), fill=0)
    pen.rounded_rectangle((size * 0.1, size * 0.12, size * 0.68, size * 0.92), size * 0.08, fill=255)


def _leaf(pen: ImageDraw.ImageDraw, size: int, draw: np.random.Generator) -> None:
    bend = draw.uniform(0.2, 0.45)
    upper = [(t, 0.5 - bend * math.sin(math.pi * t)) for t in np.linspace(0.02, 0.98, 60)]
    lower = [(t, 0.5 + 0.8 * bend * math.sin(math.pi * t) ** 1.5) for t in np.linspace(0.98, 0.02, 60)]
    pen.polygon([(x * size, y * size) for x, y in upper + lower], fill=255)


def _figure(pen: ImageDraw.ImageDraw, size: int, draw: np.random.Generator) -> None:
    limb = int(size * draw.uniform(0.1, 0.16))
    pen.ellipse((size * 0.37, size * 0.02, size * 0.63, size * 0.28), fill=255)
    pen.rounded_rectangle((size * 0.34, size * 0.28, size * 0.66, size * 0.66), size * 0.08, fill=255)
    for line in (
        ((0.38, 0.34), (0.08, 0.5)),
        ((0.62, 0.34), (0.92, 0.2)),
        ((0.42, 0.62), (0.3, 0.95)),
        ((0.58, 0.62), (0.72, 0.95)),
    ):
        pen.line([(x * size, y * size) for x, y in line], fill=255, width=limb)


def _tower(pen: ImageDraw.ImageDraw, size: int, draw: np.random.Generator) -> None:
    slim = draw.uniform(0.2, 0.32)
    pen.polygon([(size * 0.5, 0), (size * (0.45 - slim), size * 0.3), (size * (0.55 + slim), size * 0.3)], fill=255)
    pen.rectangle((size * (0.5 - slim), size * 0.3, size * (0.5 + slim), size * 0.98), fill=255)


def _loose_box(truth: NDArray[np.bool_], draw: np.random.Generator) -> Box:
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    off = draw.uniform(-0.01, 0.03, 4) * (right - left, bottom - top, right - left, bottom - top)
    return Box(
        "shape",
        1.0,
        max(0.0, left - off[0]),
        max(0.0, top - off[1]),
        min(truth.shape[1], right + off[2]),
        min(truth.shape[0], bottom + off[3]),
    )


def _deepest(truth: NDArray[np.bool_]) -> Point:
    import cv2

    depth = cv2.distanceTransform(truth.astype(np.uint8), cv2.DIST_L2, 3)
    row, column = np.unravel_index(int(np.argmax(depth)), truth.shape)
    return Point(float(column), float(row))


#: Drawn by hand over the photos of `tests/media`, in px, right to about 3 px: file -> corners x,y of the outline,
#: pixels that may be counted in or out (the helmet in her arm, the blurred chest), the label, a place to click.
_OUTLINES: dict[str, tuple[str, str, str, Point]] = {
    "astronaut.jpg": (
        (
            "33,512 28,485 22,455 20,410 24,395 20,360 26,335 34,305 40,285 52,258 62,245 85,228 105,213 117,206 "
            "113,195 116,186 123,183 128,168 143,155 163,148 184,148 182,130 178,130 172,118 163,108 156,98 "
            "155,85 154,65 165,48 192,33 210,20 232,15 255,19 272,30 290,48 299,70 301,92 295,110 280,128 272,136 "
            "269,136 260,160 256,172 275,185 295,210 304,235 320,240 340,260 350,280 357,310 361,332 360,350 "
            "345,353 315,375 297,395 285,425 279,455 277,490 278,512"
        ),
        "360,342 400,340 430,348 460,373 487,410 497,450 512,453 512,512 272,512 274,470 282,425 297,391 328,362",
        "person",
        Point(150, 330),
    ),
    "chelsea.jpg": (
        (
            "36,0 33,40 30,80 32,105 20,120 5,128 0,130 0,300 300,300 300,275 305,262 315,245 317,220 330,200 "
            "345,175 358,150 363,125 362,100 352,85 355,72 372,55 385,25 398,0"
        ),
        "295,250 350,250 350,300 280,300",
        "cat",
        Point(220, 130),
    ),
}


def photo_cases(threads: int) -> list[Case]:
    """Boxes are the detector's own, as in the product."""
    detector = load("nanodet-416", threads)
    cases = []
    for name, (outline, doubtful, label, click) in _OUTLINES.items():
        image = read_image(MEDIA / name)
        box = next(box for box in detector.detect(image) if box.label == label)
        cases.append(Case(name, image, _filled(image.size, outline), box, click, _filled(image.size, doubtful)))
    return cases


def _filled(size: tuple[int, int], outline: str) -> NDArray[np.bool_]:
    layer = Image.new("1", size)
    corners = [tuple(int(edge) for edge in corner.split(",")) for corner in outline.split()]
    ImageDraw.Draw(layer).polygon([(x, y) for x, y in corners], fill=1)
    return np.asarray(layer)


# ---------------------------------------------------------------------------------------------------- the measuring


def load(model_id: str, threads: int) -> Any:
    catalog = Catalog.load()
    entry = catalog.get(model_id)
    store = WeightStore(load_settings().models_dir)
    folder = store.require(entry) if entry.has_weights else Path()
    parts = {capability: load(catalog.default(capability).id, threads) for capability in entry.uses}
    context = LoadContext(entry, folder, threads=threads, parts=parts)
    return engine_class(entry)(context)  # type: ignore[call-arg]  # Engine has no __init__


def score(case: Case, mask: NDArray[np.bool_]) -> float:
    if case.ignore is None:
        return iou(mask, case.truth)
    return iou(mask & ~case.ignore, case.truth & ~case.ignore)


def measure(engine: Any, cases: list[Case], save: Path | None, name: str) -> dict[str, Any]:
    figures: dict[str, Any] = {"cases": len(cases)}
    for way in ("box", "click"):
        start, values = time.process_time(), []
        for case in cases:
            asked = {"boxes": [case.box]} if way == "box" else {"points": [case.click]}
            (mask,) = engine.segment(case.image, **asked)
            values.append(score(case, mask.pixels))
            if save:
                green = Image.new("RGB", case.image.size, (0, 200, 0))
                alpha = Image.fromarray((soften(case.image, mask.pixels) * 255).astype(np.uint8))
                shown = Image.new("RGB", (case.image.width * 2, case.image.height))
                shown.paste(case.image)
                shown.paste(Image.composite(case.image, green, alpha), (case.image.width, 0))
                shown.save(save / f"{name}-{way}-{case.name}.png")
        figures[f"{way}_iou_percent"] = round(100 * float(np.mean(values)), 1)
        figures[f"{way}_iou_worst"] = round(100 * min(values), 1)
        figures[f"{way}_above_80"] = sum(value > 0.8 for value in values)
        figures[f"{way}_cpu_s"] = round((time.process_time() - start) / len(cases), 2)
    return figures


def photos(threads: int, engines: list[str]) -> dict[str, Any]:
    """Each way on each photo: intersection over union in percent. The truth is known to about 3 px only."""
    found: dict[str, Any] = {}
    saliency, selfie = load("u2netp", threads), load("mediapipe-selfie", threads)
    loaded = {name: load(name, threads) for name in engines}
    for case in photo_cases(threads):
        ways: dict[str, NDArray[np.bool_]] = {"main object": tidy(saliency.find_salient(case.image) > 0.5)}
        for name, engine in loaded.items():
            ways[f"{name}, box"] = engine.segment(case.image, boxes=[case.box])[0].pixels
            ways[f"{name}, click"] = engine.segment(case.image, points=[case.click])[0].pixels
        if case.box.label == "person":
            (person,) = people_in_boxes(case.image, [case.box], selfie, NEVER)
            ways["selfie in the box"] = person.pixels if person else np.zeros_like(case.truth)
        found[case.name] = {way: round(100 * score(case, mask), 1) for way, mask in ways.items()}
    return found


def stereo(threads: int) -> dict[str, Any]:
    """A photo before itself: a disc at 24 px of disparity before a ground that falls from 4 to 12 px."""
    matcher = load("opencv-sgbm", threads)
    left = np.asarray(read_image(MEDIA / "astronaut.jpg"))
    height, width = left.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    truth = np.round(4 + 8 * rows / height)
    truth[(rows - 250) ** 2 + (columns - 300) ** 2 < 100**2] = 24
    right = left.copy()
    for distance in np.unique(truth):
        here = np.nonzero((truth == distance) & (columns >= distance))
        right[here[0], here[1] - int(distance)] = left[here]
    start = time.process_time()
    found = matcher.match(Image.fromarray(left), Image.fromarray(right)).disparity_px
    cost = time.process_time() - start
    known = np.isfinite(found) & (columns >= 24)
    off = np.abs(found - truth)[known]
    return {
        "known_percent": round(100 * float(known.mean()), 1),
        "median_error_px": round(float(np.median(off)), 2),
        "off_by_more_than_1_px_percent": round(100 * float((off > 1).mean()), 1),
        "cpu_s": round(cost, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--engine", nargs="+", default=["grabcut", "cutout"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", type=Path, help="folder for pictures of every outline")
    options = parser.parse_args()
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for name in options.engine:
        found[f"{name}, shapes"] = measure(load(name, options.threads), drawn_cases(), options.save, name)
    found["photos, hand-drawn truth"] = photos(options.threads, options.engine)
    found["stereo, drawn truth"] = stereo(options.threads)
    print(json.dumps(found, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
