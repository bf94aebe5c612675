"""Short clips that players and browsers show: H.264 in MP4, or VP9 in WebM where PyAV comes without x264."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, cast

from engines.errors import EngineError

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream
    from PIL.Image import Image

_TICKS_PER_SECOND: Final = 90_000
"""The clock of MPEG: fine enough for the time stamps of any camera."""

_RATE: Final = 30

#: Encoder, its options, and the container it goes into, best first. Frames in the order in which they are shown (bf 0):
#: MP4 would otherwise be told a wrong length where times are uneven.
_FORMS: Final[tuple[tuple[str, dict[str, str], str, dict[str, str]], ...]] = (
    ("libx264", {"crf": "23", "preset": "veryfast", "bf": "0"}, "mp4", {"movflags": "faststart"}),
    ("libvpx-vp9", {"crf": "33", "b": "0", "deadline": "realtime", "cpu-used": "8"}, "webm", {}),
)


class ClipWriter:
    """Writes frames as they come, each with its own time.

    with ClipWriter(folder, "tracks") as clip:
        clip.add(image, seconds)
    clip.path
    """

    def __init__(self, folder: Path, stem: str) -> None:
        """The file is ``stem`` with the container's suffix, in ``folder``."""
        import av

        form = next((form for form in _FORMS if form[0] in av.codecs_available), None)
        if form is None:
            raise EngineError("PyAV can encode neither H.264 nor VP9 here.", fix="Run: pip install --upgrade av")
        self._encoder, self._options, container, self._muxing = form
        self.path = folder / f"{stem}.{container}"
        self._output: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._last: tuple[Image, int] | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, image: Image, seconds: float) -> None:
        """The first frame settles the size, made even as codecs want it. A frame that comes no later is left out."""
        ticks = round(seconds * _TICKS_PER_SECOND)
        if self._last is not None and ticks <= self._last[1]:
            return
        self._encode(image, ticks)

    def close(self, end: float | None = None) -> None:
        """Show the last frame until ``end`` (seconds), and finish the file. Without a frame there is none."""
        if self._output is None or self._stream is None:
            return
        if end is not None and self._last is not None:
            image, ticks = self._last
            # A frame lasts until the next one comes, and the last for one thirtieth of a second.
            if (final := round((end - 1 / _RATE) * _TICKS_PER_SECOND)) > ticks:
                self._encode(image, final)
        self._output.mux(self._stream.encode(None))
        self._output.close()
        self._output = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _encode(self, image: Image, ticks: int) -> None:
        import av
        import numpy as np

        if self._stream is None:
            self._open(image)
        stream, output = self._stream, self._output
        if stream is None or output is None:
            raise EngineError(f"{self.path.name} is finished.")
        if image.size != (stream.width, stream.height):
            image = image.resize((stream.width, stream.height))
        frame = av.VideoFrame.from_ndarray(np.asarray(image.convert("RGB")), format="rgb24")
        frame.pts, frame.time_base = ticks, Fraction(1, _TICKS_PER_SECOND)
        output.mux(stream.encode(frame))
        self._last = (image, ticks)

    def _open(self, image: Image) -> None:
        import av

        self._output = av.open(str(self.path), "w", options=self._muxing)
        stream = cast("VideoStream", self._output.add_stream(self._encoder, rate=_RATE, options=self._options))
        stream.width, stream.height = (max(2, edge // 2 * 2) for edge in image.size)
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS_PER_SECOND)
        stream.codec_context.thread_count = 2
        self._stream = stream
