"""What a catalog entry of a diffusion model may say in its ``options``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engines.catalog import ModelEntry
from engines.errors import InputError
from engines.protocols import ControlKind, EditMode

#: Scheduler -> diffusers' class and what it is set to, under the names that Stable Diffusion's users know.
SCHEDULERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "dpm++": ("DPMSolverMultistepScheduler", {}),
    "dpm++-karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
}


class DiffusionOptions(BaseModel):
    """Defaults of a model. Turbo models want 1 to 4 ``steps`` and a ``guidance`` of 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(default=25, ge=1, le=200)
    guidance: float = Field(default=7.5, ge=0, le=30)
    strength: float = Field(default=0.6, gt=0, le=1)
    """How far a restyled picture may be from the original."""
    scheduler: str = ""
    """One of `SCHEDULERS`; empty: the model's own."""
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    """auto: half precision on accelerators, single on the CPU."""
    variant: str = ""
    """Which of several sets of weights in the folder to read, such as ``fp16``, where it is there."""
    offload: Literal["none", "model", "sequential"] = "none"
    """What waits in ordinary memory until the accelerator needs it: nothing, whole parts (a little slower, half the
    memory), or single layers (far slower, 1-2 GB). Without an accelerator there is nothing to offload from.
    """
    modes: tuple[EditMode, ...] = ()
    """What an editing model does; empty: what its kind can."""
    control: ControlKind | None = None
    """The map a ControlNet follows."""


def read_options(entry: ModelEntry) -> DiffusionOptions:
    """Raises InputError for an option that is unknown or does not fit."""
    try:
        options = DiffusionOptions.model_validate(dict(entry.options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{entry.id}: options: {where}: {first['msg']}.", fix="Correct the entry.") from error
    if options.scheduler and options.scheduler not in SCHEDULERS:
        raise InputError(
            f"{entry.id}: options: no scheduler is called {options.scheduler!r}.",
            fix=f"Use one of: {', '.join(SCHEDULERS)}.",
        )
    return options
