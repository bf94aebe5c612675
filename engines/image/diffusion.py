"""Pictures from text by Stable Diffusion 1.x, 2.x, XL and their Turbo models, run by diffusers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from engines.image.diffusion_pipe import DiffusionPipe
from engines.image.diffusion_steps import Follower
from engines.image.sizes import Size, wanted_size
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import GeneratedImage

if TYPE_CHECKING:
    from PIL.Image import Image


class StableDiffusion:
    """`ImageGeneration` over a diffusers folder. Its options are `DiffusionOptions`."""

    capability: ClassVar[str] = "image-generation"

    def __init__(self, context: LoadContext) -> None:
        self._pipe = DiffusionPipe.of(context)
        from diffusers import AutoPipelineForText2Image

        self._pipe.become(AutoPipelineForText2Image)

    def close(self) -> None:
        self._pipe.close()

    def generate(  # noqa: PLR0913 # the protocol's
        self,
        prompt: str,
        *,
        negative: str = "",
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int,
        on_progress: OnProgress = ignore_progress,
        on_preview: Callable[[Image], None] | None = None,
        cancel: CancelToken = NEVER,
    ) -> GeneratedImage:
        """As `ImageGeneration` says. Sizes are rounded to what the model can make, and that is noted."""
        native = self._pipe.native
        size = wanted_size(native, width, height, self._pipe.step_px)
        made = self._pipe.make(
            prompt,
            negative=negative,
            steps=steps,
            guidance=guidance,
            seed=seed,
            follower=Follower(on_progress, on_preview, cancel),
            width=size.width,
            height=size.height,
        )
        asked = Size(width or size.width, height or size.height)
        rounded = f"{asked} was asked for; the model makes {size}." if asked != size else ""
        return GeneratedImage(
            image=made.image, seed=seed, steps=made.steps, note=" ".join(note for note in (rounded, made.note) if note)
        )
