"""Changing pictures by diffusion: restyling (image to image), inpainting, and following an instruction."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from engines.errors import EngineError, InputError
from engines.image.diffusion_pipe import DiffusionPipe, Made
from engines.image.diffusion_steps import Follower
from engines.image.sizes import Size, working_size
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import EditMode, GeneratedImage

if TYPE_CHECKING:
    from PIL.Image import Image

_IMAGE_GUIDANCE = (1.0, 2.0)
"""InstructPix2Pix: how closely the picture is kept, at a strength of 1 and of 0. Its authors use 1.5."""

_SOFT_SHARE = 1 / 128
"""Of the picture's longer edge: over so many px the painted part passes into the rest."""

_TRAINED_STEPS = 1_000


class StableDiffusionEditor:
    """`ImageEditing` over a diffusers folder: a text-to-image model restyles and inpaints, a model that was trained for
    inpainting only does that, InstructPix2Pix follows instructions.
    """

    capability: ClassVar[str] = "image-editing"

    def __init__(self, context: LoadContext) -> None:
        self._pipe = DiffusionPipe.of(context)
        can = self._abilities()
        self.modes: tuple[EditMode, ...] = self._pipe.options.modes or can
        if beyond := set(self.modes) - set(can):
            self._pipe.close()
            raise EngineError(
                f"{context.entry.id}: the model in {context.folder} can't {' or '.join(sorted(beyond))}.",
                fix=f"Correct the entry's options: modes = [{', '.join(repr(mode) for mode in can)}].",
            )

    def close(self) -> None:
        self._pipe.close()

    def edit(  # noqa: PLR0913 # the protocol's
        self,
        image: Image,
        prompt: str,
        *,
        mode: EditMode,
        mask: Image | None = None,
        negative: str = "",
        strength: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int,
        on_progress: OnProgress = ignore_progress,
        on_preview: Callable[[Image], None] | None = None,
        cancel: CancelToken = NEVER,
    ) -> GeneratedImage:
        """As `ImageEditing` says. An inpainted picture keeps its size, and every pixel the mask leaves alone."""
        if mode not in self.modes:
            raise InputError(
                f"{self._pipe.id} can't {mode}.", fix=f"It can: {', '.join(self.modes)}. Choose another model."
            )
        size = working_size(self._pipe.native, *image.size, self._pipe.step_px)
        common: dict[str, Any] = {
            "negative": negative,
            "guidance": guidance,
            "seed": seed,
            "follower": Follower(on_progress, on_preview, cancel),
        }
        steps = steps or self._pipe.options.steps
        match mode:
            case "restyle":
                made = self._restyle(image, prompt, size, strength or self._pipe.options.strength, steps, common)
            case "inpaint":
                made = self._inpaint(image, prompt, mask, size, strength or 1.0, steps, common)
            case "instruct":
                made = self._instruct(image, prompt, size, 0.5 if strength is None else strength, steps, common)
        return GeneratedImage(image=made.image, seed=seed, steps=made.steps, note=made.note)

    def _abilities(self) -> tuple[EditMode, ...]:
        name = self._pipe.class_name
        if name == "StableDiffusionInstructPix2PixPipeline":
            return ("instruct",)
        if "InstructPix2Pix" in name:
            raise EngineError(f"{self._pipe.id}: {name} is not supported.", fix="Use timbrooks/instruct-pix2pix.")
        # A network that was trained for inpainting takes the mask and the masked picture beside the latents.
        trained_to_inpaint = self._pipe.pipe.unet.config.in_channels > self._pipe.pipe.vae.config.latent_channels
        return ("inpaint",) if trained_to_inpaint else ("restyle", "inpaint")

    def _restyle(
        self, image: Image, prompt: str, size: Size, strength: float, steps: int, common: dict[str, Any]
    ) -> Made:
        from diffusers import AutoPipelineForImage2Image

        self._pipe.become(AutoPipelineForImage2Image)
        return self._pipe.make(
            prompt,
            steps=steps_for(steps, strength),
            image=_resized(image, size),
            strength=strength,
            **common,
        )

    def _inpaint(
        self,
        image: Image,
        prompt: str,
        mask: Image | None,
        size: Size,
        strength: float,
        steps: int,
        common: dict[str, Any],
    ) -> Made:
        from diffusers import AutoPipelineForInpainting

        if mask is None:
            raise InputError(
                "There is no mask.", fix="Give a picture that is white where to paint, and black elsewhere."
            )
        mask = _black_and_white(mask, image)
        self._pipe.become(AutoPipelineForInpainting)
        made = self._pipe.make(
            prompt,
            steps=steps_for(steps, strength),
            image=_resized(image, size),
            mask_image=_resized(mask, size),
            strength=strength,
            width=size.width,
            height=size.height,
            **common,
        )
        return Made(_put_back(image, mask, made.image), made.steps, made.note)

    def _instruct(
        self, image: Image, prompt: str, size: Size, strength: float, steps: int, common: dict[str, Any]
    ) -> Made:
        weakest, closest = _IMAGE_GUIDANCE
        return self._pipe.make(
            prompt,
            steps=steps,
            image=_resized(image, size),
            image_guidance_scale=closest - strength * (closest - weakest),
            **common,
        )


def steps_for(steps: int, strength: float) -> int:
    """How many steps to ask diffusers for, which leaves out those that ``strength`` makes needless: as many are done as
    were wanted. A turbo model's only step would be left out otherwise.
    """
    asked = math.ceil(steps / strength)
    while int(asked * strength) < steps:
        asked += 1
    return min(asked, _TRAINED_STEPS)


def _resized(image: Image, size: Size) -> Image:
    from PIL.Image import Resampling

    return image.resize((size.width, size.height), Resampling.NEAREST if image.mode == "L" else Resampling.LANCZOS)


def _black_and_white(mask: Image, image: Image) -> Image:
    """The mask in the picture's size. Raises InputError when it leaves nothing to do."""
    from PIL.Image import Resampling

    mask = mask.convert("L").point(lambda value: 255 if value > 127 else 0).resize(image.size, Resampling.NEAREST)
    if mask.getbbox() is None:
        raise InputError("The mask is black everywhere.", fix="Paint white what is to be changed.")
    return mask


def _put_back(image: Image, mask: Image, painted: Image) -> Image:
    """The original with the painted part in it: what lies outside the mask went through the model for nothing."""
    from PIL import ImageChops, ImageFilter
    from PIL.Image import Resampling, composite

    radius = max(1.0, max(image.size) * _SOFT_SHARE)
    # Softened inwards only: the edge of the mask is where the change ends.
    soft = ImageChops.darker(mask, mask.filter(ImageFilter.GaussianBlur(radius)).point(lambda v: max(0, 2 * v - 255)))
    return composite(painted.resize(image.size, Resampling.LANCZOS), image, soft)
