"""Engines that make and enlarge pictures out of next to nothing and keep a diary, for tests that count their calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from engines.loading import LoadContext
from engines.protocols import GeneratedImage

ENTRY = """
[[model]]
id = "{id}"
title = "{title}"
capability = "{capability}"
engine = "diary_painter:{engine}"
licence = "Apache-2.0"
default = {default}
options = {{ diary = '{diary}' }}
"""


class Painter:
    """A picture of noise, the same for the same seed. A line of the diary is ``paint PROMPT SEED``."""

    capability: ClassVar[str] = "image-generation"

    def __init__(self, context: LoadContext) -> None:
        self._diary = Path(context.entry.options["diary"])

    def close(self) -> None:
        """Nothing to free."""

    def generate(self, prompt: str, *, seed: int, **how: Any) -> GeneratedImage:
        note(self._diary, f"paint {prompt} {seed}")
        noise = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        return GeneratedImage(Image.fromarray(noise), seed)


class Enlarger:
    """Repeats pixels. A line of the diary is ``enlarge WIDTH FACTOR``."""

    capability: ClassVar[str] = "image-upscaling"
    scale = 4

    def __init__(self, context: LoadContext) -> None:
        self._diary = Path(context.entry.options["diary"])

    def close(self) -> None:
        """Nothing to free."""

    def upscale(self, image: Image.Image, *, factor: float | None, **how: Any) -> Image.Image:
        note(self._diary, f"enlarge {image.width} {factor}")
        times = round(factor or self.scale)
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def note(diary: Path, line: str) -> None:
    with diary.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def add_painters(home: Path, *, painter: str = "painter") -> Path:
    """Make them the defaults of everything that runs with ``SENSORIUM_HOME=home``; returns the diary. ``painter`` is
    the id of the default one of two that paint.
    """
    catalog, diary = home / "catalog.toml", home / "diary.txt"
    ids = {name: ("image-generation", "Painter", name == painter) for name in ("painter", "other-painter")}
    entries = [
        ENTRY.format(id=id_, title=id_, capability=capability, engine=engine, default=str(default).lower(), diary=diary)
        for id_, (capability, engine, default) in {**ids, "enlarger": ("image-upscaling", "Enlarger", True)}.items()
    ]
    catalog.write_text(catalog.read_text("utf-8") + "".join(entries), "utf-8")
    return diary
