"""Pictures that follow a map (edges, lines, distances, postures): ControlNets beside a Stable Diffusion model.

Adding Conditional Control to Text-to-Image Diffusion Models, Zhang, Rao, Agrawala 2023; run by diffusers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from engines.devices import pick_dtype
from engines.errors import InputError, MissingWeightsError
from engines.image.diffusion_options import read_options
from engines.image.diffusion_pipe import DiffusionPipe, be_quiet, failing_to_load, variant_in
from engines.image.diffusion_steps import Follower
from engines.image.sizes import working_size
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import ControlKind, GeneratedImage

if TYPE_CHECKING:
    from PIL.Image import Image


class StableDiffusionControlNet:
    """`ControlledGeneration`: the ControlNet in the entry's folder on the model that ``weights_of`` names."""

    capability: ClassVar[str] = "controlled-image-generation"

    def __init__(self, context: LoadContext) -> None:
        options = read_options(context.entry)
        if options.control is None or len(context.folders) != 1:
            raise InputError(
                f"{context.entry.id}: a ControlNet's entry says which map it follows and which model it controls.",
                fix='Write for example: options = { control = "canny" } and weights_of = ["sd-1.5"].',
            )
        self.control: ControlKind = options.control
        if not (context.folder / "config.json").is_file():
            raise MissingWeightsError(
                f"{context.entry.id}: {context.folder} has no config.json.", fix="Name the folder of a ControlNet."
            )
        context.on_progress(None, "reading the ControlNet")
        be_quiet()
        from diffusers import AutoPipelineForText2Image, ControlNetModel

        with failing_to_load(context, context.folder):
            net = ControlNetModel.from_pretrained(  # type: ignore[no-untyped-call] # diffusers leaves it so
                context.folder,
                dtype=pick_dtype(context.device, options.dtype),
                variant=variant_in(context.folder, options.variant),
                use_safetensors=True,
                local_files_only=True,
            )
        self._pipe = DiffusionPipe(context, next(iter(context.folders.values())), options)
        self._check_fit(context, net)
        self._pipe.become(AutoPipelineForText2Image, controlnet=net)

    def close(self) -> None:
        self._pipe.close()

    def generate(  # noqa: PLR0913 # the protocol's
        self,
        prompt: str,
        control_map: Image,
        *,
        negative: str = "",
        control_strength: float = 1.0,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int,
        on_progress: OnProgress = ignore_progress,
        on_preview: Callable[[Image], None] | None = None,
        cancel: CancelToken = NEVER,
    ) -> GeneratedImage:
        """As `ControlledGeneration` says."""
        from PIL.Image import Resampling

        size = working_size(self._pipe.native, *control_map.size, self._pipe.step_px)
        made = self._pipe.make(
            prompt,
            negative=negative,
            steps=steps,
            guidance=guidance,
            seed=seed,
            follower=Follower(on_progress, on_preview, cancel),
            image=control_map.resize((size.width, size.height), Resampling.BILINEAR),
            controlnet_conditioning_scale=float(control_strength),
            width=size.width,
            height=size.height,
        )
        return GeneratedImage(image=made.image, seed=seed, steps=made.steps, note=made.note)

    def _check_fit(self, context: LoadContext, net: object) -> None:
        wanted = self._pipe.pipe.unet.config.cross_attention_dim
        has = net.config.cross_attention_dim  # type: ignore[attr-defined] # diffusers makes it from the config
        if wanted != has:
            self._pipe.close()
            base = next(iter(context.folders))
            raise InputError(
                f"{context.entry.id} was made for another kind of model than {base}: it reads prompts {has} wide, not "
                f"{wanted}.",
                fix="Name a model of its own kind in weights_of (SD 1.5 for SD 1.5, SDXL for SDXL).",
            )
