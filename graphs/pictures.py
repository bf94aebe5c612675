"""What memory keeps of a picture: its name, what was found in it, what was said with it, and its features."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from engines.controller import ModelController
from engines.errors import SensoriumError, UnavailableError
from engines.image.read import read_image
from engines.media import Limits
from engines.protocols import ImageClassification, ImageEmbedding
from memory.artifact_types import ArtifactRef
from memory.artifacts import ArtifactStore
from memory.longterm.memories import Memories
from memory.longterm.types import MAX_CHARS, MemoryInfo, NewMemory

#: Labels of the classifier below this are guesses.
GUESS = 0.2
#: Cosine of two pictures' features from which they look alike.
ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Look:
    """``labels``, the likeliest first; ``features`` as in `NewMemory`."""

    labels: tuple[str, ...] = ()
    features: bytes | None = None


class Looker:
    """Has a cheap look at a picture: the embedded classifier and its features, 0.2 s of CPU. Nothing is fetched for it:
    a model that is not ready is passed over.
    """

    def __init__(self, controller: ModelController, limits: Limits) -> None:
        self._controller = controller
        self._limits = limits

    async def look(self, path: Path, name: str) -> Look:
        """Raises MediaError for a picture that can't be read."""
        picture = await asyncio.to_thread(read_image, path, limits=self._limits, name=name)
        labels: tuple[str, ...] = ()
        features: bytes | None = None
        try:
            async with self._controller.use(ImageClassification) as lease:
                classes = await lease.run(lambda engine, cancel: engine.classify(picture, top=3, cancel=cancel))
            labels = tuple(each.label for each in classes if each.score >= GUESS)
            async with self._controller.use(ImageEmbedding) as embedding:
                rows = await embedding.run(lambda engine, cancel: engine.embed([picture], cancel=cancel))
            features = rows[0].astype(np.float16).tobytes()
        except UnavailableError:
            return Look(labels, features)
        return Look(labels, features)


@dataclass(frozen=True)
class Familiar:
    """Remembered pictures that look like one that is shown now."""

    looker: Looker
    memories: Memories
    artifacts: ArtifactStore

    async def __call__(self, id: str) -> list[MemoryInfo]:  # noqa: A002 - what callers call it
        """The likest first; empty when the picture can't be looked at."""
        try:
            look = await self.looker.look(await self.artifacts.path(id), id)
        except SensoriumError:
            return []
        if look.features is None:
            return []
        found = await self.memories.pictures_like(np.frombuffer(look.features, np.float16).astype(np.float32))
        return [memory for memory, cosine in found if cosine >= ALIKE and memory.artifact_id != id]


async def picture_memory(
    ref: ArtifactRef, path: Path, found: Sequence[str], said: str, looker: Looker, *, at: datetime, is_made: bool
) -> NewMemory:
    """``found``: what the turn's tools say of it, or what it was made from. ``said``: the message it came with."""
    try:
        look = await looker.look(path, ref.name)
    except SensoriumError:  # it is remembered by its name and what was said all the same
        look = Look()
    how = "a picture made for the user" if is_made else "a picture the user showed"
    return NewMemory(
        text=_sentences(f"{ref.name}: {how}", f"It looks like {', '.join(look.labels)}" if look.labels else "", *found),
        kind="picture",
        context=said,
        origin="turn",
        said_at=at,
        artifact_id=ref.id,
        features=look.features,
    )


def _sentences(*parts: str) -> str:
    return " ".join(f"{part.rstrip('.')}." for part in _unique(parts))[:MAX_CHARS]


def _unique(parts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(" ".join(part.split()) for part in parts if part.strip()))
