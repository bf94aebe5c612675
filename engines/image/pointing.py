"""What segmentation engines are asked with: points and boxes, checked and fitted to the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from engines.errors import InputError
from engines.protocols import Box, Point


def fit_prompts(
    size: tuple[int, int], points: Sequence[Point], boxes: Sequence[Box]
) -> tuple[tuple[Point, ...], tuple[Box, ...]]:
    """The prompts with boxes cut to a picture of ``size`` (width, height).

    Raises InputError for prompts that `ObjectSegmentation.segment` does not take, or that lie outside the picture.
    """
    width, height = size
    if not points and not boxes:
        raise InputError("Nothing says what to outline.", fix="Give a point on it or a box around it.")
    if points and len(boxes) > 1:
        raise InputError(f"Points can refine one box, not {len(boxes)}.", fix="Give one box, or no points.")
    if points and not boxes and not any(point.inside for point in points):
        raise InputError("Every point is beside the thing.", fix="Give a point that is on it.")
    for point in points:
        if not (0 <= point.x < width and 0 <= point.y < height):
            raise InputError(
                f"The point ({point.x:g}, {point.y:g}) is outside the picture.",
                fix=f"x goes from 0 to {width - 1}, y from 0 to {height - 1} px.",
            )
    return tuple(points), tuple(_cut(box, width, height) for box in boxes)


def scale_prompts(
    points: Sequence[Point], boxes: Sequence[Box], across: float, down: float
) -> tuple[tuple[Point, ...], tuple[Box, ...]]:
    """The same places in a picture that is ``across`` times as wide and ``down`` times as high."""
    return (
        tuple(replace(point, x=point.x * across, y=point.y * down) for point in points),
        tuple(
            replace(box, left=box.left * across, top=box.top * down, right=box.right * across, bottom=box.bottom * down)
            for box in boxes
        ),
    )


def _cut(box: Box, width: int, height: int) -> Box:
    edges = (box.left, box.top, box.right, box.bottom)
    cut = replace(
        box, left=max(0.0, box.left), top=max(0.0, box.top), right=min(width, box.right), bottom=min(height, box.bottom)
    )
    if any(math.isnan(edge) for edge in edges) or cut.left >= cut.right or cut.top >= cut.bottom:
        raise InputError(
            f"The box ({', '.join(f'{edge:g}' for edge in edges)}) has no area in the picture.",
            fix=f"Give left, top, right, bottom in px; the picture has {width} x {height} px.",
        )
    return cut
