"""Small versions of pictures, and a frame of videos. They are derived: deleting the folder costs nothing but time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from engines.errors import InputError
from engines.media import Limits, open_picture
from engines.video.read import Video
from memory.artifact_types import ArtifactRef

if TYPE_CHECKING:
    from PIL.Image import Image

STEPS_PX = (64, 128, 256, 512, 1024, 2048)
"""Sizes that are made; what is asked for is rounded up, so that few are kept."""

PICTURES = frozenset({"image", "mask", "depth"})


def make(source: Path, artifact: ArtifactRef, folder: Path, *, longer_edge: int, max_pixels: int) -> Path:
    """The file of a JPEG, or of a PNG where the picture has transparency. Blocking; made once.

    Raises InputError for what can't be seen, MediaError for what can't be read.
    """
    if artifact.kind not in {*PICTURES, "video"}:
        raise InputError(f"{artifact.name} is {artifact.kind}; only pictures and videos have thumbnails.")
    edge = next(step for step in STEPS_PX if step >= longer_edge)
    for suffix in (".jpg", ".png"):
        kept = folder / f"{artifact.sha256}-{edge}{suffix}"
        if kept.is_file():
            return kept
    return _make(source, artifact, folder, edge, max_pixels)


def _make(source: Path, artifact: ArtifactRef, folder: Path, edge: int, max_pixels: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    limits = Limits(max_pixels=max_pixels)
    small = (
        _frame(source, artifact, edge, limits) if artifact.kind == "video" else _shrunk(source, artifact, edge, limits)
    )
    transparent = small.mode == "RGBA"
    suffix, options = (".png", {"format": "PNG"}) if transparent else (".jpg", {"format": "JPEG", "quality": 85})
    unfinished = folder / f".{uuid4().hex}{suffix}"
    small.save(unfinished, **options)
    finished = folder / f"{artifact.sha256}-{edge}{suffix}"
    unfinished.replace(finished)  # whole or not at all: another request may look for it
    return finished


def _frame(source: Path, artifact: ArtifactRef, edge: int, limits: Limits) -> Image:
    """From a tenth of the way in: many videos begin in black."""
    video = Video(source, limits=limits, name=artifact.name)
    return video.at(min(video.info.seconds / 10, 5.0), longest_edge=edge).image


def _shrunk(source: Path, artifact: ArtifactRef, edge: int, limits: Limits) -> Image:
    from PIL import ImageOps

    with open_picture(source, limits=limits, name=artifact.name) as image:
        image.draft("RGB", (edge, edge))  # a JPEG is then decoded at a fraction of its size
        small = ImageOps.exif_transpose(image)
        small = small.convert("RGBA" if small.has_transparency_data else "RGB")
        small.thumbnail((edge, edge))
        return small
