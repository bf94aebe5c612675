"""What a file holds, found out from its bytes and never from its name; and the limits beyond which it is not read.

Pillow reads pictures, PyAV (FFmpeg's libraries) sound and video. Both are given lists of formats that they may use:
some of the others run programs (EPS) or open further files and addresses that the file names (playlists).
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from engines.errors import MediaError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL.Image import Image

MediaKind = Literal["image", "audio", "video", "text"]

PICTURE_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")

#: FFmpeg's name of a container -> MIME type of (sound alone, video). Containers that are not here are refused.
_CONTAINERS: Final = {
    "wav": ("audio/wav", "audio/wav"),
    "w64": ("audio/x-w64", "audio/x-w64"),
    "mp3": ("audio/mpeg", "audio/mpeg"),
    "flac": ("audio/flac", "audio/flac"),
    "ogg": ("audio/ogg", "video/ogg"),
    "mov,mp4,m4a,3gp,3g2,mj2": ("audio/mp4", "video/mp4"),
    "matroska,webm": ("audio/x-matroska", "video/x-matroska"),
    "avi": ("video/x-msvideo", "video/x-msvideo"),
    "aac": ("audio/aac", "audio/aac"),
    "aiff": ("audio/aiff", "audio/aiff"),
    "asf": ("audio/x-ms-wma", "video/x-ms-wmv"),
    "flv": ("video/x-flv", "video/x-flv"),
    "mpeg": ("video/mpeg", "video/mpeg"),
    "mpegts": ("video/mp2t", "video/mp2t"),
    "amr": ("audio/amr", "audio/amr"),
    "caf": ("audio/x-caf", "audio/x-caf"),
    "au": ("audio/basic", "audio/basic"),
}

#: The same container, told apart by what stands in its first bytes.
_BY_HEADER: Final = {
    b"webm": ("audio/webm", "video/webm"),
    b"ftypqt": ("audio/mp4", "video/quicktime"),
    b"ftyp3g": ("audio/3gpp", "video/3gpp"),
}

_A_PICTURE_STARTS: Final = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_FORMATS_HINT: Final = "Give a JPEG, PNG, WebP, GIF, WAV, MP3, FLAC, Ogg, MP4 or WebM file, or UTF-8 text."
_NOUNS: Final = {"image": "a picture", "audio": "sound", "video": "a video", "text": "text"}

#: Orientation tag of EXIF; from 5 on, the picture lies on its side.
_EXIF_ORIENTATION: Final = 0x0112


@dataclass(frozen=True, slots=True)
class Limits:
    """What is still read. ``max_pixels`` holds for a picture and for one frame of a video."""

    max_pixels: int = 50_000_000
    max_audio_seconds: float = 7_200
    max_bytes: int = 200_000_000


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """``width`` and ``height`` in px as the picture is shown; ``seconds`` of sound or video."""

    kind: MediaKind
    mime: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


DEFAULT_LIMITS: Final = Limits()

#: What a file's name says it holds. Only text is held against it: whoever names text so has sent the wrong file.
_PROMISES: Final[dict[str, MediaKind]] = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic"), "image"),
    **dict.fromkeys((".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac"), "audio"),
    **dict.fromkeys((".mp4", ".mov", ".mkv", ".webm", ".avi"), "video"),
}


def probe(path: Path, *, limits: Limits = DEFAULT_LIMITS, name: str | None = None) -> MediaInfo:
    """Say what the file holds, and that it can be read. ``name`` stands in messages instead of the file's own.

    A picture is decoded once, at the smallest size its format offers; of sound, the first frame is.
    Raises MediaError for a file that is empty, damaged, of a format nobody reads, or beyond ``limits``.
    """
    name = name or path.name
    head = _read_head(path, limits, name)
    if is_picture(path, name):
        with open_picture(path, limits=limits, name=name) as image:
            mime = _picture_mime(image)
            width, height = image.size
            if exif_orientation(image) >= 5:
                width, height = height, width
            image.draft("RGB", (1, 1))  # a JPEG is then decoded at an eighth of its size
            decode_picture(image, name)
        return MediaInfo("image", mime, width, height)
    if head.startswith(_A_PICTURE_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        raise MediaError(f"{name} is a picture whose beginning is damaged or cut off.", fix="Save or send it again.")
    if is_text(path):
        if promised := _PROMISES.get(Path(name).suffix.lower()):
            raise MediaError(
                f"{name} holds text, not {_NOUNS[promised]}.", fix=f"Give {_NOUNS[promised]}, or rename it."
            )
        return MediaInfo("text", "text/plain")
    return _probe_container(path, head, limits, name)


def wrong_kind(path: Path, wanted: MediaKind, limits: Limits, name: str) -> MediaError:
    """The error for a file that is not of the ``wanted`` kind: it says what it is instead, or what ails it."""
    try:
        found = probe(path, limits=limits, name=name).kind
    except MediaError as error:
        return error
    if found == wanted or (found == "video" and wanted == "audio"):
        return MediaError(f"{name} can't be read as {_NOUNS[wanted]}.", fix="Save it again in another format.")
    return MediaError(f"{name} holds {_NOUNS[found]}, not {_NOUNS[wanted]}.", fix=f"Give {_NOUNS[wanted]} instead.")


def _read_head(path: Path, limits: Limits, name: str) -> bytes:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise MediaError(f"{name} can't be opened: {error.strerror}.", fix="Check that the file is there.") from error
    if size == 0:
        raise MediaError(f"{name} has no bytes.", fix="Give the file again; its upload or recording failed.")
    if size > limits.max_bytes:
        raise MediaError(
            f"{name} has {size / 1e6:.0f} MB; the limit is {limits.max_bytes / 1e6:.0f} MB.",
            fix="Give a smaller file, or a part of it.",
        )
    return head


def is_text(path: Path) -> bool:
    """Whether all of it is UTF-8 without NUL."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while chunk := file.read(1 << 16):
                if b"\0" in chunk:
                    return False
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


