"""A painter that shows a preview and then waits to be let on, for tests of what can be seen while it works."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import GeneratedImage

ENTRY = """
[[model]]
id = "waiting-painter"
title = "A painter that waits"
capability = "image-generation"
engine = "waiting_painter:WaitingPainter"
licence = "Apache-2.0"
default = true
options = {{ let_on = '{let_on}', svg = '{svg}' }}
"""


class WaitingPainter:
    """Works until the file ``options.let_on`` is there. ``options.svg`` is what it says it drew."""

    capability: ClassVar[str] = "image-generation"

    def __init__(self, context: LoadContext) -> None:
        self._let_on = Path(context.entry.options["let_on"])
        self._svg = str(context.entry.options["svg"]) or None

    def close(self) -> None:
        """Nothing to free."""

    def generate(
        self,
        prompt: str,
        *,
        seed: int,
        on_progress: OnProgress = ignore_progress,
        on_preview: Any = None,
        cancel: CancelToken = NEVER,
        **_: Any,
    ) -> GeneratedImage:
        on_progress(0.0, "beginning")
        on_preview(Image.new("RGB", (640, 320), "red"))
        on_progress(0.5, "half")
        while not self._let_on.exists():
            cancel.check()
            time.sleep(0.02)
        return GeneratedImage(
            Image.new("RGB", (64, 32), "blue"), seed, kind="vector-scene", svg=self._svg, unmatched=("zebra",)
        )


def add_waiting_painter(home: Path, *, svg: str = "") -> Path:
    """Make it the default painter of everything that runs with ``SENSORIUM_HOME=home``; returns the file that lets it
    on.
    """
    catalog, let_on = home / "catalog.toml", home / "let-on"
    catalog.write_text(catalog.read_text("utf-8") + ENTRY.format(let_on=let_on, svg=svg), "utf-8")
    return let_on
