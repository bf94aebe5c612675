"""Maps that ControlNets follow, drawn as those they were trained on: edges, rough lines, distances, postures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from engines.errors import MissingExtraError
from engines.image.sizes import Size
from engines.protocols import DepthMap, Pose

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_SHORTER_EDGE_PX: Final = 512
"""The resolution at which ControlNets' own annotators draw their lines, whatever the picture's."""

_CANNY_THRESHOLDS: Final = (100, 200)

_SMALLEST_LINE_PX: Final = 24
"""Specks of fewer px than this are no lines that a hand would draw."""

#: Joint of the 18-point skeleton of OpenPose -> landmarks of BlazePose whose middle it is: nose, neck, right shoulder,
#: elbow, wrist, left shoulder, elbow, wrist, right hip, knee, ankle, left hip, knee, ankle, right eye, left eye,
#: right ear, left ear.
_JOINTS: Final = (
    (0,), (11, 12), (12,), (14,), (16,), (11,), (13,), (15,), (24,), (26,), (28,), (23,), (25,), (27,),
    (5,), (2,), (8,), (7,),
)  # fmt: skip
_LIMBS: Final = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
#: Of the limbs and joints, in their order: 18 steps around the circle of hues.
_HUES: Final = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
)  # fmt: skip
_LIMB_SHADE: Final = 0.6
_SEEN: Final = 0.5


def canny_map(image: Image) -> Image:
    """White edges on black (Canny 1986), RGB. Raises MissingExtraError without OpenCV."""
    cv2 = _opencv()
    grey = cv2.cvtColor(_shrunk(image), cv2.COLOR_RGB2GRAY)
    return _picture(cv2.Canny(grey, *_CANNY_THRESHOLDS))


def scribble_map(image: Image) -> Image:
    """White lines on black, as if drawn with a thick pen, RGB: an extended difference of Gaussians (Winnemoeller,
    Kyprianidis, Olsen 2012) with the parameters of ControlNet's own. Raises MissingExtraError without OpenCV.
    """
    import numpy as np

    cv2 = _opencv()
    pixels = _shrunk(image).astype(np.float32)
    fine, coarse = cv2.GaussianBlur(pixels, (0, 0), 0.5), cv2.GaussianBlur(pixels, (0, 0), 5.0)
    darker = (coarse - fine).max(axis=2).clip(0, 255)
    lines = np.where(2 * darker > 32, 255, 0).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    kept = np.flatnonzero(stats[:count, cv2.CC_STAT_AREA] >= _SMALLEST_LINE_PX)
    return _picture(np.where(np.isin(labels, kept[kept > 0]), 255, 0).astype(np.uint8))


def depth_map(depth: DepthMap) -> Image:
    """Grey, the nearest white and the farthest black, RGB."""
    import numpy as np

    near = np.nan_to_num(depth.nearness.astype(np.float32))
    low, high = np.percentile(near, (1, 99))
    scaled = (near - low) / max(float(high - low), 1e-6)
    return _picture((scaled.clip(0, 1) * 255).round().astype(np.uint8))


def pose_map(size: tuple[int, int], poses: Sequence[Pose]) -> Image:
    """The skeletons of people in the colours of OpenPose on black, RGB, of ``size`` (width, height) in px."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", size)
    draw = ImageDraw.Draw(picture)
    thick = max(2, round(8 * min(size) / _SHORTER_EDGE_PX))
    for pose in poses:
        joints = [_joint(pose, landmarks) for landmarks in _JOINTS]
        for (first, second), hue in zip(_LIMBS, _HUES, strict=False):
            ends = joints[first], joints[second]
            if ends[0] and ends[1]:
                draw.line([*ends[0], *ends[1]], fill=tuple(int(part * _LIMB_SHADE) for part in hue), width=thick)
        for joint, hue in zip(joints, _HUES, strict=True):
            if joint:
                draw.circle(joint, thick / 2, fill=hue)
    return picture


def _joint(pose: Pose, landmarks: tuple[int, ...]) -> tuple[float, float] | None:
    points = [pose.points[number] for number in landmarks]
    if min(point.visibility for point in points) < _SEEN:
        return None
    return sum(point.x for point in points) / len(points), sum(point.y for point in points) / len(points)


def _shrunk(image: Image) -> NDArray[Any]:
    import numpy as np
    from PIL.Image import Resampling

    scale = min(1.0, _SHORTER_EDGE_PX / min(image.size))
    small = Size(math.ceil(image.width * scale), math.ceil(image.height * scale))
    return np.asarray(image.convert("RGB").resize((small.width, small.height), Resampling.LANCZOS))


def _picture(grey: NDArray[Any]) -> Image:
    from PIL import Image

    return Image.fromarray(grey).convert("RGB")


def _opencv() -> Any:
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Drawing the edges of a picture needs OpenCV, which is not installed.",
            fix="Run: pip install 'sensorium[vision]', or give a ready-made map (control_is_map).",
        ) from error
    return cv2
