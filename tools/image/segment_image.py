"""Outlines of things in a picture, and the things cut out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from engines.errors import InputError
from engines.image.draw_masks import draw_masks
from engines.image.matte import cut_out, polygons, soften, tidy
from engines.image.people import people_in_boxes
from engines.protocols import (
    Box,
    Mask,
    ObjectDetection,
    ObjectSegmentation,
    OpenDetection,
    PersonSegmentation,
    Point,
    SaliencyDetection,
)
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, OneOf, OverlayRef, ToolResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_MAIN = "main object"


class Outline(BaseModel):
    """One thing. Edges in px from the top left; ``share`` of the picture's area and ``score`` in 0..1; ``polygons`` are
    its outer outlines in px, (x, y), the largest first.
    """

    label: str
    score: float
    share: float
    left: int
    top: int
    right: int
    bottom: int
    polygons: list[list[tuple[int, int]]]


class Segmented(ToolResult):
    """``cutout`` holds the things on a transparent ground, ``mask`` is white where they are, ``picture`` shows them in
    place; all have the picture's size, and are missing when nothing was found. ``chosen`` says how it was decided what
    to outline. ``share`` of the picture's area in 0..1.
    """

    objects: list[Outline]
    target: str | None
    chosen: str
    share: float
    cutout: ImageRef | None = None
    mask: OverlayRef | None = None
    picture: OverlayRef | None = None

    @property
    def is_empty(self) -> bool:
        return not self.objects

    def summary(self) -> str:
        if not self.objects:
            return f"No {self.target} was found in the picture." if self.target else f"{self.chosen}."
        named = ", ".join(f"{thing.label} ({_percent(thing.share)} of the picture)" for thing in self.objects)
        return f"Cut out: {named}. {self.chosen}."


@dataclass(frozen=True)
class _Asked:
    """What to outline; nothing at all when neither is given. ``mask`` is there when it was found along with it."""

    chosen: str
    points: tuple[Point, ...] = ()
    boxes: tuple[Box, ...] = ()
    mask: Mask | None = None


@tool(cost=Cost(seconds=1.5))
async def segment_image(
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture")],
    target: Annotated[
        str | None,
        OneOf("object-labels", named=True),
        Field(description="the kind of thing to cut out (for people: person); none: the main object"),
    ] = None,
    point: Annotated[tuple[float, float] | None, Field(description="x, y in px of a place on the thing")] = None,
    box: Annotated[
        tuple[float, float, float, float] | None, Field(description="left, top, right, bottom in px around the thing")
    ] = None,
    which: Annotated[Literal["all", "largest"], Field(description="every thing of that kind, or one")] = "all",
    model: ModelId = None,
) -> Segmented:
    """Cut a person, animal or thing out of a picture, removing its background."""
    if target and (point or box):
        raise InputError("A target and a place were both given.", fix="Give either a target, or a point or a box.")
    picture = await call.image(image)
    asked = await _by_target(call, picture, target) if target else await _by_place(call, picture, point, box)
    masks = await _outline(call, picture, asked, model) if asked.boxes or asked.points else ()
    masks = tuple(mask for mask in masks if mask.pixels.any())
    if which == "largest":
        masks = tuple(sorted(masks, key=lambda mask: int(mask.pixels.sum()), reverse=True)[:1])
    if not masks:
        chosen = asked.chosen if not (asked.boxes or asked.points) else "No outline was found there"
        return Segmented(objects=[], target=target, chosen=chosen, share=0)
    return await _keep(call, picture, masks, target, asked.chosen)


async def _keep(call: ToolCall, picture: Image, masks: Sequence[Mask], target: str | None, chosen: str) -> Segmented:
    from PIL import Image as Pictures

    whole = masks[0].pixels.copy()
    for mask in masks[1:]:
        whole |= mask.pixels

    def render() -> tuple[Image, Image, Image]:
        alpha = soften(picture, whole)
        flat = Pictures.fromarray((alpha * 255).round().astype("uint8"))
        return cut_out(picture, alpha), flat, draw_masks(picture, masks)

    cutout, flat, shown = await asyncio.to_thread(render)
    return Segmented(
        objects=await asyncio.to_thread(lambda: [_described(mask) for mask in masks]),
        target=target,
        chosen=chosen,
        share=round(float(whole.mean()), 4),
        cutout=await call.save_image(cutout, "cutout.png"),
        mask=await call.save_image(flat, "mask.png"),
        picture=await call.save_image(shown, "outlined.png"),
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "under 1%"


def _described(mask: Mask) -> Outline:
    import numpy as np

    rows, columns = np.flatnonzero(mask.pixels.any(1)), np.flatnonzero(mask.pixels.any(0))
    return Outline(
        label=mask.label or _MAIN,
        score=round(mask.score, 3),
        share=round(float(mask.pixels.mean()), 4),
        left=int(columns[0]),
        top=int(rows[0]),
        right=int(columns[-1]) + 1,
        bottom=int(rows[-1]) + 1,
        polygons=polygons(mask.pixels),
    )


# ------------------------------------------------------------------------------------------------- what to outline


async def _by_target(call: ToolCall, picture: Image, target: str) -> _Asked:
    async with call.use(ObjectDetection) as lease:
        labels = await lease.run(lambda engine, _: engine.labels)
        if target in labels:
            found = await lease.run(lambda engine, cancel: engine.detect(picture, cancel=cancel))
            boxes = tuple(box for box in found if box.label == target)
            return _Asked(f"Found by looking for: {target}", boxes=boxes)
    shelf = call.workshop.controller.shelf
    known = OpenDetection.capability in shelf.catalog.capabilities
    entry = shelf.resolve(OpenDetection.capability) if known else None
    if entry is None or shelf.readiness(entry).state != "ready":
        more = f" For any words: {shelf.readiness(entry).fix}." if entry else ""
        raise InputError(f"{target!r} is nothing the model knows.", fix=f"It knows: {', '.join(labels)}.{more}")
    async with call.use(OpenDetection) as opened:
        boxes = await opened.run(
            lambda engine, cancel: engine.detect(picture, [target], on_progress=call.progress, cancel=cancel)
        )
    return _Asked(f"Found by looking for: {target}", boxes=boxes)


async def _by_place(
    call: ToolCall,
    picture: Image,
    point: tuple[float, float] | None,
    box: tuple[float, float, float, float] | None,
) -> _Asked:
    points = (Point(*point),) if point else ()
    if box:
        return _Asked("Taken: what the box holds", points, (Box("object", 1.0, *box),))
    async with call.use(ObjectDetection) as lease:
        seen = await lease.run(lambda engine, cancel: engine.detect(picture, cancel=cancel))
    if point:
        around = [
            thing for thing in seen if thing.left <= point[0] < thing.right and thing.top <= point[1] < thing.bottom
        ]
        if not around:
            return _Asked("Taken: what is at the point", points)
        smallest = min(around, key=lambda box: box.area)
        return _Asked(f"Taken: the {smallest.label} at the point", points, (smallest,))
    return await _main_object(call, picture, seen)


async def _main_object(call: ToolCall, picture: Image, seen: Sequence[Box]) -> _Asked:
    """What stands out; where nothing does, the best thing the detector sees."""
    async with call.use(SaliencyDetection) as lease:
        salient = await lease.run(lambda engine, cancel: engine.find_salient(picture, cancel=cancel))
    pixels = await asyncio.to_thread(lambda: tidy(salient > 0.5))
    if pixels.mean() < 0.002:
        if not seen:
            return _Asked("Nothing stands out in the picture")
        return _Asked(f"Taken as the main object: the {seen[0].label} that was seen best", boxes=(seen[0],))
    frame = _frame(pixels)
    label = next((thing.label for thing in seen if _overlap(thing, frame) > 0.5), "")
    what = f"the {label}, which stands out most" if label else "what stands out most"
    mask = Mask(pixels, float(salient[pixels].mean()), label or _MAIN)
    return _Asked(f"Taken as the main object: {what}", boxes=(replace(frame, label=mask.label),), mask=mask)


# -------------------------------------------------------------------------------------------------- the outlining


async def _outline(call: ToolCall, picture: Image, asked: _Asked, model: str | None) -> tuple[Mask, ...]:
    shelf = call.workshop.controller.shelf
    stand_in = shelf.resolve(ObjectSegmentation.capability, model).fallback and model is None
    if stand_in and asked.mask:
        return (asked.mask,)
    people: list[Mask | None] = [None] * len(asked.boxes)
    if stand_in and not asked.points and all(box.label == "person" for box in asked.boxes):
        entry = shelf.resolve(PersonSegmentation.capability)
        if shelf.readiness(entry).state == "ready":
            async with call.use(PersonSegmentation) as seer:
                people = await seer.run(lambda engine, cancel: people_in_boxes(picture, asked.boxes, engine, cancel))
    left = [box for box, mask in zip(asked.boxes, people, strict=True) if mask is None]
    if asked.boxes and not left:
        return tuple(mask for mask in people if mask)
    async with call.use(ObjectSegmentation, model) as lease:
        masks = await lease.run(
            lambda engine, cancel: engine.segment(
                picture, points=asked.points, boxes=left, on_progress=call.progress, cancel=cancel
            )
        )
    rest = iter(masks)
    return tuple(mask or next(rest) for mask in people) if asked.boxes else masks


def _frame(pixels: NDArray[np.bool_]) -> Box:
    import numpy as np

    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    return Box("", 1.0, float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union, 0..1."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.area + other.area - shared)