# -------------------------------------------------------------------------------------------------- pictures


def is_picture(path: Path, name: str) -> bool:
    """Whether Pillow knows its header, however large or damaged the rest may be."""
    from PIL import UnidentifiedImageError

    try:
        with _picture_errors(name):
            _open(path).close()
    except UnidentifiedImageError:
        return False
    return True


def open_picture(path: Path, *, limits: Limits, name: str) -> Image:
    """Open a picture without decoding it. Raises MediaError when its header promises more pixels than ``limits``."""
    with _picture_errors(name):
        image = _open(path)
    width, height = image.size
    if width * height > limits.max_pixels:
        image.close()
        raise _too_many_pixels(name, f"{width} x {height} px", limits)
    return image


def _open(path: Path) -> Image:
    from PIL import Image

    return Image.open(path, formats=PICTURE_FORMATS)


def _picture_mime(image: Image) -> str:
    from PIL import Image

    return Image.MIME.get(image.format or "", "image/*")


def decode_picture(image: Image, name: str) -> None:
    """Decode it (the first frame, if it moves). Raises MediaError when it is cut off or damaged."""
    with _picture_errors(name):
        image.load()


def exif_orientation(image: Image) -> int:
    """1 to 8 as EXIF numbers them; 1 (upright) when it isn't said or can't be read."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # a camera's broken EXIF raises nearly anything, and spoils no picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


@contextmanager
def _picture_errors(name: str) -> Iterator[None]:
    """Turn what Pillow raises for a broken picture into MediaError; UnidentifiedImageError passes."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(name, "far more pixels than fit in memory", None) from error
    except MemoryError as error:
        raise MediaError(f"{name} does not fit in memory.", fix="Give a smaller picture.") from error
    # Pillow's decoders raise nearly anything on crafted bytes; a broken upload must not look like a bug of ours.
    except (OSError, ValueError, SyntaxError, EOFError, LookupError, ArithmeticError, TypeError) as error:
        what = "is cut off" if "truncated" in str(error).lower() else "is damaged and can't be decoded"
        raise MediaError(f"{name} {what}.", fix="Save or send the picture again.") from error


