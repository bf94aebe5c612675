"""Depth from two pictures side by side: OpenCV's semi-global block matching (Hirschmueller 2008)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from engines.errors import InputError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import StereoDepthMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_LEAST: Final = 32
"""Smaller pictures hold nothing that could be matched."""
_BLOCK: Final = 5
_STEPS: Final = 16
"""OpenCV gives disparities in sixteenths of a pixel."""


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    widest_px: int = Field(default=960, ge=64, le=4096)
    """Wider pictures are shrunk to this: the time grows with the third power of the width."""
    reach: float = Field(default=0.25, gt=0, le=0.8)
    """The largest disparity that is looked for, as a share of the width."""


class BlockMatching:
    """`engines.protocols.StereoDepth`. Several threads may call it at once."""

    capability: ClassVar[str] = "stereo-depth"

    def __init__(self, context: LoadContext) -> None:
        self._options = Options.model_validate(dict(context.entry.options))

    def close(self) -> None:
        """It holds nothing."""

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
        """As `StereoDepth.match`. Plain walls and repeating patterns find no match."""
        import cv2
        import numpy as np

        _check(left, right, focal_px, baseline_m)
        cancel.check()
        scale = min(1.0, self._options.widest_px / left.width)
        size = (max(1, round(left.width * scale)), max(1, round(left.height * scale)))
        first, second = (_grey(image, size) for image in (left, right))
        on_progress(None, "matching")
        found = _match(first, second, math.ceil(size[0] * self._options.reach / 16) * 16)
        cancel.check()
        whole = cv2.resize(found, left.size, interpolation=cv2.INTER_NEAREST) / np.float32(size[0] / left.width)
        disparity = np.asarray(whole, np.float32)
        on_progress(1.0, "matched")
        if focal_px is None or baseline_m is None:
            return StereoDepthMap(disparity)
        with np.errstate(divide="ignore"):
            metres = np.where(disparity > 0, focal_px * baseline_m / disparity, np.nan)
        return StereoDepthMap(disparity, metres.astype(np.float32))


def _check(left: Image, right: Image, focal_px: float | None, baseline_m: float | None) -> None:
    if left.size != right.size:
        sizes = " and ".join(f"{image.width} x {image.height} px" for image in (left, right))
        raise InputError(
            f"The two pictures differ in size: {sizes}.", fix="Give a rectified pair, as a stereo camera makes it."
        )
    if min(left.size) < _LEAST:
        raise InputError(f"The pictures are too small to be matched: {left.width} x {left.height} px.")
    given = [value for value in (focal_px, baseline_m) if value is not None]
    if len(given) == 1:
        raise InputError("Metres need both the focal length in px and the baseline in m.", fix="Give both, or neither.")
    if any(not value > 0 for value in given):
        raise InputError(
            "The focal length (px) and the baseline (m) must be above 0.", fix="Look into the calibration."
        )


def _grey(image: Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image as Pictures

    return np.asarray(image.convert("L").resize(size, Pictures.Resampling.BOX))


def _match(left: NDArray[np.uint8], right: NDArray[np.uint8], reach: int) -> NDArray[np.float32]:
    """Disparity in px, NaN without a match. ``reach`` is a multiple of 16."""
    import cv2
    import numpy as np

    matcher = cv2.StereoSGBM.create(
        minDisparity=0,
        numDisparities=reach,
        blockSize=_BLOCK,
        P1=8 * _BLOCK**2,  # how much a step of 1 px costs, and a larger one: OpenCV's own advice
        P2=32 * _BLOCK**2,
        disp12MaxDiff=1,
        uniquenessRatio=8,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    # OpenCV leaves out the columns whose match could lie outside the right picture: give it room there.
    first, second = (cv2.copyMakeBorder(side, 0, 0, reach, 0, cv2.BORDER_REPLICATE) for side in (left, right))
    found = np.asarray(matcher.compute(first, second), np.float32)[:, reach:] / np.float32(_STEPS)
    return np.where((found < 0) | ~_agrees(left, right, found), np.nan, found).astype(np.float32)


def _agrees(left: NDArray[np.uint8], right: NDArray[np.uint8], found: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether the place in the right picture looks like the one in the left, apart from brightness: smoothness alone
    gives a disparity to places that have no match.
    """
    import cv2
    import numpy as np

    window = (9, 9)
    rows, columns = np.indices(found.shape).astype(np.float32)
    there = cv2.remap(
        right, np.asarray(columns - found), np.asarray(rows), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    one, other = left.astype(np.float32), np.asarray(there, np.float32)
    one, other = one - cv2.blur(one, window), other - cv2.blur(other, window)
    apart, contrast = cv2.blur(np.abs(one - other), window), cv2.blur(np.abs(one), window)
    return np.asarray(apart < 0.8 * contrast + 4)
