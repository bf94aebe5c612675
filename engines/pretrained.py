"""Load models in the transformers format from a folder: quietly, without the network, and never running their code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from engines.devices import pick_dtype
from engines.errors import EngineError, MissingExtraError
from engines.loading import LoadContext
from engines.progress import CancelToken

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


def load_model(context: LoadContext, auto_class: Any, *, dtype: str = "auto") -> Any:
    """The model in the entry's folder, ready to work on the entry's device, by a transformers Auto class.

    Raises EngineError when the folder holds no such model, or only a part of one.
    """
    model = _load(context, auto_class, dtype=pick_dtype(context.device, dtype))
    return model.to(context.device).eval()


def load_processor(context: LoadContext, auto_class: Any, **options: Any) -> Any:
    """The image processor, tokenizer or both, by a transformers Auto class. Raises EngineError as `load_model` does."""
    return _load(context, auto_class, **options)


def model_type(context: LoadContext) -> str:
    """Which architecture the folder holds, as its config.json says. Raises EngineError without one."""
    try:
        config = json.loads((context.folder / "config.json").read_text("utf-8"))
        return str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"{context.entry.id}: its folder holds no model in the transformers format (no config.json that says what "
            "it is).",
            fix=_fix(context),
        ) from error


def inputs_to(model: Any, inputs: Any) -> dict[str, Any]:
    """A processor's output on the model's device, its pixels in the model's precision."""
    import torch

    moved = {name: value.to(model.device) for name, value in inputs.items() if isinstance(value, torch.Tensor)}
    return {name: value.to(model.dtype) if value.is_floating_point() else value for name, value in moved.items()}


def stop_on(cancel: CancelToken) -> Callable[..., torch.Tensor]:
    """A stopping criterion for ``generate``: it ends at the next token after a cancel."""
    import torch

    def stop(input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:  # noqa: ARG001 # transformers calls it so
        return torch.full((input_ids.shape[0],), cancel.is_set(), device=input_ids.device, dtype=torch.bool)

    return stop


def _load(context: LoadContext, auto_class: Any, **options: Any) -> Any:
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call] # transformers types it not
    logging.disable_progress_bar()  # type: ignore[no-untyped-call] # transformers types it not
    kind = model_type(context)
    try:
        return auto_class.from_pretrained(context.folder, local_files_only=True, trust_remote_code=False, **options)
    except ImportError as error:
        if "torchvision" not in str(error).lower():
            raise
        raise MissingExtraError(
            f"{context.entry.id} ({kind}) needs the package torchvision, which is missing or does not fit PyTorch.",
            fix="Run: pip install torchvision",
        ) from error
    except Exception as error:  # transformers, tokenizers and safetensors share no base class below this one
        cause = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise EngineError(f"{context.entry.id} ({kind}) can't be loaded: {cause[:300]}", fix=_fix(context)) from error


def _fix(context: LoadContext) -> str:
    snapshot = context.entry.snapshot
    if snapshot and snapshot.folder:
        return f"Put the whole model into {snapshot.folder}."
    return f"Fetch it again: sensorium models pull {context.entry.id}"
