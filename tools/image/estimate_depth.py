"""How far away things in a picture are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from engines.errors import InputError
from engines.image.draw_depth import colour_map, depth_map, millimetres
from engines.protocols import DepthEstimation, StereoDepth
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, OverlayRef, ToolResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


class DepthEstimated(ToolResult):
    """``depth_map`` is a 16-bit grey PNG in which nearer is brighter, from the farthest (0) to the nearest (65535).

    ``picture`` shows it in colours, yellow near and dark far; grey is not known. Where distances in metres are known,
    ``nearest_m`` and ``farthest_m`` are those of the nearest and farthest hundredth of the picture, and
    ``millimetres`` is a 16-bit PNG that holds them (0: not known). ``known`` is the share of the picture with a depth.
    """

    depth_map: ImageRef
    picture: OverlayRef
    millimetres: OverlayRef | None
    nearest_m: float | None
    farthest_m: float | None
    known: float
    note: str

    def summary(self) -> str:
        if self.nearest_m is None or self.farthest_m is None:
            return f"Made a depth map: brighter is nearer. {self.note}"
        return f"Made a depth map: from {self.nearest_m:.2f} m to {self.farthest_m:.2f} m away. {self.note}"


@tool(cost=Cost(seconds=4))
async def estimate_depth(
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture; of a stereo pair, the left one")],
    right: Annotated[ImageRef | None, Field(description="the right picture of a rectified stereo pair")] = None,
    focal_px: Annotated[
        float | None, Field(gt=0, description="focal length in px, for metres of a stereo pair")
    ] = None,
    baseline_m: Annotated[float | None, Field(gt=0, description="metres between the two cameras")] = None,
    model: ModelId = None,
) -> DepthEstimated:
    """Make a depth map of a picture: which things are near and which are far."""
    if right is None:
        if focal_px or baseline_m:
            raise InputError("Focal length and baseline belong to a stereo pair.", fix="Give the right picture too.")
        return await _from_one(call, image, model)
    if right == image:
        raise InputError("The left and the right picture are the same file.", fix="Give both pictures of the pair.")
    return await _from_two(call, (image, right), (focal_px, baseline_m), model)


async def _from_one(call: ToolCall, image: str, model: str | None) -> DepthEstimated:
    picture = await call.image(image)
    best = call.workshop.controller.shelf.first(DepthEstimation.capability, lambda _: True)
    async with call.use(DepthEstimation, model or (best.id if best else None)) as lease:
        found = await lease.run(
            lambda engine, cancel: engine.estimate_depth(picture, on_progress=call.progress, cancel=cancel)
        )
    note = (
        "The depth is relative: it has no unit, and compares places within this picture only."
        if found.metres is None
        else "The distances are a model's estimate from one picture."
    )
    return await _keep(call, found.nearness, found.metres, note)


async def _from_two(
    call: ToolCall, pair: tuple[str, str], camera: tuple[float | None, float | None], model: str | None
) -> DepthEstimated:
    left, right = [await call.image(side) for side in pair]
    async with call.use(StereoDepth, model) as lease:
        found = await lease.run(
            lambda engine, cancel: engine.match(
                left, right, focal_px=camera[0], baseline_m=camera[1], on_progress=call.progress, cancel=cancel
            )
        )
    note = (
        "Its values are disparities, without a unit: give focal_px and baseline_m for metres."
        if found.metres is None
        else "Measured by matching the two pictures."
    )
    return await _keep(call, found.disparity_px, found.metres, note)


async def _keep(
    call: ToolCall, nearness: NDArray[np.float32], metres: NDArray[np.float32] | None, note: str
) -> DepthEstimated:
    import numpy as np

    known = np.isfinite(nearness)
    if not known.any():
        raise InputError(
            "No place of the left picture was found in the right one.",
            fix="Give a rectified pair: the left picture as image, the right one as right.",
        )
    reach: tuple[float, float] | None = None
    if metres is not None and np.isfinite(metres).any():
        near, far = np.nanpercentile(metres[::4, ::4] if metres.size > 1_000_000 else metres, (1, 99))
        reach = (round(float(near), 3), round(float(far), 3))

    def render() -> tuple[Image, Image, Image | None]:
        return depth_map(nearness), colour_map(nearness), None if metres is None else millimetres(metres)

    grey, coloured, exact = await asyncio.to_thread(render)
    return DepthEstimated(
        depth_map=await call.save_image(grey, "depth.png"),
        picture=await call.save_image(coloured, "depth-colours.png"),
        millimetres=await call.save_image(exact, "depth-mm.png") if exact else None,
        nearest_m=reach[0] if reach else None,
        farthest_m=reach[1] if reach else None,
        known=round(float(known.mean()), 4),
        note=note,
    )
