"""New pictures that keep the outlines, the depth or the posture of a given one."""

from __future__ import annotations

import asyncio
from typing import Annotated

from PIL.Image import Image
from pydantic import Field

from engines.catalog import ModelEntry
from engines.errors import InputError, NotFoundError
from engines.image.control_maps import canny_map, depth_map, pose_map, scribble_map
from engines.protocols import (
    BodyTracking,
    Box,
    ControlKind,
    ControlledGeneration,
    DepthEstimation,
    ObjectDetection,
    VideoFrame,
)
from engines.readiness import Shelf
from tools.call import ToolCall
from tools.image.generate_image import Guidance, Negative, Prompt, Seed, Steps, new_seed
from tools.image.synthetic import synthetic
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, OverlayRef, ToolResult

MOST_PEOPLE = 6


class ControlledPicture(ToolResult):
    """``control_map`` is the picture of edges, lines, distances or postures that was followed. Sizes in px."""

    image: ImageRef
    control_map: OverlayRef
    control: ControlKind
    prompt: str
    model: str
    seed: int
    width: int
    height: int
    steps: int
    note: str = ""

    def summary(self) -> str:
        kept = {"canny": "edges", "scribble": "rough lines", "depth": "depth", "pose": "posture"}[self.control]
        size = f"{self.width} x {self.height} px"
        note = f" {self.note}" if self.note else ""
        return (
            f"Made a new {size} picture that keeps the {kept} of the given one ({self.model}, seed {self.seed}).{note}"
        )


@tool(cost=Cost(seconds=120))
async def controlnet_image(  # noqa: PLR0913, PLR0917 # what a user can set
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture whose shapes are kept")],
    prompt: Prompt,
    control: Annotated[
        ControlKind, Field(description="what is kept: canny (edges), scribble (rough lines), depth, pose (of people)")
    ],
    control_is_map: Annotated[
        bool, Field(description="the image is a ready-made map, to be followed as it is")
    ] = False,
    control_strength: Annotated[float, Field(ge=0, le=2, description="how closely it is followed")] = 1.0,
    negative: Negative = "",
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = None,
    model: ModelId = None,
) -> ControlledPicture:
    """Make a new picture that keeps the edges, lines, depth or poses of a given one."""
    picture = await call.image(image)
    entry = await asyncio.to_thread(net_for, call.workshop.controller.shelf, control, model)
    # What is missing is said before time goes into a map that nothing could follow.
    await asyncio.to_thread(call.workshop.controller.shelf.require, entry)
    guide = picture if control_is_map else await _control_map(call, picture, control)
    call.seed = drawn = new_seed(seed)
    async with call.use(ControlledGeneration, entry.id) as lease:
        made = await lease.run(
            lambda engine, cancel: engine.generate(
                prompt,
                guide,
                negative=negative,
                control_strength=control_strength,
                steps=steps,
                guidance=guidance,
                seed=drawn,
                on_progress=call.progress,
                on_preview=call.preview,
                cancel=cancel,
            )
        )
    return ControlledPicture(
        image=await call.save_image(made.image, "picture.png", pnginfo=synthetic(made, entry.id)),
        control_map=await call.save_image(guide, f"{control}.png"),
        control=control,
        prompt=prompt,
        model=entry.id,
        seed=made.seed,
        width=made.image.width,
        height=made.image.height,
        steps=made.steps,
        note=made.note,
    )


def net_for(shelf: Shelf, control: ControlKind, model: str | None) -> ModelEntry:
    """The ControlNet to use: the one that was named, or the first for that kind of map, ready ones before others.

    Raises InputError when the one that was named follows another kind.
    """
    if model:
        entry = shelf.resolve(ControlledGeneration.capability, model)
        if (follows := entry.options.get("control")) != control:
            raise InputError(f"{model} follows {follows}, not {control}.", fix=f"Use control={follows}, or no model.")
        return entry
    found = shelf.first(ControlledGeneration.capability, lambda entry: entry.options.get("control") == control)
    if found is None:
        raise NotFoundError(
            f"No model of the catalog follows {control}.", fix="Choose another control, or add a model."
        )
    return found


async def _control_map(call: ToolCall, picture: Image, control: ControlKind) -> Image:
    match control:
        case "canny":
            return await asyncio.to_thread(canny_map, picture)
        case "scribble":
            return await asyncio.to_thread(scribble_map, picture)
        case "depth":
            async with call.use(DepthEstimation) as lease:
                depth = await lease.run(
                    lambda engine, cancel: engine.estimate_depth(picture, on_progress=call.progress, cancel=cancel)
                )
            return await asyncio.to_thread(depth_map, depth)
        case "pose":
            return await _pose_map(call, picture)


async def _pose_map(call: ToolCall, picture: Image) -> Image:
    async with call.use(ObjectDetection) as finder:
        found = await finder.run(
            lambda engine, cancel: engine.detect(picture, on_progress=call.progress, cancel=cancel)
        )
    people: dict[int, Box] = dict(enumerate([box for box in found if box.label == "person"][:MOST_PEOPLE], 1))
    if not people:
        raise InputError("No person was found in the picture, so there is no pose to keep.", fix="Use another control.")
    frame = VideoFrame(seconds=0.0, image=picture)
    async with call.use(BodyTracking) as tracker:
        bodies = await tracker.run(
            lambda engine, cancel: next(iter(engine.track([frame], people={0.0: people}, cancel=cancel)), None)
        )
    if bodies is None or not bodies.poses:
        raise InputError("No pose could be read off the people in the picture.", fix="Use another control.")
    return await asyncio.to_thread(pose_map, picture.size, bodies.poses)
