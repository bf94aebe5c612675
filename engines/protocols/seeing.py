"""What engines that say what a picture shows promise: its class, its features, a sentence, an answer, its text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.engine import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class ImageClass:
    """What the whole picture may show; ``score`` in 0..1."""

    label: str
    score: float


class ImageClassification(Engine, Protocol):
    capability: ClassVar[str] = "image-classification"

    @property
    def labels(self) -> tuple[str, ...]:
        """Every class the model knows."""
        ...

    def classify(self, image: Image, *, top: int = 5, cancel: CancelToken = NEVER) -> tuple[ImageClass, ...]:
        """The ``top`` likeliest classes, best first. ``image`` is RGB of any size."""
        ...


class ImageEmbedding(Engine, Protocol):
    capability: ClassVar[str] = "image-embedding"

    @property
    def dimensions(self) -> int: ...

    def embed(self, images: Sequence[Image], *, cancel: CancelToken = NEVER) -> NDArray[np.float32]:
        """Features of shape (len(images), dimensions), each row of length 1: the dot product is the likeness."""
        ...


@dataclass(frozen=True, slots=True)
class Described:
    """``text`` is a caption or an answer; ``known`` is false where the model says that it can't tell; ``facts`` are
    what it was put together from, by models that work that way.
    """

    text: str
    known: bool = True
    facts: tuple[str, ...] = ()


class ImageCaptioning(Engine, Protocol):
    capability: ClassVar[str] = "image-captioning"

    def caption(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> Described:
        """What the picture shows, in a sentence or two."""
        ...


class VisualQuestionAnswering(Engine, Protocol):
    capability: ClassVar[str] = "visual-question-answering"

    def answer(
        self,
        image: Image,
        question: str,
        *,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Described:
        """What the picture says to a question, in words."""
        ...


@dataclass(frozen=True, slots=True)
class TextLine:
    """``corners`` in px, from where the text begins at the top, clockwise as it is read. ``block`` numbers the
    paragraphs and columns in reading order, ``row`` the lines in a block: pieces of one row stand beside each other.
    """

    text: str
    score: float
    corners: tuple[tuple[float, float], ...]
    block: int = 0
    row: int = 0


@dataclass(frozen=True, slots=True)
class PageText:
    """Lines in reading order. ``rotation``: how far the page is turned, clockwise, in degrees of -180..180."""

    lines: tuple[TextLine, ...]
    rotation: float = 0.0

    @property
    def text(self) -> str:
        """Rows on lines of their own, with an empty line between blocks; pieces of a row that stand apart, as in a
        table, have two spaces between them.
        """
        written, before = "", None
        for line in self.lines:
            if before is None:
                gap = ""
            elif line.block != before.block:
                gap = "\n\n"
            else:
                gap = "\n" if line.row != before.row else _space(before, line)
            written += gap + line.text
            before = line
        return written


def _space(before: TextLine, line: TextLine) -> str:
    """One space where the pieces are less than a line's height apart: there, a line was found in parts."""
    if not before.corners or not line.corners:
        return "  "
    height = math.dist(line.corners[0], line.corners[-1])
    return " " if math.dist(before.corners[1], line.corners[0]) < height else "  "


class TextRecognition(Engine, Protocol):
    capability: ClassVar[str] = "text-recognition"

    def read(self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER) -> PageText:
        """The text in a picture, turned whichever way. A picture without text gives no lines."""
        ...
