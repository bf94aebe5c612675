"""Saying inside a sound file that a machine made it: the INFO list of WAV files (RIFF, Microsoft and IBM, 1991)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

_SYNTHETIC: Final = "synthetic speech"


def mark_spoken(path: Path, model: str) -> None:
    """Say in a WAV file that ``model`` spoke in it."""
    add_info(path, software=f"Sensorium ({_SYNTHETIC})", comment=f"{_SYNTHETIC} by {model}")


def mark_cloned(path: Path, model: str) -> None:
    """Say in a WAV file that ``model`` spoke in it with the voice of a person who agreed to it."""
    add_info(path, software=f"Sensorium ({_SYNTHETIC})", comment=f"{_SYNTHETIC}, voice cloned by {model} with consent")


def add_info(path: Path, *, software: str, comment: str) -> None:
    """Append an INFO list with ISFT and ICMT to a WAV file that has none. Players pass over what they don't know.

    Raises ValueError when the file is no WAV.
    """
    entries = b"".join(_chunk(name, text.encode() + b"\0") for name, text in ((b"ISFT", software), (b"ICMT", comment)))
    with path.open("r+b") as file:
        riff, _, kind = struct.unpack("<4sI4s", file.read(12))
        if (riff, kind) != (b"RIFF", b"WAVE"):
            raise ValueError(f"{path.name} is no WAV file")
        end = file.seek(0, 2)
        if end % 2:  # chunks begin at even places
            end += file.write(b"\0")
        end += file.write(_chunk(b"LIST", b"INFO" + entries))
        file.seek(4)
        file.write(struct.pack("<I", end - 8))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2)
