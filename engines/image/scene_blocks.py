"""Things of a scene put together with what stands on, under or beside them.

All is in units in which a cat is 0.85 long. y grows downwards, and the ground is at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from engines.image.scene import Size, Where
from engines.image.vector_art import Art

_SIZES: Final[Mapping[Size | None, float]] = {None: 1.0, "small": 0.6, "big": 1.45, "huge": 1.9}
GAP: Final = 0.12
_IN_A_ROW: Final = 5
"""On the ground, more stand in rows one behind the other."""


@dataclass(frozen=True, slots=True)
class Rect:
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
        return (self.left + self.right) / 2

    @property
    def centre(self) -> float:
        return (self.top + self.bottom) / 2

    @classmethod
    def around(cls, rects: Sequence[Rect]) -> Rect:
        return cls(
            min(rect.left for rect in rects),
            min(rect.top for rect in rects),
            max(rect.right for rect in rects),
            max(rect.bottom for rect in rects),
        )


@dataclass(frozen=True, slots=True)
class Thing:
    """So many of a picture. ``flies``: it needs no ground. ``of`` is the index of what ``where`` relates to."""

    art: Art
    count: int = 1
    scale: float = 0.8
    size: Size | None = None
    colour: str = ""
    flies: bool = False
    shelters: bool = False
    surface: float = 0.06
    where: Where | None = None
    of: int | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """One picture: what is painted fills ``rect``. Of two, the one with the larger ``depth`` is in front."""

    thing: int
    art: Art
    rect: Rect
    depth: float = 0.0
    colour: str = ""
    flipped: bool = False
    stands: bool = True
    """It has a shadow under it."""

    def moved(self, x: float, y: float, scale: float = 1.0, depth: float = 0.0) -> Placed:
        """Scaled about the origin, then moved."""
        rect = self.rect
        moved = Rect(rect.left * scale + x, rect.top * scale + y, rect.right * scale + x, rect.bottom * scale + y)
        return replace(self, rect=moved, depth=self.depth + depth)


@dataclass(slots=True)
class Block:
    """A thing and what belongs to it. ``root`` is about the thing itself, ``all`` about everything."""

    root: Rect
    items: list[Placed] = field(default_factory=list)
    flies: bool = False
    squeeze: float = 1.0
    """How much smaller things are that stand on it, so that all have room."""

    @property
    def all(self) -> Rect:
        return Rect.around([item.rect for item in self.items])

    def moved(self, x: float, y: float, scale: float = 1.0, depth: float = 0.0) -> Block:
        root = self.root
        moved = Rect(root.left * scale + x, root.top * scale + y, root.right * scale + x, root.bottom * scale + y)
        return Block(moved, [item.moved(x, y, scale, depth) for item in self.items], self.flies)


def upright(things: Sequence[Thing]) -> list[Thing]:
    """Relations that would bury what is on the ground, turned round: a dog under a cloud is a cloud above a dog."""
    turned = _without_circles(things)
    for index, thing in enumerate(turned):
        if thing.where != "under" or thing.of is None:
            continue
        anchor = turned[thing.of]
        if anchor.of is None and (anchor.flies or not anchor.shelters) and not thing.flies:
            turned[thing.of] = replace(anchor, where="above", of=index, flies=True)
            turned[index] = replace(thing, where=None, of=None)
    return turned


def _without_circles(things: Sequence[Thing]) -> list[Thing]:
    """A thing that would, over others, stand on itself stands on the ground."""
    kept = list(things)
    for start, thing in enumerate(things):
        seen, at = {start}, thing.of
        while at is not None and at not in seen:
            seen.add(at)
            at = kept[at].of
        if at is not None:
            kept[start] = replace(thing, where=None, of=None)
    return kept


class Builder:
    def __init__(self, things: Sequence[Thing], rng: Random, *, floating: bool) -> None:
        self.things = things
        self._rng = rng
        self._floating = floating
        self._rules: Mapping[str, Callable[[Block, Block, Thing], Block]] = {
            "above": self._above,
            "under": self._under,
            "on": self._on,
            "inside": self._inside,
            "behind": self._behind,
            "in front of": self._in_front,
            "left of": self._left,
            "right of": self._right,
        }

    def block(self, index: int) -> Block:
        """The thing and, around it, all that relate to it: first what touches it, last what is above everything."""
        thing = self.things[index]
        whole = self._group(index)
        children = [at for at, other in enumerate(self.things) if other.of == index]
        order = ["on", "inside", "behind", "in front of", "under", "left of", "right of", "next to", "around", "above"]
        children.sort(key=lambda at: order.index(self.things[at].where or "next to"))
        blocks = {at: self.block(at) for at in children}
        on = sum(blocks[at].root.width + 0.05 for at in children if self.things[at].where == "on")
        whole.squeeze = min(1.0, max(0.3, 0.97 * whole.root.width / on)) if on else 1.0
        for at in children:
            child = self.things[at]
            where: str = child.where or "next to"
            if where == "around":
                whole = self._around(whole, at)
                continue
            if where in ("on", "above") and thing.count == child.count > 1 and not _has_children(self.things, at):
                whole = self._each(whole, index, at)
                continue
            part = blocks[at]
            if where == "next to":
                where = self._free_side(whole)
            made = self._rules[where](whole, part, thing)  # may move what is there already
            whole.items += made.items
        whole.flies = self._is_up(thing)
        return whole

    def _is_up(self, thing: Thing) -> bool:
        return (thing.flies or thing.where == "top") and thing.where != "bottom"

    # ------------------------------------------------------------------------------------------------------- groups

    def _group(self, index: int) -> Block:
        """All pictures of one thing, standing on 0 or, of what flies, around it in a loose grid."""
        thing = self.things[index]
        long = thing.scale * _SIZES[thing.size]
        aspect = thing.art.aspect
        wide, high = (long, long / aspect) if aspect >= 1 else (long * aspect, long)
        up = self._is_up(thing) or self._floating
        places = _grid(thing.count, wide, high) if up else _rows(thing.count, wide, high)
        items = []
        for number, (across, up_to, scale, depth) in enumerate(places):
            many = thing.count > 1
            slip = (0.1 if up else 0.03) * high if many else 0.0
            grow = scale * (self._rng.uniform(0.95, 1.05) if many else 1.0)
            x = across + (self._rng.uniform(-0.05, 0.05) * wide if many else 0.0)
            y = up_to + self._rng.uniform(-1 if up else 0, 1) * slip
            rect = Rect(x - wide * grow / 2, y - high * grow, x + wide * grow / 2, y)
            flips = thing.art.group.startswith("animal-") and number % 2 == 1
            items.append(Placed(index, thing.art, rect, depth, thing.colour, flips, not up))
        return Block(Rect.around([item.rect for item in items]), items, up)

    # ---------------------------------------------------------------------------------------------------- relations

    def _above(self, whole: Block, part: Block, _: Thing) -> Block:
        all_ = whole.all
        gap = 0.15 + 0.1 * min(1.0, part.root.height)
        return _lifted(part.moved(whole.root.middle - part.root.middle, all_.top - gap - part.all.bottom, 1, 0.1))

    def _on(self, whole: Block, part: Block, anchor: Thing) -> Block:
        """On its surface, in front of it; never wider than it is, within reason."""
        scale = min(1.0, whole.squeeze, max(0.45, 0.92 * whole.root.width / part.root.width))
        line = whole.root.top + anchor.surface * whole.root.height
        others = [item.rect for item in whole.items if item.depth >= 0.5 and item.rect.bottom <= line + 0.1]
        x = whole.root.middle - part.root.middle * scale
        if others:  # beside what is on it already
            strip = Rect.around(others)
            x = strip.right + 0.04 - part.root.left * scale
            shift = whole.root.middle - (strip.left + x + part.root.right * scale) / 2
            whole.items = [item.moved(shift, 0) if item.rect in others else item for item in whole.items]
            x += shift
        return _lifted(part.moved(x, line - part.root.bottom * scale, scale, 0.5))

    def _inside(self, whole: Block, part: Block, _: Thing) -> Block:
        scale = min(1.0, 0.55 * whole.root.width / part.all.width, 0.55 * whole.root.height / part.all.height)
        x = whole.root.middle - part.all.middle * scale
        y = whole.root.bottom - 0.12 * whole.root.height - part.all.bottom * scale
        return _lifted(part.moved(x, y, scale, 0.5))

    def _under(self, whole: Block, part: Block, anchor: Thing) -> Block:
        if anchor.flies or self._floating or whole.flies:
            y = whole.all.bottom + 0.2 - part.all.top
            return part.moved(whole.root.middle - part.root.middle, y, 1, 0.1)
        limit = min(0.85 * whole.root.width / part.all.width, 0.5 * whole.root.height / part.all.height)
        scale = min(1.0, max(0.4, limit))
        return part.moved(whole.root.middle - part.root.middle * scale, 0.06 * whole.root.height, scale, 0.6)

    def _behind(self, whole: Block, part: Block, _: Thing) -> Block:
        back = -0.16 * min(whole.root.height, part.root.height)
        covered = part.root.height < 1.6 * whole.root.height
        side = 0.5 * whole.root.width + 0.25 * part.root.width if covered else 0.2 * whole.root.width
        return part.moved(whole.root.middle + side - part.root.middle, back, 1, -0.5)

    def _in_front(self, whole: Block, part: Block, _: Thing) -> Block:
        limit = 0.62 * whole.root.height / part.root.height
        scale = min(1.0, max(0.5, limit)) if part.root.height > 0.8 * whole.root.height else 1.0
        narrow = part.root.width * scale < 0.6 * whole.root.width
        side = 0.0 if narrow else -0.45 * whole.root.width
        forward = 0.16 * part.root.height * scale + 0.06
        return part.moved(whole.root.middle + side - part.root.middle * scale, forward, scale, 0.8)

    def _left(self, whole: Block, part: Block, _: Thing) -> Block:
        return part.moved(whole.all.left - GAP - part.all.right, self._level(whole, part), 1, 0.05)

    def _right(self, whole: Block, part: Block, _: Thing) -> Block:
        return part.moved(whole.all.right + GAP - part.all.left, self._level(whole, part), 1, 0.05)

    def _level(self, whole: Block, part: Block) -> float:
        """Things side by side share the ground; in the air, their middles."""
        return whole.root.centre - part.root.centre if whole.flies or part.flies else 0.0

    def _free_side(self, whole: Block) -> str:
        space_left, space_right = whole.root.left - whole.all.left, whole.all.right - whole.root.right
        return "left of" if space_right > space_left + 0.01 else "right of"

    def _around(self, whole: Block, at: int) -> Block:
        """On the ground to both sides; in the air in a ring."""
        thing = self.things[at]
        parts = self._group(at).items
        centre = whole.all
        ring = thing.flies or self._floating or whole.flies
        for number, item in enumerate(parts):
            own = item.rect
            if ring:
                angle = math.pi * (0.5 + 2 * (number + 0.5) / len(parts))
                if not (self._floating or whole.flies):  # over the ground there is half a ring
                    angle = math.pi * (1 + (number + 0.5) / len(parts))
                x = centre.middle + (centre.width / 2 + 0.7 * own.width + 0.1) * math.cos(angle)
                y = centre.centre + (centre.height / 2 + 0.6 * own.height + 0.1) * math.sin(angle)
                moved = item.moved(x - own.middle, y - own.centre, 1, 0.3)
            else:
                step = (number // 2 + 0.5) * (own.width + 0.06) + 0.06
                x = centre.left - step if number % 2 == 0 else centre.right + step
                moved = item.moved(x - own.middle, -own.bottom, 1, 0.3)
            whole.items.append(moved)
        return whole

    def _each(self, whole: Block, index: int, at: int) -> Block:
        """Three hats on three cats: one each."""
        thing, child = self.things[index], self.things[at]
        anchors = [item for item in whole.items if item.thing == index]
        for item, anchor in zip(self._group(at).items, anchors, strict=True):
            single = Block(item.rect, [item])
            host = Block(anchor.rect, [anchor])
            rule = self._on if child.where == "on" else self._above
            whole.items += [replace(made, depth=anchor.depth + 0.05) for made in rule(host, single, thing).items]
        return whole


def _has_children(things: Sequence[Thing], index: int) -> bool:
    return any(thing.of == index for thing in things)


def _lifted(block: Block) -> Block:
    """Off the ground: no shadows."""
    block.items = [replace(item, stands=False) for item in block.items]
    return block


_Spot = tuple[float, float, float, float]
"""x of the middle, y of the foot, scale, depth."""


def _rows(count: int, wide: float, high: float) -> list[_Spot]:
    """Side by side; more than five in rows, each a little higher, smaller and half a step aside: a class photo."""
    rows = max(1, math.ceil(count / _IN_A_ROW)) if count <= 4 * _IN_A_ROW else round(math.sqrt(count / 2))
    spots: list[_Spot] = []
    left = count
    for row in range(rows):
        here = math.ceil(left / (rows - row))
        left -= here
        scale = 0.93**row
        step = wide * 1.1 * scale
        aside = 0.25 * step * (row % 2)
        spots += [
            ((number - (here - 1) / 2) * step + aside, -row * 0.42 * high, scale, -0.01 * row) for number in range(here)
        ]
    return spots


def _grid(count: int, wide: float, high: float) -> list[_Spot]:
    """A loose cluster: a middle one higher in a row of three, staggered rows where there are more."""
    if count <= 3:
        return [
            ((number - (count - 1) / 2) * wide * 1.18, -0.22 * high * (count == 3 and number == 1), 1.0, 0.0)
            for number in range(count)
        ]
    columns = max(2, round(math.sqrt(count * 1.7 * high / wide)))
    rows = math.ceil(count / columns)
    spots: list[_Spot] = []
    left = count
    for row in range(rows):
        here = math.ceil(left / (rows - row))
        left -= here
        aside = 0.22 * wide * (1 if row % 2 else -1)
        spots += [
            ((number - (here - 1) / 2) * wide * 1.22 + aside, (row - rows + 1) * high * 1.18, 1.0, 0.0)
            for number in range(here)
        ]
    return spots
