"""Changing a picture: after an instruction, into another style, in a part of it, or its size."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Literal

from pydantic import Field

from engines.catalog import ModelEntry
from engines.errors import InputError, NotFoundError
from engines.protocols import EditMode, ImageEditing, ImageUpscaling
from engines.readiness import Shelf
from tools.call import ToolCall
from tools.image.generate_image import Guidance, Negative, Seed, Steps, new_seed
from tools.image.synthetic import synthetic
from tools.image.upscale_image import enlarge
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, Planned, Text, ToolResult

Mode = Literal["instruct", "restyle", "inpaint", "upscale"]

_WHOLE = r"(it|this|(the|this|my) (whole |entire )?(picture|image|photo(graph)?|screenshot|scan))"

#: An instruction about the size of the whole picture and about nothing else: not "enlarge her eyes".
_ABOUT_SIZE = re.compile(
    rf"\W*(please )?(up-?scale|super-?resol|(increase|improve|raise|double) (the|its) resolution|("
    rf"enlarge( {_WHOLE})?|(increase|double) (its size|the size of {_WHOLE}|the size)"
    rf"|make {_WHOLE} (bigger|larger|sharper|high(er)?[ -]res(olution)?)"
    r")\W*($|(by|to|for|so|please|x|times|twice|two|three|four)\b|\d))",
    re.IGNORECASE,
)


class PictureChanged(ToolResult):
    """``width`` and ``height`` in px. ``seed`` and ``steps`` are None and 0 where the model draws no lots."""

    image: ImageRef
    mode: Mode
    instruction: str
    model: str
    width: int
    height: int
    seed: int | None = None
    steps: int = 0
    note: str = ""

    def summary(self) -> str:
        size = f"{self.width} x {self.height} px"
        note = f" {self.note}" if self.note else ""
        if self.mode == "upscale":
            return f"Enlarged the picture to {size} ({self.model}).{note}"
        done = {"restyle": "Repainted the whole picture", "inpaint": "Repainted the marked part", "instruct": "Changed"}
        what = done[self.mode] + (" the picture" if self.mode == "instruct" else "")
        return f"{what} as asked; it is {size} ({self.model}, seed {self.seed}).{note}"


@tool(cost=Cost(seconds=90))
async def edit_image(  # noqa: PLR0913, PLR0917 # what a user can set
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture to change")],
    instruction: Annotated[
        Text, Field(description="what to change, or what the result shows, in English", max_length=2_000)
    ],
    mode: Annotated[
        Mode | None,
        Planned(),
        Field(description="instruct: do as told; restyle: repaint it all; inpaint: the mask's part; upscale: enlarge"),
    ] = None,
    mask: Annotated[ImageRef | None, Field(description="for inpaint: white where to paint")] = None,
    strength: Annotated[float | None, Field(ge=0.01, le=1, description="how far from the original, 0.01..1")] = None,
    factor: Annotated[float | None, Field(gt=1, le=8, description="for upscale: how many times as large")] = None,
    negative: Negative = "",
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = None,
    model: ModelId = None,
) -> PictureChanged:
    """Change a given picture: restyle it, alter what it shows, or enlarge it."""
    shelf = call.workshop.controller.shelf
    way = mode or await _chosen_mode(call, instruction, has_mask=mask is not None, model=model)
    if way == "upscale":
        return await _upscale(call, image, instruction, factor, model)
    picture = await call.image(image)
    if way == "inpaint" and mask is None:
        raise InputError(
            "To repaint a part of a picture, a mask has to say which part.",
            fix="Give a mask (white where to paint), or use the mode instruct or restyle.",
        )
    area = await call.image(mask) if mask is not None and way == "inpaint" else None
    call.seed = drawn = new_seed(seed)
    entry = await asyncio.to_thread(editor_for, shelf, way, model)
    async with call.use(ImageEditing, entry.id) as lease:
        made = await lease.run(
            lambda engine, cancel: engine.edit(
                picture,
                instruction,
                mode=way,
                mask=area.convert("L") if area else None,
                negative=negative,
                strength=strength,
                steps=steps,
                guidance=guidance,
                seed=drawn,
                on_progress=call.progress,
                on_preview=call.preview,
                cancel=cancel,
            )
        )
    info = synthetic(made, entry.id, changed=True)
    return PictureChanged(
        image=await call.save_image(made.image, "edited.png", pnginfo=info),
        mode=way,
        instruction=instruction,
        model=entry.id,
        width=made.image.width,
        height=made.image.height,
        seed=made.seed,
        steps=made.steps,
        note=made.note,
    )


def chosen_mode(shelf: Shelf, instruction: str, *, has_mask: bool, model: str | None) -> Mode:
    """How to change a picture when nobody says: by the mask, by a model that was named, by the words, and otherwise by
    what can be done here.
    """
    if has_mask:
        return "inpaint"
    if model:
        entry = shelf.catalog.get(model)
        if entry.capability == ImageUpscaling.capability:
            return "upscale"
        return next((mode for mode in modes_of(entry) if mode != "inpaint"), "instruct")
    if _ABOUT_SIZE.match(instruction):
        return "upscale"
    ready = [mode for entry in shelf.ready(ImageEditing.capability) for mode in modes_of(entry)]
    return "restyle" if "restyle" in ready and "instruct" not in ready else "instruct"


async def _chosen_mode(call: ToolCall, instruction: str, *, has_mask: bool, model: str | None) -> Mode:
    shelf = call.workshop.controller.shelf
    return await asyncio.to_thread(chosen_mode, shelf, instruction, has_mask=has_mask, model=model)


def editor_for(shelf: Shelf, mode: EditMode, model: str | None) -> ModelEntry:
    """The model to use: the one that was named, or the first that can do it, ready ones before others."""
    if model:
        return shelf.resolve(ImageEditing.capability, model)
    entry = shelf.first(ImageEditing.capability, lambda entry: mode in modes_of(entry))
    if entry is None:
        raise NotFoundError(f"No model of the catalog can {mode}.", fix="Choose another mode, or add a model.")
    return entry


def modes_of(entry: ModelEntry) -> tuple[EditMode, ...]:
    """What an editing model does, as its entry says."""
    return tuple(entry.options.get("modes", ("restyle", "inpaint")))


async def _upscale(
    call: ToolCall, image: str, instruction: str, factor: float | None, model: str | None
) -> PictureChanged:
    larger = await enlarge(call, image, factor, model)
    return PictureChanged(
        image=larger.image,
        mode="upscale",
        instruction=instruction,
        model=larger.model,
        width=larger.width,
        height=larger.height,
    )
