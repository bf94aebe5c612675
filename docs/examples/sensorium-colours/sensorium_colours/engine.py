"""The engine: the capability's Protocol, its result, and one class that keeps to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Engine

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Colour:
    """``share`` of the picture's area, in 0..1; ``code`` as in CSS: ``#rrggbb``."""

    code: str
    share: float


class ColourNaming(Engine, Protocol):
    """What every engine of the capability promises; tools name it, never a class."""

    capability: ClassVar[str] = "colour-naming"

    def colours(
        self,
        image: Image,
        *,
        most: int = 5,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Colour, ...]:
        """The main colours, largest share first, at most ``most``."""
        ...


class MedianCut:
    """Heckbert's median cut (1982), as Pillow has it."""

    capability: ClassVar[str] = "colour-naming"

    def __init__(self, context: LoadContext) -> None:
        """Weights would be in ``context.folder``, checked and complete; this engine has none."""

    def close(self) -> None:
        """Nothing is held."""

    def colours(
        self,
        image: Image,
        *,
        most: int = 5,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Colour, ...]:
        small = image.copy()
        small.thumbnail((256, 256))
        cancel.check()
        reduced = small.quantize(most)
        counts = reduced.histogram()[: len(reduced.palette.colors)] if reduced.palette else []
        palette = reduced.getpalette() or []
        found = [
            Colour("#" + bytes(palette[3 * index : 3 * index + 3]).hex(), count / sum(counts))
            for index, count in enumerate(counts)
            if count
        ]
        on_progress(1.0, f"{len(found)} colours")
        return tuple(sorted(found, key=lambda colour: -colour.share))
