"""From a rough mask to a clean cut-out: stray bits away, edges that follow the picture, polygons.

OpenCV does the work. Masks are bool, alpha is float32 in 0..1; both have the picture's shape (height, width).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_GUIDE_SIDE: Final = 1024
"""The guided filter is solved on a copy of at most this size and applied at full size, which is as good and quicker."""
_EPSILON: Final = 1e-4
"""How much contrast counts as an edge, squared, where white is 1."""


def shrink(image: Image, longest: int) -> Image:
    """An RGB copy whose longer side is at most ``longest`` px, and no side is 0."""
    from PIL import Image as Pictures

    scale = min(1.0, longest / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    rgb = image.convert("RGB")
    return rgb if size == image.size else rgb.resize(size, Pictures.Resampling.BOX)


def enlarge(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask at ``size`` (width, height), with smooth outlines instead of stairs."""
    import cv2
    import numpy as np

    if mask.shape == (size[1], size[0]):
        return mask
    return np.asarray(cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_LINEAR) > 127)


def tidy(
    mask: NDArray[np.bool_], *, seeds: NDArray[np.bool_] | None = None, parts: float = 0.1, holes: float = 0.01
) -> NDArray[np.bool_]:
    """Without stray bits and pinholes.

    Of the connected parts those stay that touch ``seeds``, or that have at least the share ``parts`` of the largest
    one's area. Holes up to the share ``holes`` of the mask's area are filled; larger ones are taken for real.
    """
    import cv2
    import numpy as np

    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 1:
        return np.zeros_like(mask)
    areas = np.asarray(stats)[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    keep = areas >= max(1.0, parts * areas.max())
    if seeds is not None and (touched := np.unique(np.asarray(numbers)[seeds & mask])).size:
        keep = np.zeros_like(keep)
        keep[touched] = True
    kept = keep[np.asarray(numbers)]
    count, numbers, stats, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    gaps = np.asarray(stats)[:, cv2.CC_STAT_AREA].copy()
    gaps[0] = gaps.max(initial=0) + 1  # number 0 is the mask itself
    small = gaps <= holes * kept.sum()
    for number in np.flatnonzero(small):
        left, top, width, height = (int(stats[number, column]) for column in range(4))
        inside = left > 0 and top > 0 and left + width < mask.shape[1] and top + height < mask.shape[0]
        small[number] = inside
    return np.asarray(kept | small[np.asarray(numbers)])


def smooth(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With the outline's smallest teeth worn off: at most half a percent of the picture's longer side."""
    import cv2
    import numpy as np

    window = 2 * max(1, round(max(mask.shape) / 250)) + 1
    return np.asarray(cv2.medianBlur(mask.astype(np.uint8) * 255, window) > 127)


def soften(image: Image, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Alpha whose edge follows the picture's own within a narrow band around the mask's outline.

    The fast guided filter (He and Sun 2015, arXiv 1505.00996) with the picture's grey as guide: in each small window
    alpha is a line through the grey values, so it turns where they do.
    """
    import cv2
    import numpy as np

    if not mask.any() or mask.all():
        return mask.astype(np.float32)
    height, width = mask.shape
    radius = max(1, round(max(width, height) / 200))
    band = cv2.dilate(mask.astype(np.uint8), _disc(radius)) - cv2.erode(mask.astype(np.uint8), _disc(radius))
    guide = np.asarray(image.convert("L"), np.float32) / np.float32(255)
    slope, offset = _guided(guide, mask.astype(np.float32), radius)
    alpha = cv2.resize(slope, (width, height)) * guide + cv2.resize(offset, (width, height))
    alpha = ((alpha - 0.15) / 0.7).clip(0, 1)  # the filter leaves a veil on both sides
    return np.where(band > 0, alpha, mask).astype(np.float32)


def _guided(
    guide: NDArray[np.float32], mask: NDArray[np.float32], radius: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Slope and offset of the line in each window, at the size at which they were solved."""
    import cv2
    import numpy as np

    scale = min(1.0, _GUIDE_SIDE / max(guide.shape))
    if scale < 1:
        size = (max(1, round(guide.shape[1] * scale)), max(1, round(guide.shape[0] * scale)))
        guide, mask = (
            np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.float32) for layer in (guide, mask)
        )
    window = (2 * max(1, round(radius * scale)) + 1,) * 2

    def mean(layer: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(layer, window), np.float32)

    mean_guide, mean_mask = mean(guide), mean(mask)
    slope = (mean(guide * mask) - mean_guide * mean_mask) / (mean(guide * guide) - mean_guide**2 + _EPSILON)
    return mean(slope), mean(mean_mask - slope * mean_guide)


def cut_out(image: Image, alpha: NDArray[np.float32]) -> Image:
    """The picture as RGBA. Pixels that are partly background get the colour of the thing beside them, so that no rim of
    the old background shows on a new one.
    """
    import cv2
    import numpy as np
    from PIL import Image as Pictures

    pixels = np.asarray(image.convert("RGB"))
    rim = (alpha > 0) & (alpha < 0.98)
    if rim.any():
        rows, columns = np.flatnonzero(rim.any(1)), np.flatnonzero(rim.any(0))
        reach = max(2, round(max(image.size) / 150))
        there = np.s_[
            max(0, rows[0] - reach) : rows[-1] + reach + 1, max(0, columns[0] - reach) : columns[-1] + reach + 1
        ]
        part, edge = pixels[there], rim[there]
        weight = np.where(alpha[there] >= 0.98, 1.0, 0.0).astype(np.float32)
        window = (2 * reach + 1,) * 2
        near = cv2.blur(weight, window)[..., None]
        colour = cv2.blur(part * weight[..., None], window) / np.maximum(near, 1e-6)
        mixed = np.where(edge[..., None] & (near > 1e-3), colour, part)
        pixels = pixels.copy()
        # Where the pixel is mostly the thing, its own texture counts for more.
        own = alpha[there][..., None]
        pixels[there] = np.where(edge[..., None], (own * part + (1 - own) * mixed).round(), part).astype(np.uint8)
    rgba = np.dstack([pixels, (alpha * 255).round().astype(np.uint8)])
    return Pictures.fromarray(rgba, "RGBA")


def polygons(mask: NDArray[np.bool_], *, most: int = 8) -> list[list[tuple[int, int]]]:
    """The outer outlines in px, (x, y) from the top left, the largest first; at most ``most`` parts.

    Simplified (Douglas-Peucker) to within 0.2 % of the mask's circumference or 1 px. Holes are not outlined.
    """
    import cv2
    import numpy as np

    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(found, key=cv2.contourArea, reverse=True)[:most]
    simple = [cv2.approxPolyDP(outline, max(1.0, 0.002 * cv2.arcLength(outline, True)), True) for outline in largest]
    return [[(int(x), int(y)) for x, y in np.asarray(outline).reshape(-1, 2)] for outline in simple]


def iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union, 0..1; 1 when both are empty."""
    union = int((mask | truth).sum())
    return float((mask & truth).sum() / union) if union else 1.0


def _disc(radius: int) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2), np.uint8)
