"""Where models run that can use an accelerator, and in which precision."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from engines.errors import InputError

if TYPE_CHECKING:
    import torch


@cache
def pick_device(wanted: str = "auto") -> str:
    """``cuda``, ``mps`` or ``cpu``: the best that PyTorch finds, or ``wanted`` if it is there.

    The first call imports PyTorch, which takes seconds: make it in a thread that loads a model.
    Raises InputError when the wanted device is not there.
    """
    if wanted == "cpu" or find_spec("torch") is None:
        if wanted in ("auto", "cpu"):
            return "cpu"
        raise InputError(f"The device {wanted} needs PyTorch, which is not installed.", fix="Set SENSORIUM_DEVICE=cpu.")
    import torch

    kind = wanted.partition(":")[0]
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((name for name, there in present.items() if there), "cpu")
    if not present.get(kind, False):
        known = ", ".join(["cpu", *(name for name, there in present.items() if there)])
        raise InputError(f"This machine has no device {wanted!r}.", fix=f"Set SENSORIUM_DEVICE to one of: {known}.")
    return wanted


def pick_dtype(device: str, wanted: str = "auto") -> torch.dtype:
    """The precision to load weights in: half on accelerators, single on the CPU, or the one an entry asks for."""
    import torch

    if wanted != "auto":
        found = getattr(torch, wanted, None)
        if not isinstance(found, torch.dtype):
            raise InputError(f"{wanted!r} is no precision.", fix="Use float32, float16 or bfloat16.")
        return found
    return torch.float32 if device == "cpu" else torch.float16


def for_ctranslate2(device: str) -> dict[str, Any]:
    """CTranslate2's words for a device. It knows CUDA only: on others, it works on the CPU."""
    import ctranslate2

    kind, _, number = device.partition(":")
    if kind != "cuda" or not ctranslate2.get_cuda_device_count():
        return {"device": "cpu"}
    return {"device": "cuda", "device_index": int(number or 0)}