def _too_many_pixels(name: str, size: str, limits: Limits | None) -> MediaError:
    limit = f"; the limit is {limits.max_pixels / 1e6:g} million" if limits else ""
    return MediaError(f"{name} has {size}{limit}.", fix="Give a smaller picture.")


# ------------------------------------------------------------------------------------------- sound and video


@contextmanager
def open_container(path: Path, *, name: str) -> Iterator[InputContainer]:
    """Open sound or video with PyAV. Raises MediaError, also for what FFmpeg finds wrong inside the ``with``."""
    import av

    options = {"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as error:
        raise MediaError(
            f"{name} is damaged, cut off or of a format that isn't known ({error.strerror or 'no reason given'}).",
            fix=_FORMATS_HINT,
        ) from error
    except MemoryError as error:
        raise MediaError(f"{name} does not fit in memory.", fix="Give a shorter recording.") from error


def too_long(name: str, seconds: float, limits: Limits) -> MediaError:
    return MediaError(
        f"{name} is {_duration(seconds)} long; the limit is {_duration(limits.max_audio_seconds)}.",
        fix="Give a shorter recording, or a part of it.",
    )


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if n]
    return " ".join(parts) or f"{seconds:g} s"


def _probe_container(path: Path, head: bytes, limits: Limits, name: str) -> MediaInfo:
    with open_container(path, name=name) as container:
        video = moving_pictures(container, limits, name)
        sound = next(iter(container.streams.audio), None)
        if video is None and sound is None:
            raise MediaError(f"{name} holds neither sound nor pictures.", fix=_FORMATS_HINT)
        mimes = next((m for mark, m in _BY_HEADER.items() if mark in head), _CONTAINERS[container.format.name])
        seconds = container_seconds(container)
        if seconds > limits.max_audio_seconds:
            raise too_long(name, seconds, limits)
    with open_container(path, name=name) as container:  # anew: to find out how long it is may have read all of it
        if video is not None:
            return MediaInfo("video", mimes[1], *_first_frame_size(container, limits, name), seconds)
        if next(container.decode(audio=0), None) is None:
            raise MediaError(f"{name} has a header but no sound in it.", fix="Record or send it again.")
    return MediaInfo("audio", mimes[0], seconds=seconds)


def moving_pictures(container: InputContainer, limits: Limits, name: str) -> VideoStream | None:
    """The video of a container, set up to decode no frame beyond ``limits``; a song's cover is none.

    Raises MediaError when its header says that its frames are larger.
    """
    import av

    cover = av.stream.Disposition.attached_pic
    stream = next((stream for stream in container.streams.video if not stream.disposition & cover), None)
    if stream is not None:
        if stream.width * stream.height > limits.max_pixels:
            raise _too_many_pixels(name, f"frames of {stream.width} x {stream.height} px", limits)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 2  # each holds frames of its own
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
    return stream


def _first_frame_size(container: InputContainer, limits: Limits, name: str) -> tuple[int, int]:
    import av

    video = moving_pictures(container, limits, name)
    if video is not None:
        for packet in container.demux(video):
            try:
                for frame in packet.decode():
                    return shown_size(frame, video)
            except av.InvalidDataError:
                continue
    raise MediaError(f"{name} has a header but no frame in it.", fix="Record or send it again.")


def shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height in px as players show it: turned as the camera was held, pixels that are not square spread."""
    shape = stream.sample_aspect_ratio or 1
    width = max(1, round(frame.width * min(4.0, max(0.25, float(shape)))))
    return (frame.height, width) if frame.rotation % 180 else (width, frame.height)


def container_seconds(container: InputContainer) -> float:
    """Length by the header. Without one there (browsers record so), by the last packet: the container is then read."""
    import av

    if container.duration:
        return float(container.duration / av.time_base)
    end = 0.0
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end
