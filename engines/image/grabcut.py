"""Outline a thing from a box or a click with OpenCV's GrabCut (Rother, Kolmogorov and Blake 2004).

GrabCut learns the colours of the thing and of what is around it from a first guess, and cuts where they meet. The guess
is what the picture is of around there, if a saliency engine is at hand; otherwise an oval, or colours like the clicked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from engines.image.matte import enlarge, iou, shrink, smooth, tidy
from engines.image.pointing import fit_prompts, scale_prompts
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Box, Mask, Point, SaliencyDetection

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    _Guess = NDArray[np.float32]

_MARGIN: Final = 0.12
"""How much around a box is looked at, as a share of its sides: there the colours of the background are learnt."""
_SURE: Final = 0.6
"""What stands out this much in a box is not left to the colours: they would take a white chest for the wall."""
_TINY: Final = 4
"""Pictures with a side below this have no outline to find."""


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    longest_px: int = Field(default=512, ge=64, le=4096)
    """The picture is shrunk to this: the time grows with the number of pixels."""
    rounds: int = Field(default=3, ge=1, le=20)


class GrabCut:
    """`engines.protocols.ObjectSegmentation`. Several threads may call it at once."""

    capability: ClassVar[str] = "segmentation"

    def __init__(self, context: LoadContext) -> None:
        self._options = Options.model_validate(dict(context.entry.options))
        self._saliency: SaliencyDetection | None = context.parts.get("saliency")

    def close(self) -> None:
        """It holds nothing; the saliency engine is its owner's."""

    def segment(
        self,
        image: Image,
        *,
        points: Sequence[Point] = (),
        boxes: Sequence[Box] = (),
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Mask, ...]:
        """As `ObjectSegmentation.segment`. ``score`` is how well the mask agrees with the first guess."""
        points, boxes = fit_prompts(image.size, points, boxes)
        small = shrink(image, self._options.longest_px)
        across, down = small.width / image.width, small.height / image.height
        points, boxes = scale_prompts(points, boxes, across, down)
        masks = []
        for number, box in enumerate(boxes or (None,)):
            cancel.check()
            on_progress(number / max(1, len(boxes)), "outlining")
            mask, score = self._outline(small, box, points, cancel)
            masks.append(Mask(enlarge(mask, image.size), score, box.label if box else ""))
        on_progress(1.0, "outlined")
        return tuple(masks)

    def _outline(
        self, image: Image, box: Box | None, points: Sequence[Point], cancel: CancelToken
    ) -> tuple[NDArray[np.bool_], float]:
        import numpy as np

        mask = np.zeros((image.height, image.width), bool)
        if min(image.size) < _TINY:
            mask[:] = True
            return mask, 0.0
        if box is not None:
            view = _around(box, image.size, _MARGIN)
            guesses = [self._guess_in_box(image, box, view, cancel)]
        else:
            view = (0, 0, *image.size)
            guesses = self._guesses_at_points(image, points, cancel)
        part = image.crop(view)
        fixed = _fixed(part.size, view, box, points)
        cuts = []
        for guess in guesses:
            cut = _grab_cut(part, guess, fixed, self._options.rounds, cancel)
            cuts.append(tidy(smooth(cut), seeds=fixed == 1 if points else None) & (fixed >= 0))
        contrasts = [_contrast(part, cut) for cut in cuts] if len(cuts) > 1 else [0.0]
        best = int(np.argmax(contrasts))
        mask[view[1] : view[3], view[0] : view[2]] = cuts[best]
        return mask, iou(cuts[best], guesses[best] > 0.5)

    def _guess_in_box(self, image: Image, box: Box, view: tuple[int, int, int, int], cancel: CancelToken) -> _Guess:
        import numpy as np

        part = image.crop(view)
        oval = _oval(part.size, view, box)
        if self._saliency is None:
            return oval
        salient = self._saliency.find_salient(part, cancel=cancel)
        inside = np.zeros_like(salient)
        left, top, right, bottom = _edges_in(view, box)
        inside[top:bottom, left:right] = salient[top:bottom, left:right]
        if (inside > 0.5).sum() <= 0.1 * (right - left) * (bottom - top):
            return np.maximum(inside, oval)  # little stands out: the box is believed rather than the network
        return np.where(inside > _SURE, 1, inside).astype(np.float32)

    def _guesses_at_points(self, image: Image, points: Sequence[Point], cancel: CancelToken) -> list[_Guess]:
        """What is like the clicked place in colour; and, if the picture or a part around the place is about it, what
        stands out there. A click may mean a thing or a part of it: the one with the clearer outline is taken.
        """
        import numpy as np

        inside = [point for point in points if point.inside]
        guesses = [_alike(image, inside)]
        seeds = np.zeros((image.height, image.width), bool)
        for point in inside:
            seeds[int(point.y), int(point.x)] = True
        x, y = (sum(getattr(point, axis) for point in inside) / len(inside) for axis in ("x", "y"))
        if self._saliency is None:
            return guesses
        for share in (1.0, 0.6, 0.35):
            half = (image.width * share / 2, image.height * share / 2)
            window = Box("", 1, x - half[0], y - half[1], x + half[0], y + half[1])
            view = (0, 0, *image.size) if share == 1 else _around(window, image.size, 0)
            guess = np.zeros(seeds.shape, np.float32)
            guess[view[1] : view[3], view[0] : view[2]] = self._saliency.find_salient(image.crop(view), cancel=cancel)
            if guess[seeds].min() > 0.5:
                return [np.where(tidy(guess > 0.2, seeds=seeds), guess, 0).astype(np.float32), *guesses]
        return guesses


