"""Stable Diffusion pipelines of the diffusers library: reading one from a folder, and working with it."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.devices import pick_dtype
from engines.errors import EngineError, InputError, MissingWeightsError, SensoriumError
from engines.image.diffusion_options import SCHEDULERS, DiffusionOptions, read_options
from engines.image.diffusion_steps import Follower
from engines.image.sizes import Size
from engines.loading import LoadContext
from engines.progress import Cancelled

if TYPE_CHECKING:
    from PIL.Image import Image

_WEIGHTS = ("diffusion_pytorch_model", "model")
"""How diffusers and transformers call a part's file."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a pipeline gave: the picture, the steps it took, and what is to be said of it."""

    image: Image
    steps: int
    note: str


class DiffusionPipe:
    """One pipeline, with its weights in one place.

    Text to image, image to image and inpainting are classes of their own in diffusers: `become` turns the pipeline
    into another one on the same weights.
    """

    def __init__(self, context: LoadContext, folder: Path, options: DiffusionOptions, **parts: Any) -> None:
        """Read the pipeline in ``folder``; ``parts`` are handed to it, such as a ControlNet."""
        be_quiet()
        from diffusers import DiffusionPipeline

        index = read_index(context.entry.id, folder)
        context.cancel.check()
        context.on_progress(None, "reading the weights")
        self.id = context.entry.id
        self.options = options
        self.dtype = pick_dtype(context.device, options.dtype)
        self._device = context.device
        if "safety_checker" in index and not (folder / "safety_checker").is_dir():
            parts |= {"safety_checker": None, "requires_safety_checker": False}
        with failing_to_load(context, folder):
            self.pipe: Any = DiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call] # diffusers leaves it so
                folder,
                dtype=self.dtype,
                variant=variant_in(folder / "unet", options.variant),
                use_safetensors=True,
                local_files_only=True,
                **parts,
            )
        if not hasattr(self.pipe, "unet") or not hasattr(self.pipe, "vae"):
            raise EngineError(
                f"{self.id}: {type(self.pipe).__name__} is no kind of Stable Diffusion that is known here.",
                fix="Use a Stable Diffusion 1.x, 2.x, XL or Turbo model.",
            )
        if options.scheduler:
            self._schedule(*SCHEDULERS[options.scheduler])
        context.cancel.check()
        self._place()

    @classmethod
    def of(cls, context: LoadContext) -> DiffusionPipe:
        """The pipeline of an entry, with its options."""
        return cls(context, context.folder, read_options(context.entry))

    def close(self) -> None:
        """Give the memory back, the accelerator's too."""
        import torch

        self.pipe = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        elif torch.backends.mps.is_available():
            torch.mps.empty_cache()

    # --------------------------------------------------------------------------------------------------- what it is

    @property
    def native(self) -> Size:
        """The size the model was trained for, in px."""
        sample = self.pipe.unet.config.sample_size
        height, width = (sample, sample) if isinstance(sample, int) else sample
        return Size(width * self.pipe.vae_scale_factor, height * self.pipe.vae_scale_factor)

    @property
    def step_px(self) -> int:
        """Sides are multiples of this."""
        return int(self.pipe.vae_scale_factor)

    @property
    def class_name(self) -> str:
        return type(self.pipe).__name__

    def become(self, kind: type[Any], **parts: Any) -> None:
        """Turn into the pipeline that ``kind``, one of diffusers' AutoPipeline classes, makes of the same weights."""
        if parts or self.class_name not in kind_names(kind):
            self.pipe = kind.from_pipe(self.pipe, **parts)
            self._place()

    # ------------------------------------------------------------------------------------------------------- working

    def make(
        self,
        prompt: str,
        *,
        negative: str,
        steps: int | None,
        guidance: float | None,
        seed: int,
        follower: Follower,
        **more: Any,
    ) -> Made:
        """Run the pipeline. ``more`` goes to it as it is.

        Raises InputError for an empty prompt, Cancelled soon after a cancel: the pipeline stays usable.
        """
        import torch

        if not prompt.strip():
            raise InputError("There is no prompt.", fix="Say what the picture should show.")
        guidance = self.options.guidance if guidance is None else guidance
        try:
            with follower.watching(self.pipe):
                found = self.pipe(
                    prompt,
                    negative_prompt=negative or None,
                    num_inference_steps=steps or self.options.steps,
                    guidance_scale=guidance,
                    generator=torch.Generator("cpu").manual_seed(seed),  # the same numbers on every device
                    callback_on_step_end=follower.step_ended,
                    **more,
                )
        finally:
            # The VAE of SDXL is turned to float32 while it decodes, and left so where that is broken off.
            if self.options.offload != "sequential" and self.pipe.vae.dtype != self.dtype:
                self.pipe.vae.to(dtype=self.dtype)
        notes = [self._cut_off(prompt)]
        if negative and guidance <= 1:
            notes.append("The model works without guidance: it took no notice of the negative prompt.")
        if any(getattr(found, "nsfw_content_detected", None) or ()):
            notes.append("The model's safety checker blanked the picture; another seed or prompt may pass.")
        return Made(found.images[0], follower.steps, " ".join(note for note in notes if note))

    def _cut_off(self, prompt: str) -> str:
        """Says what of the prompt the text encoder could not take in: it reads 75 tokens."""
        tokenizer = self.pipe.tokenizer
        ids = tokenizer(prompt, truncation=False, verbose=False).input_ids[1:-1]
        rest = tokenizer.decode(ids[tokenizer.model_max_length - 2 :], skip_special_tokens=True).strip()
        return f"The prompt was too long for the model; this was left out: {rest}." if rest else ""

    def _schedule(self, name: str, settings: Any) -> None:
        import diffusers

        self.pipe.scheduler = getattr(diffusers, name).from_config(self.pipe.scheduler.config, **settings)

    def _place(self) -> None:
        self.pipe.set_progress_bar_config(disable=True)
        self.pipe.vae.enable_tiling()  # of pictures larger than it was trained for: memory would not do
        if self._device == "cpu" or self.options.offload == "none":
            self.pipe.to(self._device)
        elif self.options.offload == "model":
            self.pipe.enable_model_cpu_offload(device=self._device)
        else:
            self.pipe.enable_sequential_cpu_offload(device=self._device)


