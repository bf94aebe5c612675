"""Draw what was found into the frames of a video: things with their numbers, bodies, faces and hands."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from engines.protocols import Bodies, Box, Landmark

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_Colour = tuple[int, int, int]

#: The 33 landmarks of BlazePose, in their order.
POSE_LANDMARKS: Final = (
    "nose", "left eye inner", "left eye", "left eye outer", "right eye inner", "right eye", "right eye outer",
    "left ear", "right ear", "mouth left", "mouth right", "left shoulder", "right shoulder", "left elbow",
    "right elbow", "left wrist", "right wrist", "left pinky", "right pinky", "left index", "right index", "left thumb",
    "right thumb", "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle", "left heel",
    "right heel", "left foot index", "right foot index",
)  # fmt: skip

_BONES: Final = (
    (11, 12), (11, 13), (13, 15), (12, 14), (14, 16), (11, 23), (12, 24), (23, 24), (23, 25), (25, 27), (24, 26),
    (26, 28), (27, 29), (29, 31), (27, 31), (28, 30), (30, 32), (28, 32), (15, 19), (16, 20), (0, 2), (0, 5), (2, 7),
    (5, 8), (9, 10),
)  # fmt: skip

_FINGERS: Final = tuple(
    pair
    for first in (1, 5, 9, 13, 17)
    for pair in ((0, first), (first, first + 1), (first + 1, first + 2), (first + 2, first + 3))
)

_SEEN: Final = 0.3
_MASK: Final = (40, 200, 120)


def colour_of(number: int) -> _Colour:
    """A colour of its own for each number. Hues a golden section apart stay distinct however many there are."""
    red, green, blue = colorsys.hsv_to_rgb((0.36 + number * 0.618034) % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_tracks(
    image: Image, tracked: Iterable[tuple[int, str, Box]], trails: dict[int, list[tuple[float, float]]]
) -> Image:
    """A copy with a frame and a number for each thing, and the way its middle took."""
    from PIL import ImageDraw

    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    line = _line(image)
    for number, label, box in tracked:
        colour = colour_of(number)
        left, top, right, bottom = box.left, box.top, max(box.right, box.left + 1), max(box.bottom, box.top + 1)
        pen.rectangle((left, top, right, bottom), outline=colour, width=line)
        if len(trail := trails.get(number, [])) > 1:
            pen.line(trail, fill=colour, width=line)
        write(pen, image, f"{label} {number}", (left, top), colour)
    return drawn


def draw_bodies(image: Image, bodies: Bodies) -> Image:
    """A copy with what was found of bodies."""
    from PIL import ImageDraw

    drawn = _tinted(image, bodies) if bodies.mask is not None else image.copy()
    pen = ImageDraw.Draw(drawn)
    line = _line(image)
    for face in bodies.faces:
        _dots(pen, face, max(1, line // 2), (255, 255, 255))
    for pose in bodies.poses:
        colour = colour_of(pose.person)
        _bones(pen, pose.points, _BONES, line, colour)
        if len(bodies.poses) > 1:
            head = pose.points[0]
            write(pen, image, str(pose.person), (head.x, head.y - 4 * line), colour)
    for hand in bodies.hands:
        _bones(pen, hand.points, _FINGERS, line, (255, 170, 0) if hand.side == "left" else (0, 170, 255))
    return drawn


def write(pen: ImageDraw, image: Image, text: str, place: tuple[float, float], colour: _Colour) -> None:
    """A label above ``place`` if there is room, never outside the picture."""
    from PIL import ImageFont

    short, long = sorted(image.size)
    font = ImageFont.load_default(max(11.0, min(long / 38, short / 12)))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    x = max(0.0, min(place[0], image.width - width))
    y = max(0.0, min(place[1] - height if place[1] >= height else place[1], image.height - height))
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    pen.text((x + 3 - left, y + 3 - top), text, font=font, fill="black" if bright else "white")


def _line(image: Image) -> int:
    return max(2, round(max(image.size) / 320))


def _bones(
    pen: ImageDraw, points: Sequence[Landmark], bones: Sequence[tuple[int, int]], line: int, colour: _Colour
) -> None:
    for first, second in bones:
        a, b = points[first], points[second]
        if min(a.visibility, b.visibility) >= _SEEN:
            pen.line((a.x, a.y, b.x, b.y), fill=colour, width=line)
    _dots(pen, [point for point in points if point.visibility >= _SEEN], line, (255, 255, 255))


def _dots(pen: ImageDraw, points: Iterable[Landmark], radius: int, colour: _Colour) -> None:
    for point in points:
        pen.ellipse((point.x - radius, point.y - radius, point.x + radius, point.y + radius), fill=colour)


def _tinted(image: Image, bodies: Bodies) -> Image:
    import numpy as np
    from PIL import Image as Pictures

    if bodies.mask is None:
        return image.copy()
    veil = Pictures.new("RGB", image.size, _MASK)
    share = Pictures.fromarray((bodies.mask.clip(0, 1) * 140).astype(np.uint8))
    return Pictures.composite(veil, image, share.resize(image.size))
