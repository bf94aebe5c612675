"""Show which pixels were found: each thing tinted and outlined in a colour of its own."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engines.protocols import Mask

if TYPE_CHECKING:
    from PIL.Image import Image


def draw_masks(image: Image, masks: Sequence[Mask]) -> Image:
    """A copy in which what was not found is darker. Outlines grow with the picture."""
    import cv2
    import numpy as np
    from PIL import Image as Pictures

    pixels = np.array(image.convert("RGB"))
    found = np.zeros(pixels.shape[:2], bool)
    for mask in masks:
        found |= mask.pixels
    pixels[~found] = pixels[~found] // 2
    line = max(2, round(max(image.size) / 320))
    for number, mask in enumerate(masks):
        # Hues a golden section apart stay distinct however many there are.
        shade = np.array(colorsys.hsv_to_rgb((0.36 + number * 0.618034) % 1, 0.85, 0.95)) * 255
        pixels[mask.pixels] = (0.7 * pixels[mask.pixels] + 0.3 * shade).astype(np.uint8)
        outlines, _ = cv2.findContours(mask.pixels.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(pixels, outlines, -1, [float(part) for part in shade], line, cv2.LINE_AA)
    return Pictures.fromarray(pixels)
