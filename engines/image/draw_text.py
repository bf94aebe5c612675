"""Draw the lines of text that were read into a picture, with their numbers in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engines.protocols import TextLine

if TYPE_CHECKING:
    from PIL.Image import Image

#: Blocks take them in turns, so that one sees where the next begins.
_COLOURS: Final = ((214, 39, 40), (31, 119, 180), (44, 140, 44), (148, 80, 189), (200, 110, 0))


def draw_lines(image: Image, lines: Sequence[TextLine]) -> Image:
    """A copy with an outline and a number for each line; one colour per block."""
    from PIL import ImageDraw, ImageFont

    drawn = image.convert("RGB")
    if drawn is image:
        drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    width = max(1, round(max(drawn.size) / 700))
    font = ImageFont.load_default(max(9.0, max(drawn.size) / 90))
    for number, line in enumerate(lines, 1):
        colour = _COLOURS[line.block % len(_COLOURS)]
        pen.line([*line.corners, line.corners[0]], fill=colour, width=width)
        left, top, right, bottom = pen.textbbox((0, 0), str(number), font=font)
        # Left of where the line begins, inside the picture.
        x = max(0, min(line.corners[0][0] - (right - left) - 4, drawn.width - (right - left) - 2))
        y = max(0, min(line.corners[0][1], drawn.height - (bottom - top) - 2))
        pen.rectangle((x, y, x + right - left + 2, y + bottom - top + 2), fill=colour)
        pen.text((x + 1 - left, y + 1 - top), str(number), font=font, fill="white")
    return drawn
