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

_MARGINS: Final = (0.2, 0.6, 1.5)
"""How much around a box the network is shown, as shares of its sides: more, while the person goes on beyond that."""
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
        view, sight = _look(image, box, engine, cancel)
        sights.append(sight)
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
    at_home = np.zeros(sight.shape, bool)
    at_home[_rows(box, view), _columns(box, view)] = True
    mine = tidy(owner[there] == number, seeds=at_home)
    if mine.sum() < _LEAST * (box.right - box.left) * (box.bottom - box.top):
        return None
    pixels = np.zeros(owner.shape, bool)
    pixels[there] = mine
    return Mask(pixels, float(sight[mine].mean()), box.label)


def _rows(box: Box, view: tuple[int, int, int, int]) -> slice:
    return slice(max(0, int(box.top) - view[1]), max(1, round(box.bottom) - view[1]))


def _columns(box: Box, view: tuple[int, int, int, int]) -> slice:
    return slice(max(0, int(box.left) - view[0]), max(1, round(box.right) - view[0]))


def _look(
    image: Image, box: Box, engine: PersonSegmentation, cancel: CancelToken
) -> tuple[tuple[int, int, int, int], NDArray[np.float32]]:
    """What is shown to the network (left, top, right, bottom in px), and what it sees there."""
    for margin in _MARGINS:
        view = _view(box, image.size, margin)
        sight = engine.segment_people(image.crop(view), cancel=cancel)
        rims = (sight[:, 0], sight[0], sight[:, -1], sight[-1])
        ends = (view[0] == 0, view[1] == 0, view[2] == image.width, view[3] == image.height)
        if all(end or (rim > 0.5).mean() < 0.02 for rim, end in zip(rims, ends, strict=True)):
            break
    return view, sight


def _view(box: Box, size: tuple[int, int], margin: float) -> tuple[int, int, int, int]:
    across, down = (box.right - box.left) * margin, (box.bottom - box.top) * margin
    return (
        max(0, int(box.left - across)),
        max(0, int(box.top - down)),
        min(size[0], int(box.right + across) + 1),
        min(size[1], int(box.bottom + down) + 1),
    )


def _distance(box: Box, view: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """From the middle of the box in sizes of the box: 1 at its edges."""
    import numpy as np

    x = np.abs(np.arange(view[0], view[2]) + 0.5 - (box.left + box.right) / 2) / ((box.right - box.left) / 2)
    y = np.abs(np.arange(view[1], view[3]) + 0.5 - (box.top + box.bottom) / 2) / ((box.bottom - box.top) / 2)
    return np.asarray(np.maximum(x[None], y[:, None]), np.float32)
