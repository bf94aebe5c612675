"""An embedded chat model out of the GGUF file that llama.cpp runs, to train something over it.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Weights are dequantized as they are read, so that
what is trained over them learns to live with what quantizing has lost (the idea of QLoRA: Dettmers et al., "QLoRA:
Efficient Finetuning of Quantized LLMs", 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

ARCHITECTURE = "qwen2"
PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""llama.cpp's name of each matrix of a layer, and that of `transformers`."""
_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_WORDS = (  # as llama.cpp cuts text for the pre-tokenizer that it calls "qwen2"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def library() -> Any:
    """The package `gguf`. Raises ClickException where it is not installed."""
    try:
        import gguf
        import gguf.quants
    except ImportError as error:
        raise click.ClickException(
            "The package `gguf` reads and writes llama.cpp's files and is not here. Install it: pip install gguf"
        ) from error
    return gguf


class Gguf:
    """A file of the Qwen2 kind, read part by part. Raises ClickException for another kind, or without `gguf`."""

    def __init__(self, path: Path) -> None:
        self._gguf = library()
        reader = self._gguf.GGUFReader(path)
        self._facts = reader.fields
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        if (found := self.fact("general.architecture")) != ARCHITECTURE:
            raise click.ClickException(f"{path} holds a model of the kind {found!r}; this needs {ARCHITECTURE!r}.")
        self.tokens: list[str] = self.fact("tokenizer.ggml.tokens")

    def fact(self, name: str) -> Any:
        """A value of the metadata."""
        return self._facts[name].contents()

    def size(self, name: str) -> Any:
        """A value of the metadata of the network."""
        return self.fact(f"{ARCHITECTURE}.{name}")

    def has(self, name: str) -> bool:
        return name in self._tensors

    def weight(self, name: str, rows: Sequence[int] | None = None) -> Tensor:
        """Dequantized, bfloat16, (rows, columns) or (columns,). ``rows``: of these only."""
        tensor = self._tensors[name]
        data = tensor.data if rows is None else tensor.data[list(rows)]
        whole = self._gguf.quants.dequantize(data, tensor.tensor_type)
        return torch.from_numpy(np.array(whole, dtype=np.float32)).to(torch.bfloat16)


def tokenizer_of(file: Gguf) -> Tokenizer:
    """Byte-level pair encoding as llama.cpp does it: text is not normalized, and no special token is read in it."""
    merges = [(left, right) for left, _, right in (pair.partition(" ") for pair in file.fact("tokenizer.ggml.merges"))]
    made = Tokenizer(models.BPE({token: number for number, token in enumerate(file.tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    return made


def network_of(file: Gguf, tokens: Sequence[int], *, layers: int | None = None) -> Any:
    """A `transformers.Qwen2ForCausalLM` on the CPU, with a vocabulary of some ``tokens`` only, numbered in their order.

    ``layers``: the lowest ones only, for a try.
    """
    from transformers import Qwen2ForCausalLM
    from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

    config = _config(file, len(tokens), layers or file.size("block_count"))
    with torch.device("meta"):
        network = Qwen2ForCausalLM(config)
    network.model.rotary_emb = Qwen2RotaryEmbedding(config)  # it holds numbers that no file has
    network.load_state_dict(_state(file, tokens, config.num_hidden_layers), assign=True)
    return network


def _config(file: Gguf, tokens: int, layers: int) -> Any:
    from transformers import Qwen2Config

    return Qwen2Config(
        vocab_size=tokens,
        hidden_size=file.size("embedding_length"),
        intermediate_size=file.size("feed_forward_length"),
        num_hidden_layers=layers,
        num_attention_heads=file.size("attention.head_count"),
        num_key_value_heads=file.size("attention.head_count_kv"),
        rms_norm_eps=file.size("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": file.size("rope.freq_base")},
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        use_sliding_window=False,
        attn_implementation="sdpa",
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
    )


def _state(file: Gguf, tokens: Sequence[int], layers: int) -> dict[str, Tensor]:
    """Every weight by its name in `transformers`."""
    names = {"model.norm.weight": "output_norm.weight"}
    for layer in range(layers):
        for theirs, ours in (*PARTS.items(), *_NORMS.items()):
            for kind in ("weight", "bias"):
                if file.has(name := f"blk.{layer}.{theirs}.{kind}"):
                    names[f"model.layers.{layer}.{ours}.{kind}"] = name
    with ThreadPoolExecutor() as pool:  # dequantizing is numpy's work
        state = dict(zip(names, pool.map(file.weight, names.values()), strict=True))
    state["model.embed_tokens.weight"] = file.weight("token_embd.weight", tokens)
    last = "output.weight" if file.has("output.weight") else "token_embd.weight"
    state["lm_head.weight"] = file.weight(last, tokens)
    return state
