"""A second model that enlarges pictures: by repeating their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from engines.loading import LoadContext

ENTRY = """
[[model]]
id = "plain-upscaler"
title = "Repeats pixels"
capability = "image-upscaling"
engine = "plain_upscaler:PlainUpscaler"
licence = "Apache-2.0"
"""


class PlainUpscaler:
    capability: ClassVar[str] = "image-upscaling"
    scale = 4

    def __init__(self, context: LoadContext) -> None:
        del context

    def close(self) -> None:
        """Nothing to free."""

    def upscale(self, image: Image.Image, **how: Any) -> Image.Image:
        del how
        return image.resize((image.width * 4, image.height * 4), Image.Resampling.NEAREST)


def add_plain_upscaler(home: Path) -> None:
    """Put it into the catalog of everything that runs with ``SENSORIUM_HOME=home``; the default stays another."""
    (home / "catalog.toml").write_text(ENTRY, "utf-8")