def _contrast(image: Image, mask: NDArray[np.bool_]) -> float:
    """How much colour (CIELAB) changes from pixel to pixel along the outline, apart from the picture's own rim."""
    import cv2
    import numpy as np

    lab = cv2.GaussianBlur(cv2.cvtColor(np.asarray(image, np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), (0, 0), 1)
    steps = sum(np.abs(np.diff(lab, axis=axis, append=np.take(lab, [-1], axis))).sum(2) for axis in (0, 1))
    kernel = np.ones((3, 3), np.uint8)
    outline = cv2.dilate(mask.astype(np.uint8), kernel) != cv2.erode(mask.astype(np.uint8), kernel)
    outline[[0, 1, -2, -1]] = False
    outline[:, [0, 1, -2, -1]] = False
    return float(np.asarray(steps)[outline].mean()) if outline.any() else 0.0


def _around(box: Box, size: tuple[int, int], margin: float) -> tuple[int, int, int, int]:
    """The box with its margin, cut to the picture, in whole px: left, top, right, bottom."""
    across, down = (box.right - box.left) * margin + 2, (box.bottom - box.top) * margin + 2
    return (
        max(0, int(box.left - across)),
        max(0, int(box.top - down)),
        min(size[0], int(box.right + across) + 1),
        min(size[1], int(box.bottom + down) + 1),
    )


def _edges_in(view: tuple[int, int, int, int], box: Box) -> tuple[int, int, int, int]:
    """The box in px of the view; at least one pixel."""
    left, top = int(box.left) - view[0], int(box.top) - view[1]
    return left, top, max(left + 1, round(box.right) - view[0]), max(top + 1, round(box.bottom) - view[1])


def _oval(size: tuple[int, int], view: tuple[int, int, int, int], box: Box) -> _Guess:
    """1 in the middle of the box, falling to 0.5 on the oval that touches its edges, and on to 0 outside."""
    import numpy as np

    left, top, right, bottom = _edges_in(view, box)
    x = (np.arange(size[0]) + 0.5 - (left + right) / 2) / ((right - left) / 2)
    y = (np.arange(size[1]) + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
    outside = (np.abs(x)[None] > 1) | (np.abs(y)[:, None] > 1)
    return np.where(outside, 0, (1 - 0.5 * (x[None] ** 2 + y[:, None] ** 2)).clip(0, 1)).astype(np.float32)


def _alike(image: Image, points: Sequence[Point]) -> _Guess:
    """How like the clicked places each pixel is in colour (CIELAB), less so the farther away it is."""
    import cv2
    import numpy as np

    lab = cv2.cvtColor(np.asarray(image, np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    lab = cv2.GaussianBlur(np.asarray(lab), (0, 0), 1.5)
    rows, columns = np.mgrid[: image.height, : image.width]
    reach = 0.35 * max(image.size)
    best = np.zeros((image.height, image.width), np.float32)
    for point in points:
        apart = ((lab - lab[int(point.y), int(point.x)]) ** 2).sum(2)
        away = (rows - point.y) ** 2 + (columns - point.x) ** 2
        best = np.maximum(best, np.exp(-apart / (2 * 14**2) - away / (2 * reach**2)))
    return best.astype(np.float32)


def _fixed(
    size: tuple[int, int], view: tuple[int, int, int, int], box: Box | None, points: Sequence[Point]
) -> NDArray[np.int8]:
    """What the prompts leave no doubt about: 1 on points inside, -1 on points beside and outside the box, else 0."""
    import cv2
    import numpy as np

    fixed = np.zeros((size[1], size[0]), np.int8)
    if box is not None:
        left, top, right, bottom = _edges_in(view, box)
        fixed[:] = -1
        fixed[top:bottom, left:right] = 0
    spot = max(1, round(max(size) / 100))
    for point in sorted(points, key=lambda point: point.inside, reverse=True):
        centre = (int(point.x) - view[0], int(point.y) - view[1])
        layer = np.zeros(fixed.shape, np.uint8)
        cv2.circle(layer, centre, spot, 1, -1)
        fixed[layer > 0] = 1 if point.inside else -1
    return fixed


def _grab_cut(
    image: Image, guess: _Guess, fixed: NDArray[np.int8], rounds: int, cancel: CancelToken
) -> NDArray[np.bool_]:
    import cv2
    import numpy as np

    labels = np.where(guess > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[guess > 0.95] = cv2.GC_FGD
    labels[fixed < 0] = cv2.GC_BGD
    labels[fixed > 0] = cv2.GC_FGD
    shown = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if not 0 < shown.sum() < shown.size:  # only one side has colours to learn
        return np.asarray(shown)
    pixels = np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
    inner, outer = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # of this thread: the colour clusters start from drawn points
    for number in range(rounds):
        cancel.check()
        mode = cv2.GC_INIT_WITH_MASK if number == 0 else cv2.GC_EVAL
        cv2.grabCut(pixels, labels, (0, 0, 1, 1), outer, inner, 1, mode)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
