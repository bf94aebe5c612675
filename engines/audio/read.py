"""Sound out of any file that holds some, as mono samples; and samples into a WAV file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engines.errors import MediaError
from engines.media import DEFAULT_LIMITS, Limits, is_picture, is_text, open_container, too_long, wrong_kind
from engines.progress import NEVER, CancelToken
from engines.protocols import Audio

if TYPE_CHECKING:
    import numpy as np
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

#: 16 bits, because FFmpeg then mixes channels so that their sum can't clip; mixed to floats, loud stereo would.
_SAMPLE: Final = "s16"
_BYTES_PER_SAMPLE: Final = 4
"""Of what is kept: float32."""


def read_audio(
    path: Path,
    *,
    rate: int = 16_000,
    limits: Limits = DEFAULT_LIMITS,
    cancel: CancelToken = NEVER,
    name: str | None = None,
) -> Audio:
    """All sound of a recording or video, mixed to mono at ``rate`` Hz: of several tracks, the one that players take.

    Memory grows with what was decoded (230 MB an hour at 16 kHz), not with what the header promises. Packets that are
    damaged are left out.
    Raises MediaError when there is no sound, or more than ``limits.max_audio_seconds`` of it.
    """
    name = name or path.name
    if not path.is_file() or not 0 < path.stat().st_size <= limits.max_bytes:
        raise wrong_kind(path, "audio", limits, name)
    if is_picture(path, name) or is_text(path):  # text: FFmpeg would take some of it for a playlist
        raise wrong_kind(path, "audio", limits, name)
    samples = _decode(path, rate, limits, cancel, name)
    if not len(samples):
        raise MediaError(f"{name} has a sound track, but nothing in it can be decoded.", fix="Save or send it again.")
    return Audio(samples, rate)


def _decode(path: Path, rate: int, limits: Limits, cancel: CancelToken, name: str) -> NDArray[np.float32]:
    import numpy as np

    with open_container(path, name=name) as container:
        stream = _track(container)
        if stream is None:
            raise MediaError(f"{name} has no sound.", fix="Give a recording, or a video with a sound track.")
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
            if seconds > limits.max_audio_seconds:
                raise too_long(name, seconds, limits)
        heard = bytearray()  # it grows in place, where a list of pieces would be held twice when they are joined
        most = int(limits.max_audio_seconds * rate) * _BYTES_PER_SAMPLE
        for chunk in _resampled(_frames(container, stream, cancel), rate):
            heard += _to_float(chunk).tobytes()
            if len(heard) > most:
                raise MediaError(
                    f"{name} holds more than {limits.max_audio_seconds / 3600:g} h of sound, whatever its header says.",
                    fix="Give a shorter recording.",
                )
    return np.frombuffer(heard, dtype=np.float32)


def _track(container: InputContainer) -> AudioStream | None:
    """The first that is marked as the usual one, or else the first."""
    import av

    usual = av.stream.Disposition.default
    tracks = container.streams.audio
    return next((track for track in tracks if track.disposition & usual), next(iter(tracks), None))


def _frames(container: InputContainer, stream: AudioStream, cancel: CancelToken) -> Iterator[AudioFrame]:
    import av

    for packet in container.demux(stream):
        cancel.check()
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue  # as players do: a click is better than no sound


def _resampled(frames: Iterable[AudioFrame], rate: int) -> Iterator[NDArray[np.int16]]:
    """Mono pieces. A stream may change its layout or rate on the way; each stretch gets its own resampler."""
    import av

    resampler: av.AudioResampler | None = None
    shape: tuple[object, ...] = ()
    for frame in frames:
        frame.pts = None  # gaps in time stamps are not padded
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or now != shape:
            yield from _flushed(resampler)
            resampler, shape = av.AudioResampler(format=_SAMPLE, layout="mono", rate=rate), now
        yield from (out.to_ndarray()[0] for out in resampler.resample(frame))
    yield from _flushed(resampler)


def _flushed(resampler: object) -> Iterator[NDArray[np.int16]]:
    import av

    if isinstance(resampler, av.AudioResampler):
        yield from (out.to_ndarray()[0] for out in resampler.resample(None))


def resample(audio: Audio, rate: int) -> Audio:
    """The same sound at ``rate`` Hz."""
    import av
    import numpy as np

    if audio.rate == rate or not len(audio.samples):
        return Audio(audio.samples, rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.samples[None], np.float32), "flt", "mono")
    frame.sample_rate = audio.rate
    return Audio(_to_float(np.concatenate(list(_resampled([frame], rate)))), rate)


def _to_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    import numpy as np

    return samples.astype(np.float32) / np.float32(32_768)


def write_wav(audio: Audio, path: Path) -> None:
    """16-bit PCM."""
    import wave

    import numpy as np

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio.rate)
        file.writeframes((np.clip(audio.samples, -1.0, 1.0) * 32_767).round().astype("<i2").tobytes())
