"""Pictures from words."""

from __future__ import annotations

import secrets
from typing import Annotated

from pydantic import Field

from engines.protocols import GeneratedImage, ImageGeneration, MakingKind
from tools.call import ToolCall
from tools.image.synthetic import synthetic
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, Text, ToolResult

MAX_SEED = 2**32 - 1

Prompt = Annotated[Text, Field(description="what the picture shows, in English", max_length=2_000)]
Negative = Annotated[str, Field(description="what should not be in it", max_length=2_000)]
Steps = Annotated[int | None, Field(ge=1, le=150, description="steps of the model; none: what suits it")]
Guidance = Annotated[
    float | None, Field(ge=0, le=30, description="how closely the words are followed; none: what suits the model")
]
Seed = Annotated[
    int | None, Field(ge=0, le=MAX_SEED, description="the same seed gives the same picture; none: a new one")
]
Side = Annotated[int | None, Field(ge=64, le=4_096, description="px; none: what suits the model")]


class PictureMade(ToolResult):
    """``width`` and ``height`` in px. ``kind`` says how it came about; ``svg`` is an artifact, of models that draw;
    ``unmatched`` are words of the prompt that it could do nothing with. ``steps`` is 0 where there are none.
    """

    image: ImageRef
    svg: str | None = None
    prompt: str
    model: str
    kind: MakingKind
    seed: int
    width: int
    height: int
    steps: int
    unmatched: tuple[str, ...] = ()
    note: str = ""

    def summary(self) -> str:
        size = f"{self.width} x {self.height} px"
        if self.kind == "vector-scene":
            said = f"Drew {_quoted(self.prompt)}, {size}."
        else:
            said = f"Made a {size} picture: {_quoted(self.prompt)} ({self.model}, seed {self.seed})."
        missed = f" Nothing was found for: {', '.join(self.unmatched)}." if self.unmatched else ""
        return f"{said}{missed}{f' {self.note}' if self.note else ''}"


@tool(cost=Cost(seconds=60))
async def generate_image(  # noqa: PLR0913, PLR0917 # what a user can set
    call: ToolCall,
    prompt: Prompt,
    negative: Negative = "",
    width: Side = None,
    height: Side = None,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = None,
    model: ModelId = None,
) -> PictureMade:
    """Draw or paint a new picture from a description."""
    call.seed = drawn = new_seed(seed)
    async with call.use(ImageGeneration, model) as lease:
        made = await lease.run(
            lambda engine, cancel: engine.generate(
                prompt,
                negative=negative,
                width=width,
                height=height,
                steps=steps,
                guidance=guidance,
                seed=drawn,
                on_progress=call.progress,
                on_preview=call.preview,
                cancel=cancel,
            )
        )
        used = lease.entry.id
    return await picture_made(call, made, prompt, used)


async def picture_made(call: ToolCall, made: GeneratedImage, prompt: str, model: str) -> PictureMade:
    """Keep what a model made."""
    return PictureMade(
        image=await call.save_image(made.image, "picture.png", pnginfo=synthetic(made, model)),
        svg=await call.save_svg(made.svg, "picture.svg") if made.svg else None,
        prompt=prompt,
        model=model,
        kind=made.kind,
        seed=made.seed,
        width=made.image.width,
        height=made.image.height,
        steps=made.steps,
        unmatched=made.unmatched,
        note=made.note,
    )


def new_seed(seed: int | None) -> int:
    """The seed that was asked for, or a new one."""
    return secrets.randbelow(MAX_SEED + 1) if seed is None else seed


def _quoted(prompt: str) -> str:
    return f"“{prompt if len(prompt) <= 80 else f'{prompt[:79]}…'}”"
