"""The model that turns texts into vectors, lent by the controller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from engines.controller import ModelController
from engines.protocols import TextEmbedding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """``name`` is the model's: vectors of two models are never compared."""

    @property
    def name(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dimensions), each row of length 1. Raises UnavailableError without the weights."""
        ...


class LentEmbedder:
    """The default text embedding model of the catalog."""

    def __init__(self, controller: ModelController) -> None:
        self._controller = controller

    @property
    def name(self) -> str:
        return self._controller.shelf.resolve(TextEmbedding.capability).id

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        async with self._controller.use(TextEmbedding, self.name) as lease:
            return await lease.run(lambda engine, cancel: engine.embed(texts, cancel=cancel))
