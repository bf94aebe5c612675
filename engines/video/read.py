"""Frames out of any file that holds a video: upright, RGB, with the time at which each is shown.

Frames are decoded one at a time and handed on; only what the caller keeps stays in memory. PyAV (FFmpeg) decodes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from engines.errors import MediaError
from engines.media import (
    DEFAULT_LIMITS,
    Limits,
    container_seconds,
    is_picture,
    is_text,
    moving_pictures,
    open_container,
    shown_size,
    too_long,
    wrong_kind,
)
from engines.progress import NEVER, CancelToken
from engines.protocols import VideoFrame

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from PIL.Image import Image

_NEAR_SECONDS: Final = 4.0
"""A frame no further ahead than this is decoded towards; one beyond is jumped to."""

_END_SLACK_SECONDS: Final = 1.0
"""A video that ends earlier than its header says, by more than this, is said to be cut off."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """``width`` and ``height`` in px as it is shown; ``seconds`` by the header; ``fps`` on average, 0: not known."""

    width: int
    height: int
    seconds: float
    fps: float
    has_sound: bool


class Video:
    """A video file. Nothing of it is held between calls; each opens the file anew.

    ``notes`` tells, after reading, what was wrong with it: that it is cut off, or that frames were left out.
    """

    def __init__(self, path: Path, *, limits: Limits = DEFAULT_LIMITS, name: str | None = None) -> None:
        """Reads the header and the first frame. Raises MediaError when it is no video or beyond ``limits``."""
        self.path = path
        self.name = name or path.name
        self.notes: list[str] = []
        self._limits = limits
        if not path.is_file() or not 0 < path.stat().st_size <= limits.max_bytes:
            raise wrong_kind(path, "video", limits, self.name)
        if is_picture(path, self.name) or is_text(path):  # text: FFmpeg would take some of it for a playlist
            raise wrong_kind(path, "video", limits, self.name)
        with self._opened(NEVER) as stream:
            first = next(self._decoded(stream, NEVER), None)
            if first is None:
                raise MediaError(
                    f"{self.name} has a video track, but no frame in it can be decoded.", fix="Save or send it again."
                )
            width, height = shown_size(first, stream)
            has_sound = bool(stream.container.streams.audio)
            fps = float(stream.average_rate or stream.guessed_rate or 0)
        with open_container(path, name=self.name) as container:
            seconds = container_seconds(container)
        if seconds > limits.max_audio_seconds:
            raise too_long(self.name, seconds, limits)
        self.info = VideoInfo(width, height, seconds, fps, has_sound)

    def frames(
        self,
        *,
        fps: float | None = None,
        longest_edge: int | None = None,
        start: float = 0.0,
        end: float | None = None,
        cancel: CancelToken = NEVER,
    ) -> Iterator[VideoFrame]:
        """Each frame from ``start`` to before ``end`` (seconds), or, with ``fps``, at most one in each 1/fps of time.

        Times are those of the file, also where they are uneven. ``longest_edge`` in px shrinks larger frames. What is
        damaged is left out and noted. Raises MediaError when more comes than the limits allow.
        """
        slot = -1
        last = -1.0
        with self._opened(cancel) as stream:
            for seconds, frame in self._from(stream, start, cancel):
                if end is not None and seconds >= end:
                    return
                last = seconds
                # a hair's breadth, because 3 * (1/3) may fall short of 1
                now = int(seconds * fps + 1e-6) if fps else slot + 1
                if seconds < start - 1e-6 or now <= slot:
                    continue
                slot = now
                yield VideoFrame(_to_picture(frame, stream, longest_edge), seconds)
            self._note_the_end(last, stream)

    def at(self, seconds: float, *, longest_edge: int | None = None, cancel: CancelToken = NEVER) -> VideoFrame:
        """The frame that is shown at that time; beyond the end, the last one."""
        return self.at_each([seconds], longest_edge=longest_edge, cancel=cancel)[0]

    def sample(
        self, count: int, *, longest_edge: int | None = None, cancel: CancelToken = NEVER
    ) -> tuple[VideoFrame, ...]:
        """At most ``count`` frames, evenly spaced: each from the middle of its share of the video."""
        share = self.info.seconds / max(1, count)
        frames = self.at_each([(number + 0.5) * share for number in range(count)], longest_edge, cancel=cancel)
        return tuple(
            frame for number, frame in enumerate(frames) if not number or frame.seconds > frames[number - 1].seconds
        )

    def at_each(
        self, times: Sequence[float], longest_edge: int | None = None, *, cancel: CancelToken = NEVER
    ) -> tuple[VideoFrame, ...]:
        """The frames that are shown at ``times``, which ascend."""
        found: list[VideoFrame] = []
        with self._opened(cancel) as stream:
            frames: Iterator[tuple[float, av.VideoFrame]] | None = None
            shown: tuple[float, av.VideoFrame] | None = None
            coming: tuple[float, av.VideoFrame] | None = None
            for wanted in times:
                if frames is None or wanted - (shown[0] if shown else 0.0) > _NEAR_SECONDS:
                    frames = self._from(stream, wanted, cancel)
                    shown, coming = None, next(frames, None)
                while coming is not None and (shown is None or coming[0] <= wanted + 1e-6):
                    shown, coming = coming, next(frames, None)
                if shown is None:  # nothing decodes from there on
                    shown = self._last(stream, cancel)
                found.append(VideoFrame(_to_picture(shown[1], stream, longest_edge), shown[0]))
        return tuple(found)

    # ------------------------------------------------------------------------------------------- inside

    @contextmanager
    def _opened(self, cancel: CancelToken) -> Iterator[VideoStream]:
        cancel.check()
        with open_container(self.path, name=self.name) as container:
            stream = moving_pictures(container, self._limits, self.name)
            if stream is None:
                raise wrong_kind(self.path, "video", self._limits, self.name)
            yield stream

    def _from(self, stream: VideoStream, wanted: float, cancel: CancelToken) -> Iterator[tuple[float, av.VideoFrame]]:
        """Frames with their times, from one that is shown no later than ``wanted`` if there is such a one."""
        for goal in dict.fromkeys((max(0.0, wanted), 0.0)):
            _seek(stream, goal)
            frames = self._timed(stream, cancel)
            first = next(frames, None)
            if first is not None and (first[0] <= wanted or goal == 0.0):
                yield first
                yield from frames
                return

    def _last(self, stream: VideoStream, cancel: CancelToken) -> tuple[float, av.VideoFrame]:
        last = next(iter(deque(self._from(stream, 0.0, cancel), maxlen=1)), None)
        if last is None:
            raise MediaError(f"No frame of {self.name} can be decoded.", fix="Save or send it again.")
        self._note_the_end(last[0], stream)
        return last

    def _timed(self, stream: VideoStream, cancel: CancelToken) -> Iterator[tuple[float, av.VideoFrame]]:
        """Times never go back: frames whose stamp does, or that have none, follow the one before at the usual pace."""
        rate = stream.average_rate or Fraction(25)
        begin = _begin(stream)
        before: float | None = None
        for frame in self._decoded(stream, cancel):
            stamp = None if frame.time is None else frame.time - begin
            if before is not None and (stamp is None or stamp <= before):
                stamp = before + float(1 / rate)
            before = max(0.0, stamp or 0.0)
            if before > self._limits.max_audio_seconds:
                raise too_long(self.name, before, self._limits)
            yield before, frame

    def _decoded(self, stream: VideoStream, cancel: CancelToken) -> Iterator[av.VideoFrame]:
        import av

        damaged = False
        try:
            for packet in _container(stream).demux(stream):
                cancel.check()
                try:
                    frames = packet.decode()
                except av.InvalidDataError:  # as players do: better a gap than nothing
                    damaged = True
                    continue
                for frame in frames:
                    if frame.width * frame.height > self._limits.max_pixels:
                        raise MediaError(
                            f"{self.name} changes to frames of {frame.width} x {frame.height} px.",
                            fix="Give a smaller video.",
                        )
                    yield frame
        except av.InvalidDataError:  # the container itself breaks off
            damaged = True
        if damaged:
            self._note(f"parts of {self.name} are damaged and were left out")

    def _note_the_end(self, last: float, stream: VideoStream) -> None:
        promised = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        if promised - last > _END_SLACK_SECONDS + (float(1 / stream.average_rate) if stream.average_rate else 0.0):
            self._note(f"{self.name} is cut off: {max(0.0, last):.1f} s of {promised:.1f} s can be read")

    def _note(self, what: str) -> None:
        if what not in self.notes:
            self.notes.append(what)


def _container(stream: VideoStream) -> InputContainer:
    """PyAV's types leave open whether a stream's container is read or written."""
    return cast("InputContainer", stream.container)


def _begin(stream: VideoStream) -> float:
    """What the file calls zero: players show the first stamp of all streams at 0 s."""
    import av

    start = _container(stream).start_time
    if start is not None:
        return float(start / av.time_base)
    return float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0


def _seek(stream: VideoStream, seconds: float) -> None:
    """To the key frame before ``seconds``; where the format can't seek, reading goes on from where it is."""
    import av

    if not stream.time_base:
        return
    goal = int((seconds + _begin(stream)) / stream.time_base)
    try:
        _container(stream).seek(goal, stream=stream, backward=True, any_frame=False)
    except (av.FFmpegError, OverflowError):
        return


def _to_picture(frame: av.VideoFrame, stream: VideoStream, longest_edge: int | None) -> Image:
    """Upright and RGB, whatever the pixel format, with square pixels; not larger than ``longest_edge``."""
    from PIL.Image import Transpose

    width, height = shown_size(frame, stream)
    if longest_edge and max(width, height) > longest_edge:
        scale = longest_edge / max(width, height)
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
    turned = frame.rotation % 360
    size = (height, width) if turned % 180 else (width, height)
    image: Image = frame.to_image(width=size[0], height=size[1])  # type: ignore[no-untyped-call] # PyAV's own gap
    # By quarter turns, counter-clockwise, as FFmpeg's display matrix has them.
    turns = {90: Transpose.ROTATE_90, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_270}
    return image.transpose(turns[turned]) if turned in turns else image
