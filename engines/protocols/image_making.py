"""What engines that make and change pictures promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.engine import Engine

if TYPE_CHECKING:
    from PIL.Image import Image

    OnPreview = Callable[[Image], None]
    """Called, from the engine's thread, with a small picture of how far the work is."""

#: How a picture came about: drawn from noise by a diffusion model, or composed of ready-made vector art.
MakingKind = Literal["diffusion", "vector-scene"]

#: restyle: the whole picture again, after a description. inpaint: only what a mask shows. instruct: what is asked for.
EditMode = Literal["restyle", "inpaint", "instruct"]

#: What of a picture a controlled generation keeps: edges, rough lines, distances, or the posture of people.
ControlKind = Literal["canny", "scribble", "depth", "pose"]


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """A picture a model made. It is RGB, of the size the model really made.

    ``svg`` is the same picture as text, of engines that draw. ``unmatched`` are the words of the prompt that the engine
    could do nothing with. ``steps`` is 0 where there are none. ``note`` is what people should know, in a sentence:
    a size that was rounded, a part that was blanked.
    """

    image: Image
    seed: int
    kind: MakingKind = "diffusion"
    steps: int = 0
    svg: str | None = None
    unmatched: tuple[str, ...] = ()
    note: str = ""


class ImageGeneration(Engine, Protocol):
    capability: ClassVar[str] = "image-generation"

    def generate(  # noqa: PLR0913 # the field's usual knobs, by name
        self,
        prompt: str,
        *,
        negative: str = "",
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int,
        on_progress: OnProgress = ignore_progress,
        on_preview: OnPreview | None = None,
        cancel: CancelToken = NEVER,
    ) -> GeneratedImage:
        """A picture after ``prompt``, the same for the same seed, size and steps on the same device.

        ``negative`` is what should not be in it. Sizes are in px; None, here as for ``steps`` and ``guidance`` (how
        closely the prompt is followed, about 1..15): what suits the model. Engines without steps ignore these.

        Raises InputError for an empty prompt or a size the engine can't make.
        """
        ...


class ImageEditing(Engine, Protocol):
    capability: ClassVar[str] = "image-editing"

    @property
    def modes(self) -> tuple[EditMode, ...]:
        """What the model can do."""
        ...

    def edit(  # noqa: PLR0913 # the field's usual knobs, by name
        self,
        image: Image,
        prompt: str,
        *,
        mode: EditMode,
        mask: Image | None = None,
        negative: str = "",
        strength: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int,
        on_progress: OnProgress = ignore_progress,
        on_preview: OnPreview | None = None,
        cancel: CancelToken = NEVER,
    ) -> GeneratedImage:
        """``image`` (RGB of any size) changed; the result has its proportions, and no more px than the model works on.

        ``mask`` (mode L, of any size, white where to paint) is for the mode ``inpaint``. ``strength`` in 0..1 is how
        far the result may be from ``image``.

        Raises InputError for a mode the model hasn't, a missing or an empty mask, an empty prompt.
        """
        ...


class ControlledGeneration(Engine, Protocol):
    capability: ClassVar[str] = "controlled-image-generation"

    @property
    def control(self) -> ControlKind:
        """The kind of map the model follows."""
        ...

    def generate(  # noqa: PLR0913 # the field's usual knobs, by name
        self,
        prompt: str,
        control_map: Image,
        *,
        negative: str = "",
        control_strength: float = 1.0,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int,
        on_progress: OnProgress = ignore_progress,
        on_preview: OnPreview | None = None,
        cancel: CancelToken = NEVER,
    ) -> GeneratedImage:
        """A picture after ``prompt`` that follows ``control_map`` and has its proportions.

        The map is RGB: white lines on black; near is bright; or a skeleton in the colours of OpenPose.
        ``control_strength`` in 0..2 is how closely it is followed.

        Raises InputError for an empty prompt.
        """
        ...


class ImageUpscaling(Engine, Protocol):
    capability: ClassVar[str] = "image-upscaling"

    @property
    def scale(self) -> int:
        """How many times as wide and as high the result is, before it is brought to the size that was asked for."""
        ...

    def upscale(
        self,
        image: Image,
        *,
        factor: float | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Image:
        """``image`` (RGB or RGBA of any size) ``factor`` times as wide and as high; None: the model's own ``scale``.

        Raises InputError when the result would be too large.
        """
        ...
