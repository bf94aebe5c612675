"""Recordings in any container and codec, made with PyAV from a sound of ``tests/media`` or from samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

MEDIA = Path(__file__).parents[1] / "media"
JFK = MEDIA / "jfk.flac"


def recorded(
    path: Path,
    codec: str,
    *,
    form: str | None = None,
    rate: int = 48_000,
    layout: str = "mono",
    sources: Sequence[Path] = (JFK,),
    picture: bool = False,
) -> Path:
    """A file with a sound track for each source, and two seconds of grey pictures if it is a video."""
    with av.open(str(path), "w", format=form) as out:
        video: Any = out.add_stream("mpeg4", rate=5) if picture else None
        if video:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tracks: list[Any] = [out.add_stream(codec, rate=rate, layout=layout) for _ in sources]
        if video:
            for number in range(10):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 20, np.uint8), "rgb24")
                frame.pts = number
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        for track, source in zip(tracks, sources, strict=True):
            for frame in _frames(source, track.format.name, layout, rate):
                out.mux(track.encode(frame))
            out.mux(track.encode(None))
    return path


def silent_video(path: Path) -> Path:
    """Pictures and no sound track."""
    return recorded(path, "aac", sources=(), picture=True)


def _frames(source: Path, form: str, layout: str, rate: int) -> Iterator[av.AudioFrame]:
    resampler = av.AudioResampler(format=form, layout=layout, rate=rate)
    with av.open(str(source)) as container:
        for frame in container.decode(audio=0):
            frame.pts = None
            yield from resampler.resample(frame)
    yield from resampler.resample(None)
