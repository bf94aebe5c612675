"""The network of the request parser in numpy: `benchmarks/planner/network.py` is the same in PyTorch, for training.

An encoder in the shape of BERT (Devlin et al., 2018), begun from all-MiniLM-L6-v2, and a small decoder whose choices
are fixed symbols or places that were read (Vinyals et al., "Pointer Networks", 2015). A request takes some tens of
milliseconds on one core, so there is nothing to gain from a larger runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

ENCODER_HEADS, DECODER_HEADS = 12, 6


@dataclass(frozen=True)
class Past:
    """What a decoder layer keeps of the decisions so far: keys and values, each (heads, turns, size)."""

    keys: Array
    values: Array


@dataclass(frozen=True)
class Memory:
    """A request as read: ``states`` (places, size), and what each decoder layer looks at it with."""

    states: Array
    pointers: Array
    layers: tuple[Past, ...]


@dataclass(frozen=True)
class Prefix:
    """The decisions so far, as the decoder holds them."""

    turn: int = 0
    layers: tuple[Past, ...] = ()


class Weights(Mapping[str, Array]):
    """The arrays of a file that the training script wrote: matrices as int8 with a scale a row, the rest as float16."""

    def __init__(self, stored: Mapping[str, NDArray[np.generic]]) -> None:
        self._arrays: dict[str, Array] = {}
        for key in stored:
            name, _, part = key.partition("/")
            if part == "q":
                self._arrays[name] = stored[key].astype(np.float32) * stored[f"{name}/scale"].astype(np.float32)
            elif not part:
                self._arrays[name] = stored[key].astype(np.float32)

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self):  # type: ignore[no-untyped-def] # as Mapping has it
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def count(self, prefix: str) -> int:
        """How many layers there are under a name."""
        return len({name.split(".")[1] for name in self._arrays if name.startswith(f"{prefix}.")})


class PointerNetwork:
    """``pieces(ids)`` gives the vectors of word pieces, (places, size)."""

    def __init__(self, weights: Weights) -> None:
        self._w = weights
        self._encoder = [f"encoder.{n}" for n in range(weights.count("encoder"))]
        self._decoder = [f"decoder.{n}" for n in range(weights.count("decoder"))]
        self._size: int = weights["norm.weight"].shape[0]
        self.symbols: int = weights["to_symbols.weight"].shape[0]

    def read(self, pieces: Array) -> Memory:
        """Encode a request given as vectors of its word pieces, shape (places, size)."""
        states = self._norm("norm", pieces + self._w["positions.weight"][: len(pieces)], 1e-12)
        for name in self._encoder:
            mixed = self._attend(f"{name}.attention", states, self._kept(f"{name}.attention", states, ENCODER_HEADS))
            states = self._norm(f"{name}.norm1", states + mixed, 1e-12)
            states = self._norm(f"{name}.norm2", states + self._inner(name, states), 1e-12)
        layers = tuple(self._kept(f"{name}.read", states, DECODER_HEADS) for name in self._decoder)
        return Memory(states, self._linear("point_to", states), layers)

    def decide(self, memory: Memory, before: Prefix | None, given: int | None, slot: int) -> tuple[Array, Prefix]:
        """Logits over symbols, then places; and the prefix that the next decision continues.

        ``given`` is the last decision: a symbol's number, or ``symbols + place``; None, and no prefix, for the first.
        """
        before = before or Prefix()
        if given is None:
            vector = self._w["symbols.weight"][self.symbols]
        elif given < self.symbols:
            vector = self._w["symbols.weight"][given]
        else:
            vector = self._linear("pointed", memory.states[given - self.symbols])
        state = (vector + self._w["slots.weight"][slot] + self._w["turns.weight"][before.turn])[None]
        pasts = list[Past]()
        for index, name in enumerate(self._decoder):
            normed = self._norm(f"{name}.norm1", state)
            past = self._kept(f"{name}.before", normed, DECODER_HEADS)
            if before.layers:
                past = _joined(before.layers[index], past)
            pasts.append(past)
            state = state + self._attend(f"{name}.before", normed, past)
            state = state + self._attend(f"{name}.read", self._norm(f"{name}.norm2", state), memory.layers[index])
            state = state + self._inner(name, self._norm(f"{name}.norm3", state))
        state = self._norm("last", state)
        pointing = self._linear("point_from", state) @ memory.pointers.T / np.sqrt(np.float32(self._size))
        logits = np.concatenate([self._linear("to_symbols", state)[0], pointing[0]])
        return logits, replace(before, turn=before.turn + 1, layers=tuple(pasts))

    @property
    def longest(self) -> int:
        """Most decisions of a sequence."""
        return int(self._w["turns.weight"].shape[0])

    def _linear(self, name: str, states: Array) -> Array:
        made: Array = states @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"]
        return made

    def _norm(self, name: str, states: Array, epsilon: float = 1e-5) -> Array:
        centred = states - states.mean(-1, keepdims=True)
        scale = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + np.float32(epsilon))
        normed: Array = centred * scale * self._w[f"{name}.weight"] + self._w[f"{name}.bias"]
        return normed

    def _inner(self, name: str, states: Array) -> Array:
        return self._linear(f"{name}.down", _gelu(self._linear(f"{name}.up", states)))

    def _kept(self, name: str, states: Array, heads: int) -> Past:
        return Past(
            _split(self._linear(f"{name}.key", states), heads), _split(self._linear(f"{name}.value", states), heads)
        )

    def _attend(self, name: str, asking: Array, told: Past) -> Array:
        query = _split(self._linear(f"{name}.query", asking), len(told.keys))
        scores = query @ told.keys.transpose(0, 2, 1) / np.sqrt(np.float32(query.shape[-1]))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ told.values
        return self._linear(f"{name}.out", mixed.transpose(1, 0, 2).reshape(asking.shape))


def read_tensor(path: Path, name: str, dtype: type[np.generic], shape: Sequence[int]) -> NDArray[np.generic]:
    """A tensor of an ONNX file by its name, mapped from the disk.

    Reads what the format says of one (`TensorProto`: field 8 the name, field 9 the raw data), so that the embeddings
    that another model's file already holds need not be stored twice. Raises ValueError when the file lacks the tensor.
    """
    mark = b"B" + bytes([len(name)]) + name.encode() + b"J"
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        at = content.find(mark) + len(mark)
        if at < len(mark):
            raise ValueError(f"{path.name} has no tensor {name!r}")
        size, shift = 0, 0
        while True:  # a varint: seven bits a byte, the lowest first
            byte = content[at]
            at, size, shift = at + 1, size | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
    if size != int(np.prod(shape)) * np.dtype(dtype).itemsize:
        raise ValueError(f"{path.name}: {name!r} has {size} bytes, not those of {dtype.__name__} {tuple(shape)}")
    return np.memmap(path, dtype, "r", at, tuple(shape))


def _split(states: Array, heads: int) -> Array:
    return states.reshape(len(states), heads, -1).transpose(1, 0, 2)


def _joined(one: Past, other: Past) -> Past:
    return Past(np.concatenate([one.keys, other.keys], 1), np.concatenate([one.values, other.values], 1))


def _gelu(values: Array) -> Array:
    """The tanh form, as in training."""
    made: Array = 0.5 * values * (1 + np.tanh(np.float32(0.7978845608) * (values + np.float32(0.044715) * values**3)))
    return made
