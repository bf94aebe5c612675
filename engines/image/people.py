"""One mask for each person: the boxes of a detector say where, a person segmentation says which pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engines.image.matte import tidy
from engines.progress import CancelToken
from engines.protocols import Box, Mask, PersonSegmentation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_MARGIN: Final = 0.2
"""How much around a box the network is shown, as a share of its sides: boxes cut off hands and hair."""
_SPILL: Final = 0.08
"""How far beyond the box a person may reach."""
_LEAST: Final = 0.2
"""Below this share of its box, a mask is no person: the network was made for people near the camera."""


def people_in_boxes(
    image: Image, boxes: Sequence[Box], engine: PersonSegmentation, cancel: CancelToken
) -> list[Mask | None]:
    """For each box the mask of its person, or None where the network sees none.

    The network is shown each box by itself, as large as it can be. Pixels in several boxes go to the person whose box
    has its middle nearest, measured in sizes of the box.
    """
    import numpy as np

    shape = (image.height, image.width)
    nearest = np.full(shape, np.inf, np.float32)
    owner = np.full(shape, -1, np.int16)
    views, sights = [], []
    for number, box in enumerate(boxes):
        cancel.check()
        view = _view(box, image.size)
        sights.append(engine.segment_people(image.crop(view), cancel=cancel))
        views.append(view)
        there = np.s_[view[1] : view[3], view[0] : view[2]]
        distance = _distance(box, view)
        closer = (distance < nearest[there]) & (sights[-1] > 0.5)
        nearest[there][closer] = distance[closer]
        owner[there][closer] = number
    return [
        _mask(owner, number, box, view, sight)
        for number, (box, view, sight) in enumerate(zip(boxes, views, sights, strict=True))
    ]


def _mask(
    owner: NDArray[np.int16], number: int, box: Box, view: tuple[int, int, int, int], sight: NDArray[np.float32]
) -> Mask | None:
    import numpy as np

    there = np.s_[view[1] : view[3], view[0] : view[2]]
    mine = tidy(owner[there] == number)
    if mine.sum() < _LEAST * (box.right - box.left) * (box.bottom - box.top):
        return None
    pixels = np.zeros(owner.shape, bool)
    pixels[there] = mine
    return Mask(pixels, float(sight[mine].mean()), box.label)


def _view(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    across, down = (box.right - box.left) * _MARGIN, (box.bottom - box.top) * _MARGIN
    return (
        max(0, int(box.left - across)),
        max(0, int(box.top - down)),
        min(size[0], int(box.right + across) + 1),
        min(size[1], int(box.bottom + down) + 1),
    )


def _distance(box: Box, view: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """From the middle of the box, 1 at its edges; infinite farther outside than a person may reach."""
    import numpy as np

    x = np.abs(np.arange(view[0], view[2]) + 0.5 - (box.left + box.right) / 2) / ((box.right - box.left) / 2)
    y = np.abs(np.arange(view[1], view[3]) + 0.5 - (box.top + box.bottom) / 2) / ((box.bottom - box.top) / 2)
    distance = np.maximum(x[None], y[:, None])
    return np.where(distance > 1 + 2 * _SPILL, np.inf, distance).astype(np.float32)
