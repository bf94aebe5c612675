"""Actions told by their likeness to a few examples: dynamic time warping (Sakoe and Chiba 1978) over a body's shape.

An example is compared with stretches of a clip that are about as long, as it is and as a mirror shows it. What is not
near enough to any example is left unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engines.progress import NEVER, CancelToken
from engines.protocols import ActionExample, ActionSpan
from engines.video.action_rules import runs
from engines.video.pose_features import RATE, BodyPath, mirrored, shape_features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LENGTH: Final = 24
"""Frames to which examples and stretches are brought before they are compared."""

_PACES: Final = (0.75, 1.0, 1.33)
_HOP: Final = 2
"""Frames of the grid from one stretch to the next."""

_BAND: Final = 6
"""How many frames the warped times may part: a movement is not its own opposite done slowly."""

NEAR: Final = 0.042
"""Mean distance below which a stretch counts as the example's action, measured with `benchmarks/actions.py`."""

_LEAST_PRESENT: Final = 0.8


def spans_by_examples(
    path: BodyPath, examples: Sequence[ActionExample], *, cancel: CancelToken = NEVER
) -> tuple[ActionSpan, ...]:
    """Where the body does what an example shows; of several, the nearest. ``score``: 1 the same, 0 only just near."""
    import numpy as np

    if not len(path) or not examples:
        return ()
    shapes = shape_features(path)
    labels = sorted({example.label for example in examples})
    scores = np.zeros((len(labels), len(path)))
    for example in examples:
        cancel.check()
        row = labels.index(example.label)
        for begin, end, distance in _compared(shapes, path.present, example):
            score = 1 - distance / NEAR
            if score > 0:
                scores[row, begin:end] = np.maximum(scores[row, begin:end], score)
    best = scores.argmax(axis=0)
    spans = []
    for row, label in enumerate(labels):
        for begin, end in runs((best == row) & (scores[row] > 0)):
            if (end - begin) / RATE >= 0.3:
                times = path.times
                score = float(scores[row, begin:end].mean())
                spans.append(ActionSpan(label, score, float(times[begin]), float(times[end - 1] + 1 / RATE)))
    return tuple(sorted(spans, key=lambda span: span.start))


def distances(stretches: NDArray[np.float32], example: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean distance along the cheapest warping, shape (w,); stretches (w, `_LENGTH`, f) and example (`_LENGTH`, f).

    Features that the example or the stretch does not show are left out of the comparison.
    """
    import numpy as np

    gaps = np.abs(stretches[:, :, None, :] - example[None, None, :, :])
    shown = ~np.isnan(gaps)
    cost = np.where(shown, gaps, 0).sum(-1) / np.maximum(shown.sum(-1), 1)
    cost = np.where(shown.mean(-1) >= 0.5, cost, 1.0)  # too little in common to say
    best = np.full(cost.shape, np.inf)
    for i in range(_LENGTH):
        for j in range(max(0, i - _BAND), min(_LENGTH, i + _BAND + 1)):
            before = [
                best[:, i - 1, j] if i else None,
                best[:, i, j - 1] if j else None,
                # a step along both costs as much as one along each, or the diagonal would always win
                best[:, i - 1, j - 1] + cost[:, i, j] if i and j else None,
            ]
            known = [value for value in before if value is not None]
            best[:, i, j] = cost[:, i, j] + (np.minimum.reduce(known) if known else cost[:, i, j])
    found: NDArray[np.float64] = best[:, -1, -1] / (2 * _LENGTH)
    return found


def _compared(
    shapes: NDArray[np.float32], present: NDArray[np.bool_], example: ActionExample
) -> list[tuple[int, int, float]]:
    """Begin, end and distance of each stretch of the clip that is about as long as the example."""
    import numpy as np

    wanted = _resized(example.features)
    compared = []
    for pace in _PACES:
        length = min(max(4, round(example.seconds * pace * RATE)), len(shapes))
        begins = [
            begin
            for begin in range(0, len(shapes) - length + 1, _HOP)
            if present[begin : begin + length].mean() >= _LEAST_PRESENT
        ]
        if not begins:
            continue
        stretches = np.stack([_resized(shapes[begin : begin + length]) for begin in begins])
        near = np.minimum(distances(stretches, wanted), distances(stretches, mirrored(wanted)))
        compared += [(begin, begin + length, float(distance)) for begin, distance in zip(begins, near, strict=True)]
    return compared


def _resized(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """To `_LENGTH` frames; what is not seen for a moment is filled in, what is never seen stays NaN."""
    import numpy as np

    at = np.linspace(0, len(features) - 1, _LENGTH)
    ticks = np.arange(len(features))
    columns = []
    for column in features.T:
        known = ~np.isnan(column)
        enough = known.mean() >= 0.5
        columns.append(np.interp(at, ticks[known], column[known]) if enough else np.full(_LENGTH, np.nan))
    return np.stack(columns, axis=1).astype(np.float32)
