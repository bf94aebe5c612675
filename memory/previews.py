"""Small pictures of work that is under way: files that are gone when it is done, never rows of the database."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from PIL.Image import Image

_EDGE_PX = 320
_STALE_SECONDS = 86_400


class Previews:
    """The latest preview of each call that works, as a JPEG in ``folder``. Every method is blocking and quick."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, call_id: str, image: Image) -> None:
        """Show ``image``, at most 320 px wide and high, in place of the one before."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        scale = _EDGE_PX / max(image.size)
        small = image.convert("RGB").resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        unfinished = self._folder / f".{uuid4().hex}"
        small.save(unfinished, "JPEG", quality=75)
        unfinished.replace(self._file(call_id))  # whole or not at all: somebody may be reading it

    def get(self, call_id: str) -> bytes | None:
        """The JPEG; None when there is none, or none any more."""
        try:
            return self._file(call_id).read_bytes()
        except FileNotFoundError:
            return None

    def drop(self, call_id: str) -> None:
        self._file(call_id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a crash left a day ago or earlier."""
        for path in self._folder.glob("*"):
            with suppress(OSError):  # another process sweeps too
                if path.stat().st_mtime < time.time() - _STALE_SECONDS:
                    path.unlink()

    def _file(self, call_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(call_id.encode()).hexdigest()}.jpg"
