"""What engines that outline things in pictures, or tell how far away they are, promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.detection import Box
from engines.protocols.engine import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a picture, in px from the top left. ``inside``: it is on the thing; otherwise it is beside it."""

    x: float
    y: float
    inside: bool = True


@dataclass(frozen=True, slots=True)
class Mask:
    """Which pixels show a thing: bool, shape (height, width) of the picture. ``score`` in 0..1 says how sure it is."""

    pixels: NDArray[np.bool_]
    score: float
    label: str = ""


class ObjectSegmentation(Engine, Protocol):
    capability: ClassVar[str] = "segmentation"

    def segment(
        self,
        image: Image,
        *,
        points: Sequence[Point] = (),
        boxes: Sequence[Box] = (),
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Mask, ...]:
        """One mask for each box, in their order and with their labels; or one for all points together, which are on or
        beside one thing. Points given with a single box refine its mask. ``image`` is RGB of any size.

        A mask may be empty: nothing was found there. Raises InputError when neither points nor boxes are given, when
        points come with several boxes, or when no point is ``inside`` and no box is given.
        """
        ...


class PersonSegmentation(Engine, Protocol):
    capability: ClassVar[str] = "person-segmentation"

    def segment_people(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> NDArray[np.float32]:
        """For each pixel the probability in 0..1 that it shows a person, whoever; shape (height, width)."""
        ...


class SaliencyDetection(Engine, Protocol):
    capability: ClassVar[str] = "saliency"

    def find_salient(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> NDArray[np.float32]:
        """For each pixel how much it belongs to what the picture is of, in 0..1; shape (height, width)."""
        ...


@dataclass(frozen=True, slots=True)
class DepthMap:
    """``nearness`` is relative inverse depth: larger is nearer, without a unit, comparable within one picture only.
    ``metres`` is the distance from the camera where the model gives it. Both float32, shape (height, width).
    """

    nearness: NDArray[np.float32]
    metres: NDArray[np.float32] | None = None


class DepthEstimation(Engine, Protocol):
    capability: ClassVar[str] = "depth-estimation"

    def estimate_depth(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> DepthMap:
        """How near each pixel of one picture is. ``image`` is RGB of any size."""
        ...


@dataclass(frozen=True, slots=True)
class StereoDepthMap:
    """``disparity_px`` is by how many px a thing lies further left in the right picture; NaN where no match was found.
    ``metres`` is the distance along the optical axis, when focal length and baseline were given. Both float32, shape
    (height, width) of the left picture.
    """

    disparity_px: NDArray[np.float32]
    metres: NDArray[np.float32] | None = None


class StereoDepth(Engine, Protocol):
    capability: ClassVar[str] = "stereo-depth"

    def match(
        self,
        left: Image,
        right: Image,
        *,
        focal_px: float | None = None,
        baseline_m: float | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> StereoDepthMap:
        """Distances from two rectified pictures taken side by side: what is on a row of one is on the same row of the
        other.

        Raises InputError when the pictures differ in size, are too small, or when only one of focal length (px) and
        baseline (m) is given, or one that is not above 0.
        """
        ...
