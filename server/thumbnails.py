"""Small versions of pictures. They are derived: deleting the folder costs nothing but time."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from engines.errors import InputError
from engines.media import Limits, open_picture
from memory.artifact_types import ArtifactRef

STEPS_PX = (64, 128, 256, 512, 1024, 2048)
"""Sizes that are made; what is asked for is rounded up, so that few are kept."""

PICTURES = frozenset({"image", "mask", "depth"})


def make(source: Path, artifact: ArtifactRef, folder: Path, *, longer_edge: int, max_pixels: int) -> Path:
    """The file of a JPEG, or of a PNG where the picture has transparency. Blocking; made once.

    Raises InputError for what is no picture, MediaError for one that can't be read.
    """
    if artifact.kind not in PICTURES:
        raise InputError(f"{artifact.name} is {artifact.kind}; only pictures have thumbnails.")
    edge = next(step for step in STEPS_PX if step >= longer_edge)
    for suffix in (".jpg", ".png"):
        kept = folder / f"{artifact.sha256}-{edge}{suffix}"
        if kept.is_file():
            return kept
    return _make(source, artifact, folder, edge, max_pixels)


def _make(source: Path, artifact: ArtifactRef, folder: Path, edge: int, max_pixels: int) -> Path:
    from PIL import ImageOps

    folder.mkdir(parents=True, exist_ok=True)
    with open_picture(source, limits=Limits(max_pixels=max_pixels), name=artifact.name) as image:
        image.draft("RGB", (edge, edge))  # a JPEG is then decoded at a fraction of its size
        small = ImageOps.exif_transpose(image)
        transparent = small.has_transparency_data
        small = small.convert("RGBA" if transparent else "RGB")
        small.thumbnail((edge, edge))
    suffix, options = (".png", {"format": "PNG"}) if transparent else (".jpg", {"format": "JPEG", "quality": 85})
    unfinished = folder / f".{uuid4().hex}{suffix}"
    small.save(unfinished, **options)
    finished = folder / f"{artifact.sha256}-{edge}{suffix}"
    unfinished.replace(finished)  # whole or not at all: another request may look for it
    return finished
