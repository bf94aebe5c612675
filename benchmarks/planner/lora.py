"""Low-rank weights over a network that stays as it is, and llama.cpp's file of them.

Each matrix W (out, in) becomes W + alpha / rank * B A, with A (rank, in) and B (out, rank) alone trained (Hu et al.,
"LoRA: Low-Rank Adaptation of Large Language Models", 2021).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.planner.gguf_weights import ARCHITECTURE, PARTS, library

SCALE = 2
"""Alpha for each rank."""
_LLAMA_NAMES = {ours.partition(".")[2]: theirs for theirs, ours in PARTS.items()}


def with_lora(network: Any, rank: int, *, dropout: float = 0.05) -> Any:
    """The network as a `peft.PeftModel` in which only A and B (float32) are trained, one pair for each of `PARTS`."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=SCALE * rank, lora_dropout=dropout, target_modules=list(_LLAMA_NAMES))
    return get_peft_model(network, config)


@contextmanager
def in_bfloat16(tuned: Any) -> Iterator[None]:
    """A and B are kept in float32 and multiplied in bfloat16, like all the rest: half the memory, and faster.

    Without autocast's cache: it would keep what A and B were before the last step.
    """
    from peft.helpers import disable_input_dtype_casting

    with disable_input_dtype_casting(tuned), torch.autocast(tuned.device.type, torch.bfloat16, cache_enabled=False):
        yield


def write(tuned: Any, path: Path) -> None:
    """As llama.cpp's ``convert_lora_to_gguf.py`` lays it out: of every matrix ``X.weight`` a ``X.weight.lora_a``
    (rank, in) and a ``X.weight.lora_b`` (out, rank), float16, and alpha in the metadata.
    """
    from peft import get_peft_model_state_dict

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = library().GGUFWriter(path, ARCHITECTURE)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(tuned.peft_config["default"].lora_alpha))
    for name, value in get_peft_model_state_dict(tuned, save_embedding_layers=False).items():
        writer.add_tensor(_llama_name(name), value.detach().cpu().to(torch.float16).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _llama_name(name: str) -> str:
    """``...layers.3.mlp.up_proj.lora_A.weight`` is ``blk.3.ffn_up.weight.lora_a``."""
    found = re.search(r"\.layers\.(\d+)\.\w+\.(\w+)\.lora_([AB])\.weight$", name)
    if found is None:
        raise ValueError(f"llama.cpp has no name for {name}.")
    layer, part, which = found.groups()
    return f"blk.{layer}.{_LLAMA_NAMES[part]}.weight.lora_{which.lower()}"
