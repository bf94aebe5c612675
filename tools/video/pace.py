"""How fast tools go through a video, and what they say meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engines.progress import CancelToken, OnProgress
from engines.protocols import VideoFrame
from engines.video.read import Video

MOST_FRAMES: Final = 1800
"""That one call looks at: five minutes at six a second. Of longer videos, fewer a second are looked at."""


def pace(clip: Video, fps: float) -> tuple[float, list[str]]:
    """Frames a second that can be looked at, and a note where that is less than was asked for."""
    rate = min(fps, MOST_FRAMES / clip.info.seconds) if clip.info.seconds else fps
    if rate >= fps:
        return fps, []
    return rate, [f"the video is long, so only {rate:.2g} frames a second were looked at: what is quick may be missed"]


def watched(
    clip: Video, rate: float, longest_edge: int, on_progress: OnProgress, cancel: CancelToken
) -> Iterator[VideoFrame]:
    """Frames as they come; reports how far the video has been watched, about once in 20 frames."""
    for number, frame in enumerate(clip.frames(fps=rate, longest_edge=longest_edge, cancel=cancel)):
        if number % 20 == 0 and clip.info.seconds:
            done = min(1.0, frame.seconds / clip.info.seconds)
            on_progress(done, f"{frame.seconds:.0f} of {clip.info.seconds:.0f} s watched")
        yield frame


def span(seconds: float) -> str:
    """``8.4 s``, ``2 min 5 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
