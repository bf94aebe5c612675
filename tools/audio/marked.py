"""Sounds that a machine made, kept in files that say so."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from engines.audio.read import write_wav
from engines.protocols import Audio
from tools.call import ToolCall


async def save_marked(call: ToolCall, sound: Audio, name: str, mark: Callable[[Path], None]) -> str:
    """Keep a sound as a WAV file that says what it is, and return its id."""

    def write(path: Path) -> None:
        write_wav(sound, path)
        mark(path)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sound.wav")
        await asyncio.to_thread(write, path)
        return await call.save_file(path, name)
