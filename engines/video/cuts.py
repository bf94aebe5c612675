"""Where a video cuts from one scene to the next: what is followed must not be carried across."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_EDGE: Final = 48
_MUCH: Final = 27.0
"""Mean change of hue, saturation and value, each 0..255: the measure and the default of PySceneDetect."""


class SceneCuts:
    """Looks at the frames of one clip, in order. A fade is no cut."""

    def __init__(self) -> None:
        self._before: NDArray[np.int16] | None = None

    def is_cut(self, image: Image) -> bool:
        """Whether this frame begins another scene than the one before."""
        import numpy as np

        small = np.asarray(image.resize((_EDGE, _EDGE)).convert("HSV"), np.int16)
        before, self._before = self._before, small
        if before is None:
            return False
        change = np.abs(small - before)
        change[..., 0] = np.minimum(change[..., 0], 256 - change[..., 0])  # hue goes round
        return float(change.mean()) > _MUCH
