"""Sizes a diffusion model can work in: whole steps of a few px, and about as many px as it was trained for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.errors import InputError

_LARGEST = 4.0
"""So many times the px the model was trained for: beyond, it repeats itself, and memory ends."""

_SMALLEST_PX = 64

_LONGEST = 8.0
"""Longer side : shorter side, at most."""


@dataclass(frozen=True, slots=True)
class Size:
    """In px."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width} x {self.height} px"


def wanted_size(native: Size, width: int | None, height: int | None, step: int) -> Size:
    """The size nearest to the wanted one that the model can make; a side that isn't wanted is the model's own.

    Raises InputError for one that is too large or too small, which says what is possible.
    """
    asked = Size(width or native.width, height or native.height)
    size = Size(_whole(asked.width, step), _whole(asked.height, step))
    largest = _LARGEST * native.pixels
    if size.pixels > largest:
        edge = int(math.sqrt(largest)) // step * step
        raise InputError(
            f"{asked} is more than this model makes: at most {edge} x {edge} px, or as many px in another shape.",
            fix="Ask for a smaller picture, and enlarge it with edit_image (mode upscale).",
        )
    if min(asked.width, asked.height) < min(_SMALLEST_PX, native.width):
        raise InputError(f"{asked} is too small for a picture.", fix=f"Ask for {_SMALLEST_PX} px or more.")
    return size


def working_size(native: Size, width: int, height: int, step: int) -> Size:
    """The size in which to work on a picture of ``width`` x ``height`` px: its proportions, the model's number of px.

    Raises InputError for a picture that is far longer than wide.
    """
    if max(width, height) > _LONGEST * min(width, height):
        raise InputError(
            f"The picture is a strip of {width} x {height} px, which no model can work on.",
            fix=f"Cut out a part that is at most {_LONGEST:g} times as long as wide.",
        )
    scale = math.sqrt(native.pixels / (width * height))
    return Size(_whole(width * scale, step), _whole(height * scale, step))


def _whole(length: float, step: int) -> int:
    return max(step, round(length / step) * step)
