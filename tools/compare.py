"""How alike two artifacts are: the original and what was made when it was made again."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from engines.audio.read import read_audio
from engines.media import Limits, open_picture
from memory.artifact_types import ArtifactRef

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST_TEXT = 20_000
"""Characters of which it is said how many are alike; of longer texts only whether they are equal."""


class Comparison(BaseModel):
    """``measures`` are numbers by name, each with its unit in the name; ``words`` say the same to people."""

    model_config = ConfigDict(frozen=True)

    identical: bool
    measures: dict[str, float] = {}
    words: str


def compare(original: tuple[ArtifactRef, Path], made: tuple[ArtifactRef, Path], *, limits: Limits) -> Comparison:
    """Blocking. Raises MediaError for a file that can't be read."""
    (old, old_path), (new, new_path) = original, made
    if old.sha256 == new.sha256:
        return Comparison(identical=True, words="The same to the byte.")
    if old.kind != new.kind:
        return Comparison(identical=False, words=f"The original is {old.kind}, this is {new.kind}.")
    if old.kind in {"image", "mask", "depth"}:
        return _pictures(old_path, new_path, old.name, limits)
    if old.kind == "audio":
        return _sounds(old_path, new_path, old.name, limits)
    if old.kind == "video":
        return _videos(old, new)
    return _texts(old_path, new_path)


def _pictures(old_path: Path, new_path: Path, name: str, limits: Limits) -> Comparison:
    old, new = _pixels(old_path, name, limits), _pixels(new_path, name, limits)
    if old.shape != new.shape:
        sizes = [f"{pixels.shape[1]} x {pixels.shape[0]} px, {pixels.shape[2]} channels" for pixels in (old, new)]
        return Comparison(identical=False, words=f"The original has {sizes[0]}, this has {sizes[1]}.")
    difference = old - new
    mean = float(abs(difference).mean())
    if mean == 0:
        return Comparison(
            identical=False,
            measures={"mean_difference_percent": 0.0},
            words="The same pixels, in a file that differs.",
        )
    psnr = round(-10 * math.log10(float((difference**2).mean())), 2)
    return Comparison(
        identical=False,
        measures={"mean_difference_percent": round(mean * 100, 4), "psnr_db": psnr},
        words=f"The pixels differ by {mean:.2%} of the range in the mean; PSNR {psnr:.1f} dB.",
    )


def _pixels(path: Path, name: str, limits: Limits) -> NDArray[np.float32]:
    """(height, width, channels) in 0..1, with transparency where there is any, and all 16 bits of a depth map."""
    import numpy as np

    with open_picture(path, limits=limits, name=name) as image:
        deep = image.mode.startswith("I")
        mode = "RGBA" if image.has_transparency_data else "RGB"
        pixels = np.asarray(image if deep else image.convert(mode), np.float32)
    return pixels.reshape(*pixels.shape[:2], -1) / np.float32(65_535 if deep else 255)


def _sounds(old_path: Path, new_path: Path, name: str, limits: Limits) -> Comparison:
    import numpy as np

    old, new = (read_audio(path, limits=limits, name=name) for path in (old_path, new_path))
    measures = {"original_seconds": round(old.seconds, 3), "seconds": round(new.seconds, 3)}
    if len(old.samples) != len(new.samples):
        return Comparison(
            identical=False,
            measures=measures,
            words=f"The original is {old.seconds:.2f} s long, this is {new.seconds:.2f} s.",
        )
    apart = float(np.sqrt(np.mean((old.samples - new.samples) ** 2)))
    loud = float(np.sqrt(np.mean(old.samples**2)))
    if apart == 0:
        return Comparison(identical=False, measures=measures, words="The same sound, in a file that differs.")
    measures["difference_percent"] = percent = round(100 * apart / loud, 3) if loud else 100.0
    return Comparison(
        identical=False,
        measures=measures,
        words=f"Both are {old.seconds:.2f} s long; the difference is {percent:.1f} % as loud as the original.",
    )


def _videos(old: ArtifactRef, new: ArtifactRef) -> Comparison:
    measures = {"original_seconds": old.seconds or 0.0, "seconds": new.seconds or 0.0}
    facts = [f"{ref.width} x {ref.height} px, {ref.seconds or 0:.2f} s" for ref in (old, new)]
    same = "as the original" if facts[0] == facts[1] else f"the original {facts[0]}"
    return Comparison(
        identical=False, measures=measures, words=f"{facts[1]}, {same}; the frames were not compared, the bytes differ."
    )


def _texts(old_path: Path, new_path: Path) -> Comparison:
    old, new = (path.read_text("utf-8", errors="replace") for path in (old_path, new_path))
    if max(len(old), len(new)) > _LONGEST_TEXT:
        return Comparison(identical=False, words=f"The texts differ: {len(old):,} and {len(new):,} characters.")
    alike = round(difflib.SequenceMatcher(None, old, new, autojunk=False).ratio(), 4)
    return Comparison(identical=False, measures={"alike": alike}, words=f"The texts differ: {alike:.0%} is alike.")
