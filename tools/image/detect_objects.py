"""Objects in a picture."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated

from pydantic import BaseModel, Field

from engines.errors import InputError
from engines.image.draw import draw_boxes
from engines.protocols import ObjectDetection
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ImageRef, OneOf, OverlayRef, ToolResult


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
        OneOf("object-labels"),
        Field(description="count only this kind of thing (for people: person); none: everything"),
    ] = None,
    threshold: Annotated[float, Field(ge=0.05, le=0.95, description="lowest score that counts, 0..1")] = 0.4,
) -> ObjectsFound:
    """Find, locate and count people, animals and things in a picture."""
    picture = await call.image(image)
    async with call.use(ObjectDetection) as lease:
        labels = await lease.run(lambda engine, _: engine.labels)
        if target and target not in labels:
            raise InputError(f"{target!r} is nothing the model knows.", fix=f"It knows: {', '.join(labels)}.")
        boxes = await lease.run(
            lambda engine, cancel: engine.detect(picture, threshold=threshold, on_progress=call.progress, cancel=cancel)
        )
    if target:
        boxes = tuple(box for box in boxes if box.label == target)
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
        target=target,
        picture=drawn,
    )


def _plural(label: str, count: int) -> str:
    if count == 1:
        return label
    if label == "person":
        return "people"
    return label if label.endswith("s") else f"{label}es" if label.endswith(("ch", "sh", "x")) else f"{label}s"
