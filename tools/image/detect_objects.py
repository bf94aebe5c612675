"""Objects in a picture."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated

from PIL.Image import Image
from pydantic import BaseModel, Field

from engines.errors import InputError
from engines.image.draw import draw_boxes
from engines.protocols import Box, ObjectDetection, OpenDetection
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, OneOf, OverlayRef, ToolResult


class FoundObject(BaseModel):
    """Edges in px from the top left; ``score`` in 0..1."""

    label: str
    score: float
    left: int
    top: int
    right: int
    bottom: int


class ObjectsFound(ToolResult):
    """``picture`` shows the boxes. ``counts`` is by label, most first."""

    objects: list[FoundObject]
    counts: dict[str, int]
    target: str | None
    picture: OverlayRef

    @property
    def is_empty(self) -> bool:
        return not self.objects

    def summary(self) -> str:
        if not self.objects:
            return f"No {self.target or 'known object'} was found in the picture."
        counted = ", ".join(f"{count} {_plural(label, count)}" for label, count in self.counts.items())
        return f"Found in the picture: {counted}."


@tool(cost=Cost(seconds=0.3))
async def detect_objects(
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture")],
    target: Annotated[
        str | None,
        OneOf("object-labels", named=True),
        Field(description="count only this kind of thing (for people: person); none: everything"),
    ] = None,
    threshold: Annotated[float, Field(ge=0.05, le=0.95, description="lowest score that counts, 0..1")] = 0.4,
    model: ModelId = None,
) -> ObjectsFound:
    """Find, box and count people, animals and things in a picture."""
    picture = await call.image(image)
    targets = tuple(dict.fromkeys(name.strip() for name in (target or "").split(",") if name.strip()))
    boxes = await _find(call, picture, targets, threshold, model)
    drawn = await call.save_image(await asyncio.to_thread(draw_boxes, picture, boxes), "objects.png")
    return ObjectsFound(
        objects=[
            FoundObject(
                label=box.label,
                score=round(box.score, 3),
                left=round(box.left),
                top=round(box.top),
                right=round(box.right),
                bottom=round(box.bottom),
            )
            for box in boxes
        ],
        counts=dict(Counter(box.label for box in boxes).most_common()),
        target=", ".join(targets) or None,
        picture=drawn,
    )


async def _find(
    call: ToolCall, picture: Image, targets: tuple[str, ...], threshold: float, model: str | None
) -> tuple[Box, ...]:
    """By the detector; what it doesn't know, by one that searches for words, where one is ready."""
    catalog = call.workshop.controller.shelf.catalog
    if model and catalog.get(model).capability == OpenDetection.capability:
        return await _search(call, picture, targets, threshold, model)
    async with call.use(ObjectDetection, model) as lease:
        labels = await lease.run(lambda engine, _: engine.labels)
        unknown = [target for target in targets if target not in labels]
        if not unknown:
            boxes = await lease.run(
                lambda engine, cancel: engine.detect(
                    picture, threshold=threshold, on_progress=call.progress, cancel=cancel
                )
            )
            return tuple(box for box in boxes if not targets or box.label in targets)
    searcher = call.workshop.controller.shelf.first(OpenDetection.capability, lambda entry: not entry.remote)
    if model or searcher is None or call.workshop.controller.shelf.readiness(searcher).state != "ready":
        more = f" Other things are found with: sensorium models pull {searcher.id}" if searcher and not model else ""
        raise InputError(f"{unknown[0]!r} is nothing the model knows.", fix=f"It knows: {', '.join(labels)}.{more}")
    # Scores of models that search for words are about half of those of detectors with fixed classes.
    return await _search(call, picture, targets, threshold / 2, searcher.id)


async def _search(
    call: ToolCall, picture: Image, targets: tuple[str, ...], threshold: float, model: str
) -> tuple[Box, ...]:
    async with call.use(OpenDetection, model) as lease:
        return await lease.run(
            lambda engine, cancel: engine.detect(
                picture, targets, threshold=threshold, on_progress=call.progress, cancel=cancel
            )
        )


def _plural(label: str, count: int) -> str:
    if count == 1:
        return label
    if label == "person":
        return "people"
    return label if label.endswith("s") else f"{label}es" if label.endswith(("ch", "sh", "x")) else f"{label}s"
