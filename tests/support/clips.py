"""Small videos, made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image


def grey(shade: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new("RGB", size, (shade, shade, shade))


def shade_of(image: Image.Image) -> int:
    return round(float(np.asarray(image).mean()))


def write_clip(
    path: Path,
    frames: Sequence[Image.Image],
    times: Sequence[float] | None = None,
    *,
    fps: int = 10,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
) -> Path:
    """``times`` in seconds, by default evenly spaced."""
    with av.open(str(path), "w", options=muxing or {}) as output:
        stream = output.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if codec in ("mpeg4", "rawvideo"):
            stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round((times[number] if times else number / fps) / frame.time_base)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def moving_photo(photo: Image.Image, places: Sequence[tuple[int, int]], size: tuple[int, int]) -> list[Image.Image]:
    """A photo pasted at each of ``places`` (px from the top left) before a grey wall."""
    frames = []
    for place in places:
        wall = Image.new("RGB", size, (120, 120, 120))
        wall.paste(photo, place)
        frames.append(wall)
    return frames
