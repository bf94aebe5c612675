"""Where each thing of a scene goes.

A thing with all that stands on, under or beside it makes a block (`engines.image.scene_blocks`), so that no relation is
lost when blocks are set into the picture. Blocks on the ground share a baseline, blocks in the air a row above; each
layer is then scaled to the room it has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from engines.image.scene_blocks import GAP, Block, Builder, Placed, Rect, Thing, upright


def lay_out(
    things: Sequence[Thing], *, width: float, height: float, ground: float, floating: bool, seed: int
) -> list[Placed]:
    """Every picture in px, back to front. ``ground`` is the y of the baseline; ``floating``: there is none."""
    if not things:
        return []
    rng = Random(seed)  # noqa: S311 # jitter, not secrets
    builder = Builder(upright(things), rng, floating=floating)
    roots = [(thing, builder.block(index)) for index, thing in enumerate(builder.things) if thing.of is None]
    air = [(thing, block) for thing, block in roots if block.flies or floating]
    land = [(thing, block) for thing, block in roots if not (block.flies or floating)]
    margin = 0.05 * min(width, height)
    floor = ground + 0.25 * (height - ground)
    placed: list[Placed] = []
    unit = math.inf
    sky_bottom = floor if floating or not land else margin + (floor - margin) * _sky_share(air, land)
    if land:
        top = sky_bottom if air else margin
        room = Rect(margin, top, width - margin, floor)
        items, unit = _set_land(land, room, max_unit=_most(land, width, height), lift=0.09 * height)
        placed += items
    if air:
        room = Rect(margin, margin, width - margin, (height - margin) if floating else min(sky_bottom, ground))
        most = min(1.35 * unit, (0.42 if floating or not land else 0.32) * min(height, width))
        placed += _set_air(air, room, rng, most, spread=floating)
    return sorted(placed, key=lambda item: item.depth)


def _most(roots: Sequence[tuple[Thing, Block]], width: float, height: float) -> float:
    """Px per unit at most: a single cat is not as high as a single house, but not lost either."""
    alone = max(block.root.height for _, block in roots)
    together = max(block.all.height for _, block in roots)
    return min(0.42 * min(height, 1.2 * width), 0.62 * height / alone, 0.85 * height / together)


def _sky_share(air: Sequence[tuple[Thing, Block]], land: Sequence[tuple[Thing, Block]]) -> float:
    """How much of the height is for what flies."""
    if not air:
        return 0.0
    above = max(block.all.height for _, block in air)
    below = max(block.all.height for _, block in land)
    return min(0.5, max(0.3, above / (above + below)))


def _set_land(
    roots: Sequence[tuple[Thing, Block]], room: Rect, *, max_unit: float, lift: float
) -> tuple[list[Placed], float]:
    """Blocks side by side on the baseline; where they would become tiny, the taller ones in a row behind."""
    rows = [_by_hint(roots)]
    tallest = max(block.all.height for _, block in roots)
    mean = sum(block.root.height for _, block in roots) / len(roots)
    if len(roots) > 2 and mean * _unit_of(rows[0], room) < 0.2 * room.height:
        ranked = sorted(roots, key=lambda pair: -pair[1].root.height)
        half = len(ranked) // 2
        rows = [
            _by_hint([pair for pair in roots if any(pair is other for other in ranked[half:])]),
            _by_hint([pair for pair in roots if any(pair is other for other in ranked[:half])]),
        ]
    unit = min(max_unit, *(_unit_of(row, room) for row in rows))
    if len(rows) == 2:
        unit = min(unit, room.height / (tallest + 0.5))
    placed: list[Placed] = []
    for number, row in enumerate(rows):
        back = number * min(0.5 * unit, lift)
        placed += _spread(row, room, unit, room.bottom - back, depth=-10.0 * number)
    return placed, unit


def _unit_of(row: Sequence[tuple[Thing, Block]], room: Rect) -> float:
    wide = sum(block.all.width for _, block in row) + GAP * 2 * (len(row) - 1)
    high = max(block.all.bottom for _, block in row) - min(block.all.top for _, block in row)
    return min(room.width / wide, room.height / high)


def _spread(
    row: Sequence[tuple[Thing, Block]], room: Rect, unit: float, baseline: float, *, depth: float
) -> list[Placed]:
    """Left to right with even gaps; a hint of left or right moves a block to that side."""
    taken = unit * sum(block.all.width for _, block in row)
    gap = min((room.width - taken) / (len(row) + 1), 0.5 * unit)
    gap = max(gap, 0.0)
    span = taken + gap * (len(row) - 1)
    sides = {thing.where for thing, _ in row} & {"left", "right"}
    x = room.left + (room.width - span) / 2
    wide_gap = None
    if len(sides) == 2 and len(row) > 1:  # both sides are asked for: as far apart as there is room
        x, wide_gap = room.left + 0.04 * room.width, (0.92 * room.width - taken) / (len(row) - 1)
    elif "left" in sides and len(row) == 1:
        x = room.left + 0.04 * room.width
    elif "right" in sides and len(row) == 1:
        x = room.right - 0.04 * room.width - span
    sunk = max(0.0, unit * max(block.all.bottom for _, block in row))
    foot = baseline - min(sunk, 0.12 * room.height)
    placed: list[Placed] = []
    for _, block in row:
        placed += block.moved(x - unit * block.all.left, foot, unit, depth).items
        x += unit * block.all.width + (wide_gap if wide_gap is not None and wide_gap > 0 else gap)
    return placed


def _set_air(
    roots: Sequence[tuple[Thing, Block]], room: Rect, rng: Random, max_unit: float, *, spread: bool
) -> list[Placed]:
    row = _by_hint(roots)
    rows = [row]
    if spread and len(row) > 1:  # without ground, use the height too
        count = max(1, round(math.sqrt(len(row) * room.height / room.width)))
        size = math.ceil(len(row) / count)
        rows = [row[at : at + size] for at in range(0, len(row), size)]
    placed: list[Placed] = []
    band = room.height / len(rows)
    unit = min(max_unit, *(_unit_of_air(row, room.width, 0.92 * band) for row in rows))
    for number, row in enumerate(rows):
        taken = unit * sum(block.all.width for _, block in row)
        gap = (room.width - taken) / (len(row) + 1)
        sides = {thing.where for thing, _ in row}
        x = room.left + gap
        if len(row) == 1 and "left" in sides:
            x = room.left + 0.04 * room.width
        elif len(row) == 1 and "right" in sides:
            x = room.right - 0.04 * room.width - taken
        for thing, block in row:
            whole = block.all
            centre = room.top + (number + 0.5) * band
            slack = max(0.0, (band - unit * whole.height) / 2)
            y = {"top": -0.8 * slack, "bottom": 0.8 * slack}.get(str(thing.where), rng.uniform(-0.25, 0.25) * slack)
            placed += block.moved(x - unit * whole.left, centre + y - unit * whole.centre, unit, -20.0).items
            x += unit * whole.width + gap
    return placed


def _unit_of_air(row: Sequence[tuple[Thing, Block]], width: float, height: float) -> float:
    wide = sum(block.all.width for _, block in row) + GAP * (len(row) - 1)
    return min(width / wide, height / max(block.all.height for _, block in row))


def _by_hint(roots: Sequence[tuple[Thing, Block]]) -> list[tuple[Thing, Block]]:
    rank = {"left": -1, "right": 1}
    return sorted(roots, key=lambda pair: rank.get(str(pair[0].where), 0))
