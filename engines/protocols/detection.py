"""What engines that see what is in a picture promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.engine import Engine

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Box:
    """An object in a picture: edges in px from the top left, ``score`` in 0..1."""

    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """In px."""
        return (self.right - self.left) * (self.bottom - self.top)


class ObjectDetection(Engine, Protocol):
    capability: ClassVar[str] = "object-detection"

    @property
    def labels(self) -> tuple[str, ...]:
        """Every class the model knows."""
        ...

    def detect(
        self,
        image: Image,
        *,
        threshold: float = 0.4,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Box, ...]:
        """Objects with a score of at least ``threshold``, best first. ``image`` is RGB of any size."""
        ...


class OpenDetection(Engine, Protocol):
    capability: ClassVar[str] = "open-detection"

    def detect(
        self,
        image: Image,
        targets: Sequence[str],
        *,
        threshold: float = 0.2,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Box, ...]:
        """Whatever fits the words of ``targets``, best first; a box's label is the target it fits. Such models
        score lower than detectors with fixed classes do. Raises InputError without targets.
        """
        ...