def read_index(model: str, folder: Path) -> dict[str, Any]:
    """The parts that ``model_index.json`` lists. Asked for first: what diffusers says of a folder without one is that
    the hub can't be reached.

    Raises MissingWeightsError.
    """
    try:
        index = json.loads((folder / "model_index.json").read_text("utf-8"))
    except OSError as error:
        single = next(iter(sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*.ckpt"))), None)
        fix = (
            f"{single.name} holds a whole model in one file: turn it into a diffusers folder first, with "
            "StableDiffusionPipeline.from_single_file(...).save_pretrained(...)."
            if single
            else "Name the folder that has model_index.json, unet/, vae/ and so on in it."
        )
        raise MissingWeightsError(f"{model}: {folder} has no model_index.json.", fix=fix) from error
    except ValueError as error:
        raise MissingWeightsError(
            f"{model}: the model_index.json in {folder} is damaged.", fix="Fetch the model again."
        ) from error
    return index if isinstance(index, dict) else {}


@contextmanager
def failing_to_load(context: LoadContext, folder: Path) -> Iterator[None]:
    """Turn what diffusers raises while it reads a folder into EngineError: what it says first, and what to do."""
    try:
        yield
    except (SensoriumError, Cancelled, ImportError, MemoryError):
        raise
    except Exception as error:  # diffusers, transformers and safetensors share no base class below this one
        cause = next(iter(str(error).strip().splitlines()), type(error).__name__)
        own = context.entry.snapshot is not None and bool(context.entry.snapshot.folder)
        ids = " ".join(([context.entry.id] if context.entry.has_weights else []) + list(context.entry.weights_of))
        again = f"sensorium models remove {ids}, then: sensorium models pull {ids}"
        raise EngineError(
            f"{context.entry.id} can't be loaded: {cause[:300]}",
            fix=f"Put the whole model, as safetensors, into {folder}." if own else f"Fetch it again: {again}",
        ) from error


def variant_in(part: Path, wanted: str) -> str | None:
    """The set of weights to read from a part's folder: the wanted one if it is there, else the plain one, else the one
    that is. None: the plain one.
    """
    names = [path.name for path in part.glob("*.safetensors*") if path.name.startswith(_WEIGHTS)]
    found = {name.removesuffix(".index.json").split(".")[1].partition("-")[0] for name in names}
    if wanted in found:
        return wanted
    if "safetensors" in found or not found:
        return None
    return min(found)


def kind_names(kind: type[Any]) -> set[str]:
    """The names of the pipelines that one of diffusers' AutoPipeline classes makes."""
    from diffusers.pipelines import auto_pipeline

    task = {
        "AutoPipelineForText2Image": auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
        "AutoPipelineForImage2Image": auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
        "AutoPipelineForInpainting": auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING,
    }[kind.__name__]
    return {pipeline.__name__ for pipeline in task.values()}


def be_quiet() -> None:
    """Neither progress bars of the libraries (progress goes to who waits for it) nor warnings, which quote prompts.

    To be called before a pipeline's class is imported: transformers has warnings about that too.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()
        logging.set_verbosity_error()
