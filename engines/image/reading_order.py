"""In which order people read the pieces of text on a page: columns, blocks, rows.

A gutter is a strip that (almost) no piece crosses, with running text on both sides. What does cross it, such as a
title, divides the page into bands; in a band the left side is read before the right. Where one side holds short pieces
only it is a table or a form, which is read row by row. The idea is that of the recursive XY cut (Nagy and Seth 1984).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

_GUTTER = 0.8
"""Least width of a gutter, in line heights."""
_RUNNING_TEXT = 6.0
"""Pieces at least this wide, in line heights, are running text."""
_CROSSING = 0.2
"""Largest share of pieces that may cross a gutter; two may in any case."""
_BLOCK_GAP = 1.0
"""Rows further apart than this, in line heights, belong to different blocks."""
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Rect:
    """A piece of text on an upright page, in px."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


class Place(NamedTuple):
    """Where a piece comes in: ``piece`` is its index in what was given."""

    piece: int
    block: int
    row: int


class _Gutter(NamedTuple):
    left: list[int]
    right: list[int]
    crossing: list[int]


def reading_order(rects: Sequence[Rect]) -> list[Place]:
    """Each piece once, in the order in which it is read."""
    if not rects:
        return []
    places: list[Place] = []
    block = 0
    for flow in _flows(rects, list(range(len(rects))), _DEEPEST):
        rows = _rows(rects, flow)
        height = median(rects[i].height for i in flow)
        above: float | None = None
        for number, row in enumerate(rows):
            top, bottom = min(rects[i].top for i in row), max(rects[i].bottom for i in row)
            if above is not None and top - above > _BLOCK_GAP * height:
                block += 1
            places += [Place(i, block, number) for i in row]
            above = bottom
        block += 1
    return places


def _flows(rects: Sequence[Rect], pieces: list[int], depth: int) -> list[list[int]]:
    """Groups that are read one after the other, each from top to bottom."""
    gutter = _best_gutter(rects, pieces) if depth else None
    if gutter is None:
        return [pieces]
    flows: list[list[int]] = []
    crossing = sorted(gutter.crossing, key=lambda i: rects[i].middle)
    edges = [float("-inf"), *(rects[i].middle for i in crossing), float("inf")]
    for number, (top, bottom) in enumerate(pairwise(edges)):
        band = [[i for i in side if top <= rects[i].middle < bottom] for side in (gutter.left, gutter.right)]
        for left, right, columns in _strips(rects, *band):
            flows += [*_side(rects, left, depth), *_side(rects, right, depth)] if columns else [left + right]
        if number < len(crossing):
            flows.append([crossing[number]])
    return flows


def _side(rects: Sequence[Rect], pieces: list[int], depth: int) -> list[list[int]]:
    return _flows(rects, pieces, depth - 1) if pieces else []


def _strips(rects: Sequence[Rect], left: list[int], right: list[int]) -> list[tuple[list[int], list[int], bool]]:
    """A band cut where there is space from edge to edge: strips of columns, and of tables, which are read by rows."""
    if not left or not right:
        return [(left, right, True)]
    height = median(rects[i].height for i in left + right)
    strips: list[tuple[list[int], list[int], bool]] = []
    for rows in _blocks(rects, left + right, height):
        sides = [[i for i in rows if i in side] for side in (set(left), set(right))]
        columns = all(not side or median(rects[i].width for i in side) >= _RUNNING_TEXT * height for side in sides)
        if columns and strips and strips[-1][2]:
            strips[-1] = (strips[-1][0] + sides[0], strips[-1][1] + sides[1], True)
        else:
            strips.append((sides[0], sides[1], columns))
    return strips


def _blocks(rects: Sequence[Rect], pieces: list[int], height: float) -> list[list[int]]:
    """Pieces between empty stretches that are as high as a gap between blocks."""
    blocks: list[list[int]] = []
    bottom = float("-inf")
    for i in sorted(pieces, key=lambda i: rects[i].top):
        if rects[i].top - bottom > _BLOCK_GAP * height:
            blocks.append([])
        blocks[-1].append(i)
        bottom = max(bottom, rects[i].bottom)
    return blocks


def _best_gutter(rects: Sequence[Rect], pieces: list[int]) -> _Gutter | None:
    """The one that fewest pieces cross; of those, the one nearest to dividing the pieces evenly."""
    height = median(rects[i].height for i in pieces)
    best: tuple[int, int] | None = None
    found = None
    for at in sorted({rects[i].left for i in pieces}):
        x = at - 0.01
        crossing = [i for i in pieces if rects[i].left < x < rects[i].right]
        if len(crossing) > max(2, _CROSSING * len(pieces)):
            continue
        gutter = _Gutter(
            [i for i in pieces if rects[i].right <= x], [i for i in pieces if rects[i].left >= x], crossing
        )
        rank = (len(crossing), abs(len(gutter.left) - len(gutter.right)))
        if (best is None or rank < best) and _divides(rects, gutter, height):
            best, found = rank, gutter
    return found


def _divides(rects: Sequence[Rect], gutter: _Gutter, height: float) -> bool:
    """Whether there is running text beside running text, with enough space between."""
    if min(len(gutter.left), len(gutter.right)) < 2:
        return False
    space = min(rects[i].left for i in gutter.right) - max(rects[i].right for i in gutter.left)
    if space < _GUTTER * height:
        return False
    if any(median(rects[i].width for i in side) < _RUNNING_TEXT * height for side in (gutter.left, gutter.right)):
        return False
    (top, bottom), (other_top, other_bottom) = (
        (min(rects[i].top for i in side), max(rects[i].bottom for i in side)) for side in (gutter.left, gutter.right)
    )
    shared = min(bottom, other_bottom) - max(top, other_top)
    return shared >= 0.5 * min(bottom - top, other_bottom - other_top)


def _rows(rects: Sequence[Rect], pieces: list[int]) -> list[list[int]]:
    """From top to bottom, each from left to right. Pieces of a row share half the height of the lower one."""
    rows: list[list[int]] = []
    for i in sorted(pieces, key=lambda i: rects[i].middle):
        last = rects[rows[-1][-1]] if rows else None
        if last is not None:
            shared = min(last.bottom, rects[i].bottom) - max(last.top, rects[i].top)
            if shared >= 0.5 * min(last.height, rects[i].height):
                rows[-1].append(i)
                continue
        rows.append([i])
    return [sorted(row, key=lambda i: rects[i].left) for row in rows]
