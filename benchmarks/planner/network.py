"""The parser's network in PyTorch, for training. `engines/text/pointer_network.py` is the same in numpy.

An encoder in the shape of all-MiniLM-L6-v2, whose weights it begins with, reads the request and what is listed beside
it; a small decoder with attention to both takes one decision after the other, each a fixed symbol or a pointer to a
place that was read (Vinyals et al., "Pointer Networks", 2015).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

SIZE, HEADS, INNER, LAYERS = 384, 12, 1536, 6
DECODER_HEADS, DECODER_INNER, DECODER_LAYERS = 6, 1024, 2
LONGEST = 96
"""Most decisions of a plan."""


class Attention(nn.Module):
    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(SIZE, SIZE) for _ in range(4))

    def forward(self, asking: Tensor, told: Tensor, mask: Tensor | None, *, causal: bool = False) -> Tensor:
        q, k, v = (self._split(part) for part in (self.query(asking), self.key(told), self.value(told)))
        dropout = 0.1 if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, dropout_p=dropout)
        return self.out(mixed.transpose(1, 2).reshape(asking.shape))  # type: ignore[no-any-return] # what a module gives is Any

    def _split(self, states: Tensor) -> Tensor:
        return states.view(*states.shape[:2], self.heads, SIZE // self.heads).transpose(1, 2)


class EncoderLayer(nn.Module):
    """As BERT has it: norms after each part."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention(HEADS)
        self.norm1, self.norm2 = nn.LayerNorm(SIZE, eps=1e-12), nn.LayerNorm(SIZE, eps=1e-12)
        self.up, self.down = nn.Linear(SIZE, INNER), nn.Linear(INNER, SIZE)
        self.dropout = nn.Dropout(0.1)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        states = self.norm1(states + self.dropout(self.attention(states, states, mask)))
        inner = functional.gelu(self.up(states), approximate="tanh")
        return self.norm2(states + self.dropout(self.down(inner)))  # type: ignore[no-any-return] # what a module gives is Any


class DecoderLayer(nn.Module):
    """Norms before each part: it begins untrained, and trains more steadily so."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.read = Attention(DECODER_HEADS), Attention(DECODER_HEADS)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(SIZE) for _ in range(3))
        self.up, self.down = nn.Linear(SIZE, DECODER_INNER), nn.Linear(DECODER_INNER, SIZE)
        self.dropout = nn.Dropout(0.15)

    def forward(self, states: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        normed = self.norm1(states)
        states = states + self.dropout(self.before(normed, normed, None, causal=True))
        states = states + self.dropout(self.read(self.norm2(states), memory, mask))
        inner = functional.gelu(self.up(self.norm3(states)), approximate="tanh")
        return states + self.dropout(self.down(inner))  # type: ignore[no-any-return] # what a module gives is Any


class PointerNetwork(nn.Module):
    """``symbols``: how many fixed ones there are; ``slots``: how many kinds of decision."""

    def __init__(self, pieces: int, symbols: int, slots: int) -> None:
        super().__init__()
        self.pieces = nn.Embedding(pieces, SIZE)
        self.positions = nn.Embedding(512, SIZE)
        self.norm = nn.LayerNorm(SIZE, eps=1e-12)
        self.encoder = nn.ModuleList(EncoderLayer() for _ in range(LAYERS))
        self.symbols = nn.Embedding(symbols + 1, SIZE)  # the last: nothing has been decided
        self.slots = nn.Embedding(slots, SIZE)
        self.turns = nn.Embedding(LONGEST, SIZE)
        self.pointed = nn.Linear(SIZE, SIZE)
        self.decoder = nn.ModuleList(DecoderLayer() for _ in range(DECODER_LAYERS))
        self.last = nn.LayerNorm(SIZE)
        self.to_symbols = nn.Linear(SIZE, symbols)
        self.point_from, self.point_to = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.dropout = nn.Dropout(0.1)
        for table in (self.symbols, self.slots, self.turns):
            nn.init.normal_(table.weight, std=0.05)

    def encode(self, ids: Tensor, is_there: Tensor) -> Tensor:
        """``ids`` (batch, places) of word pieces; gives (batch, places, 384)."""
        places = torch.arange(ids.shape[1], device=ids.device)
        states = self.dropout(self.norm(self.pieces(ids) + self.positions(places)))
        for layer in self.encoder:
            states = layer(states, is_there[:, None, None, :])
        return states  # type: ignore[no-any-return] # what a module gives is Any

    def decide(self, memory: Tensor, is_there: Tensor, before: Tensor, slots: Tensor) -> Tensor:
        """Logits over symbols, then places, (batch, turns, symbols + places).

        ``before`` (batch, turns): the decision before each, a symbol's number or ``symbols + 1 + place``.
        """
        count = self.to_symbols.out_features
        is_pointer = before > count
        place = (before - count - 1).clamp(min=0)
        there = torch.gather(memory, 1, place[..., None].expand(-1, -1, SIZE))
        given = torch.where(is_pointer[..., None], self.pointed(there), self.symbols(before.clamp(max=count)))
        turns = torch.arange(before.shape[1], device=before.device)
        states = given + self.slots(slots) + self.turns(turns)
        for layer in self.decoder:
            states = layer(states, memory, is_there[:, None, None, :])
        states = self.last(states)
        pointing = self.point_from(states) @ self.point_to(memory).transpose(1, 2) / math.sqrt(SIZE)
        return torch.cat([self.to_symbols(states), pointing], dim=2)


def load_minilm(network: PointerNetwork, path: Path) -> None:
    """Begin with the weights of the embedded all-MiniLM-L6-v2 (int8 with a scale for each column)."""
    import onnx
    from onnx import numpy_helper

    tensors: dict[str, Any] = {t.name: numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer}

    def whole(name: str) -> Tensor:
        return torch.from_numpy(tensors[f"{name}_q"].astype(np.float32) * tensors[f"{name}_scale"])

    def put(parameter: nn.Parameter, value: Any) -> None:
        given = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        assert parameter.shape == given.shape, (parameter.shape, given.shape)  # noqa: S101 # a network of another shape must not be trained
        parameter.data.copy_(given)

    base = "inner.embeddings"
    put(network.pieces.weight, whole(f"{base}.word_embeddings.weight"))
    kinds = torch.from_numpy(tensors[f"{base}.token_type_embeddings.weight"][0])
    put(network.positions.weight, whole(f"{base}.position_embeddings.weight") + kinds)
    put(network.norm.weight, tensors[f"{base}.LayerNorm.weight"])
    put(network.norm.bias, tensors[f"{base}.LayerNorm.bias"])
    matrices = [name.removesuffix("_q") for name in tensors if name.startswith("val_") and name.endswith("_q")]
    for number, layer in enumerate(network.encoder):
        attention = layer.attention
        parts = (attention.query, attention.key, attention.value, attention.out, layer.up, layer.down)
        names = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        for part, matrix, name in zip(
            parts, matrices[6 * number :], (*names, "intermediate.dense", "output.dense"), strict=False
        ):
            put(part.weight, whole(matrix).T)
            put(part.bias, tensors[f"inner.encoder.layer.{number}.{name}.bias"])
        for norm, name in ((layer.norm1, "attention.output"), (layer.norm2, "output")):
            put(norm.weight, tensors[f"inner.encoder.layer.{number}.{name}.LayerNorm.weight"])
            put(norm.bias, tensors[f"inner.encoder.layer.{number}.{name}.LayerNorm.bias"])
