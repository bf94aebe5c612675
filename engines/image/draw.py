"""Draw found objects into a picture, so that the labels can be read at any size."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engines.protocols import Box

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

_Colour = tuple[int, int, int]


def draw_boxes(image: Image, boxes: Sequence[Box]) -> Image:
    """A copy with a frame, a name and a percentage for each box; one colour per label. Lines grow with the picture."""
    from PIL import ImageDraw, ImageFont

    drawn = image.convert("RGB")
    if drawn is image:
        drawn = image.copy()
    short, long = sorted(drawn.size)
    line = max(2, round(long / 320))
    font = ImageFont.load_default(max(11.0, min(long / 38, short / 12)))
    pen = ImageDraw.Draw(drawn)
    colours = _colours([box.label for box in boxes])
    for box in reversed(boxes):  # the best, which come first, end up on top
        edges = (round(box.left), round(box.top), round(box.right) - 1, round(box.bottom) - 1)
        edges = (*edges[:2], max(edges[0], edges[2]), max(edges[1], edges[3]))
        pen.rectangle(edges, outline=colours[box.label], width=line)
    for box in reversed(boxes):  # after all frames: no line runs through a label
        _label(pen, font, box, colours[box.label], drawn.size, line)
    return drawn


def _colours(labels: Sequence[str]) -> dict[str, _Colour]:
    """By label, in alphabetical order. Hues a golden section apart stay distinct however many there are."""
    colours: dict[str, _Colour] = {}
    for number, label in enumerate(sorted(set(labels))):
        red, green, blue = colorsys.hsv_to_rgb((0.36 + number * 0.618034) % 1, 0.85, 0.95)
        colours[label] = (round(red * 255), round(green * 255), round(blue * 255))
    return colours


def _label(
    pen: ImageDraw, font: FreeTypeFont | ImageFont, box: Box, colour: _Colour, size: tuple[int, int], line: int
) -> None:
    """On top of the box if there is room, else inside; never outside the picture."""
    text = f"{box.label} {box.score:.0%}"
    pad = line + 1
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = max(0, min(round(box.left), size[0] - width))
    y = round(box.top) - height
    y = round(box.top) if y < 0 else y
    y = max(0, min(y, size[1] - height))
    pen.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    red, green, blue = colour
    ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"
    pen.text((x + pad - left, y + pad - top), text, font=font, fill=ink)
