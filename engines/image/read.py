"""Read a picture as the person who took it meant it: upright, RGB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engines.media import (
    DEFAULT_LIMITS,
    Limits,
    decode_picture,
    exif_orientation,
    is_picture,
    open_picture,
    wrong_kind,
)

if TYPE_CHECKING:
    from PIL.Image import Image


def read_image(
    path: Path, *, limits: Limits = DEFAULT_LIMITS, name: str | None = None, keep_transparency: bool = False
) -> Image:
    """The picture as RGB, turned as its EXIF says, on white where it is transparent; of an animation, its first frame.

    ``keep_transparency``: as RGBA where it has any.

    Raises MediaError when it is none, is cut off or damaged, or has more pixels than ``limits`` allow.
    """
    name = name or path.name
    if not path.is_file() or path.stat().st_size > limits.max_bytes or not is_picture(path, name):
        raise wrong_kind(path, "image", limits, name)
    with open_picture(path, limits=limits, name=name) as image:
        orientation = exif_orientation(image)
        decode_picture(image, name)
        transparent = keep_transparency and image.has_transparency_data
        return _upright(image.convert("RGBA") if transparent else _to_rgb(image), orientation)


def _to_rgb(image: Image) -> Image:
    from PIL import Image

    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _to_8_bits(image)
    return image.convert("RGB")


def _to_8_bits(image: Image) -> Image:
    """16-bit and float greys: Pillow's own conversion would clip everything above 255 to white."""
    import numpy as np
    from PIL import Image

    grey = np.nan_to_num(np.asarray(image, dtype=np.float32))
    top = 65_535 if image.mode.startswith("I") else max(1.0, float(grey.max(initial=0)))
    return Image.fromarray((grey.clip(0, top) * (255 / top)).round().astype(np.uint8))


def _upright(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    # How a picture with EXIF orientation 2 ... 8 has to be turned.
    turns = (
        Transpose.FLIP_LEFT_RIGHT,
        Transpose.ROTATE_180,
        Transpose.FLIP_TOP_BOTTOM,
        Transpose.TRANSPOSE,
        Transpose.ROTATE_270,
        Transpose.TRANSVERSE,
        Transpose.ROTATE_90,
    )
    return image if orientation == 1 else image.transpose(turns[orientation - 2])
