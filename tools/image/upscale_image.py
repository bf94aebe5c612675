"""Larger pictures."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from engines.image.read import read_image
from engines.protocols import ImageUpscaling
from tools.call import ToolCall
from tools.image.synthetic import enhanced
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, Multiple, Planned, ToolResult


class PictureEnlarged(ToolResult):
    """``width`` and ``height`` in px, of the new picture; ``factor`` is how many times as wide and as high it is."""

    image: ImageRef
    factor: float
    width: int
    height: int
    model: str

    def summary(self) -> str:
        return f"Enlarged the picture {self.factor:g} times, to {self.width} x {self.height} px ({self.model})."


@tool(cost=Cost(seconds=10))
async def upscale_image(
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture")],
    factor: Annotated[
        float | None,
        Planned(),
        Multiple(),
        Field(gt=1, le=8, description="how many times as wide and high; none: the model's own"),
    ] = None,
    model: ModelId = None,
) -> PictureEnlarged:
    """Enlarge a picture and sharpen it to a higher resolution."""
    return await enlarge(call, image, factor, model)


async def enlarge(call: ToolCall, image: str, factor: float | None, model: str | None) -> PictureEnlarged:
    """Enlarge a picture, with its transparency, and keep the result."""
    path, name = await call.path(image), await call.name(image)
    picture = await asyncio.to_thread(read_image, path, limits=call.workshop.limits, name=name, keep_transparency=True)
    async with call.use(ImageUpscaling, model) as lease:
        larger = await lease.run(
            lambda engine, cancel: engine.upscale(picture, factor=factor, on_progress=call.progress, cancel=cancel)
        )
        scale = await lease.run(lambda engine, _: engine.scale)
        used = lease.entry.id
    return PictureEnlarged(
        image=await call.save_image(larger, "enlarged.png", pnginfo=enhanced(used)),
        factor=factor or float(scale),
        width=larger.width,
        height=larger.height,
        model=used,
    )
