"""Depth as pictures: 16-bit grey for programs, colours for people. Only numpy and Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_STOPS: Final = ((0, 0, 20), (80, 18, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""From far to near; brightness rises evenly, so it reads in grey and with any colour vision."""
_UNKNOWN: Final = (128, 128, 128)


def depth_map(nearness: NDArray[np.float32]) -> Image:
    """16-bit grey (mode I;16): the nearest place is 65535, the farthest and what is not known 0."""
    import numpy as np
    from PIL import Image as Pictures

    share = _share(nearness, cut=0)
    return Pictures.fromarray((np.nan_to_num(share) * 65_535).round().astype(np.uint16))


def colour_map(nearness: NDArray[np.float32]) -> Image:
    """RGB, yellow near and dark far; the extreme hundredths are shown as their neighbours, what isn't known as grey."""
    import numpy as np
    from PIL import Image as Pictures

    share = _share(nearness, cut=1)
    ticks = np.linspace(0, 1, 256)
    table = np.stack(
        [np.interp(ticks, np.linspace(0, 1, len(_STOPS)), [stop[part] for stop in _STOPS]) for part in range(3)], axis=1
    )
    pixels = table.round().astype(np.uint8)[(np.nan_to_num(share) * 255).round().astype(np.uint8)]
    pixels[~np.isfinite(share)] = _UNKNOWN
    return Pictures.fromarray(pixels)


def millimetres(metres: NDArray[np.float32]) -> Image:
    """16-bit grey (mode I;16) in millimetres, up to 65.5 m; 0 is not known, or farther."""
    import numpy as np
    from PIL import Image as Pictures

    counted = np.nan_to_num(metres * 1000, nan=0, posinf=0, neginf=0).round()
    return Pictures.fromarray(np.where((counted < 0) | (counted > 65_535), 0, counted).astype(np.uint16))


def _share(values: NDArray[np.float32], *, cut: float) -> NDArray[np.float32]:
    """Between the lowest and the highest of the known values in 0..1, without the extreme ``cut`` percent."""
    import numpy as np

    known = values[np.isfinite(values)]
    if not known.size:
        return np.full(values.shape, np.nan, np.float32)
    low, high = np.percentile(known[:: max(1, known.size // 1_000_000)], (cut, 100 - cut)) if cut else _ends(known)
    return ((values - low) / max(float(high - low), 1e-9)).clip(0, 1).astype(np.float32)


def _ends(known: NDArray[np.float32]) -> tuple[float, float]:
    return float(known.min()), float(known.max())
