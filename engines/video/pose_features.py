"""What a body does, in numbers: from the landmarks of a clip to features over time, free of size and place.

Postures are measured in the landmarks' own metres, which don't depend on the camera's distance; movements in px,
because the metres are counted from between the hips and so stand still.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engines.protocols import Pose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE: Final = 10.0
"""Features a second. Runners take about three steps in it."""

_LONGEST_GAP_SECONDS: Final = 0.5
"""For so long may a body be lost and be thought to go on as it was."""

_SEEN: Final = 0.5
"""Least visibility of a landmark that counts."""

_LEAST_PX: Final = 60.0
"""From head or shoulders to feet; of smaller bodies MediaPipe's landmarks are guesses."""

# The landmarks of BlazePose, left and right.
_SHOULDERS, _ELBOWS, _WRISTS = (11, 12), (13, 14), (15, 16)
_HIPS, _KNEES, _ANKLES = (23, 24), (25, 26), (27, 28)

_TORSO_METRES: Final = 0.5
_NEVER_BELOW: Final = 0.05
"""Metres: a torso this short is an error of measurement."""


@dataclass(frozen=True)
class BodyPath:
    """One body on an even grid of `RATE` a second, beginning at ``start`` (seconds).

    ``px`` and ``metres`` have the shape (n, 33, 3), ``seen`` (n, 33). Where the body is lost, all are NaN.
    """

    start: float
    px: NDArray[np.float64]
    metres: NDArray[np.float64]
    seen: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.px)

    @property
    def times(self) -> NDArray[np.float64]:
        import numpy as np

        return self.start + np.arange(len(self)) / RATE

    @property
    def present(self) -> NDArray[np.bool_]:
        import numpy as np

        return ~np.isnan(self.seen[:, 0])


def body_path(poses: Sequence[tuple[float, Pose | None]]) -> BodyPath:
    """Interpolate poses with their times (seconds, ascending) to the grid. Bodies too small to judge count as lost."""
    import numpy as np

    found = [(seconds, pose) for seconds, pose in poses if pose is not None and _extent_px(pose) >= _LEAST_PX]
    start = poses[0][0] if poses else 0.0
    count = round((poses[-1][0] - start) * RATE) + 1 if poses else 0
    grid = start + np.arange(count) / RATE
    if not found:
        lost = np.full((count, 33, 3), np.nan)
        return BodyPath(start, lost, lost, np.full((count, 33), np.nan))
    times = np.array([seconds for seconds, _ in found])
    raw = np.array(
        [
            [(p.x, p.y, p.z, w.x, w.y, w.z, p.visibility) for p, w in zip(pose.points, pose.world, strict=True)]
            for _, pose in found
        ]
    ).reshape(len(found), -1)
    even = np.stack([np.interp(grid, times, column) for column in raw.T], axis=1).reshape(count, 33, 7)
    after = np.searchsorted(times, grid).clip(0, len(times) - 1)
    before = (after - 1).clip(0)
    gap = np.where(grid < times[0], times[0] - grid, np.where(grid > times[-1], grid - times[-1], 0.0))
    inside = (grid >= times[0]) & (grid <= times[-1])
    gap = np.where(inside & (np.abs(times[after] - grid) > 1e-6), times[after] - times[before], gap)
    even[gap > _LONGEST_GAP_SECONDS] = np.nan
    even = _smoothed(even)
    return BodyPath(start, even[..., :3], even[..., 3:6], even[..., 6])


def posture_features(path: BodyPath) -> dict[str, NDArray[np.float64]]:
    """Each feature of `engines/data/actions/rules.toml`, shape (n,); NaN where what it needs can't be seen."""
    import numpy as np

    metres = path.metres
    torso_vector = _middle(metres, _SHOULDERS) - _middle(metres, _HIPS)
    torso = np.maximum(np.linalg.norm(torso_vector, axis=-1), _NEVER_BELOW)
    wrists = metres[:, list(_WRISTS), 1]
    up = (_middle(metres, _SHOULDERS)[:, None, 1] - wrists) / torso[:, None]
    up = np.where(path.seen[:, list(_WRISTS)] >= _SEEN, up, np.nan)
    no_hands = np.asarray(np.isnan(up).any(axis=1))
    apart = np.linalg.norm(metres[:, _WRISTS[0]] - metres[:, _WRISTS[1]], axis=-1) / torso
    legs = _seen(path, _ANKLES) & _seen(path, _KNEES)
    return {
        "lean": np.where(_seen(path, _SHOULDERS), _angle(torso_vector, np.array([0.0, -1.0, 0.0])), np.nan),
        "knee_bend": np.where(legs, 180 - _joint(metres, _HIPS, _KNEES, _ANKLES), np.nan),
        "hip_bend": np.where(_seen(path, _KNEES), 180 - _joint(metres, _SHOULDERS, _HIPS, _KNEES), np.nan),
        "leg_reach": np.where(legs, (_middle(metres, _ANKLES) - _middle(metres, _HIPS))[:, 1] / torso, np.nan),
        "higher_hand": np.fmax(up[:, 0], up[:, 1]),
        "lower_hand": np.where(no_hands, np.nan, up.min(axis=1)),
        "hands_meet": np.where(no_hands, np.nan, _windows(apart, 0.9).min(axis=1)),
        **_movements(path, apart, no_hands, legs),
    }


def _movements(
    path: BodyPath, apart: NDArray[np.float64], no_hands: NDArray[np.bool_], legs: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    import numpy as np

    px = path.px / _torso_px(path)[:, None, None]
    hips = _middle(px, _HIPS)
    feet = px[:, list(_ANKLES)]
    lowest = feet[..., 1].max(axis=1)
    swing = feet[:, 0] - feet[:, 1]
    steps, width = _of_the_wider([_swings(swing[:, axis], least=0.2, seconds=1.6) for axis in (0, 1)])
    waves = [
        np.where(
            (px[:, wrist, 1] < px[:, elbow, 1]) & (path.seen[:, wrist] >= _SEEN),
            _swings(px[:, wrist, 0] - px[:, elbow, 0], least=0.15, seconds=1.4)[0],
            np.nan,
        )
        for wrist, elbow in zip(_WRISTS, _ELBOWS, strict=True)
    ]
    return {
        "travel": np.abs(_change(hips[:, 0], 0.5)) * 2,
        "drop": _change(hips[:, 1], 0.8),
        "lift": np.where(legs, _highest(lowest, 1.5) - lowest, np.nan),
        "steps": np.where(legs, steps, np.nan),
        "step_width": np.where(legs, width, np.nan),
        "waves": np.fmax(waves[0], waves[1]),
        "claps": np.where(no_hands, np.nan, _swings(apart, least=0.25, seconds=1.4)[0]),
    }


def shape_features(path: BodyPath) -> NDArray[np.float32]:
    """Shape (n, 17): the body's posture and place in numbers of about 0..1, for comparing one movement with another.

    The first eight columns are angles, then come heights of hands and feet and how far out the hands are: left and
    right in turn, so that swapping the columns of a pair mirrors the body (`mirrored`). NaN: not seen.
    """
    import numpy as np

    metres = path.metres
    torso_vector = _middle(metres, _SHOULDERS) - _middle(metres, _HIPS)
    torso = np.maximum(np.linalg.norm(torso_vector, axis=-1), _NEVER_BELOW)
    px = path.px / _torso_px(path)[:, None, None]
    chains = (
        (_SHOULDERS, _ELBOWS, _WRISTS),
        (_HIPS, _SHOULDERS, _ELBOWS),
        (_SHOULDERS, _HIPS, _KNEES),
        (_HIPS, _KNEES, _ANKLES),
    )
    columns = []
    for chain in chains:
        for side in (0, 1):
            first, middle, last = (metres[:, pair[side]] for pair in chain)
            visible = path.seen[:, [pair[side] for pair in chain]].min(axis=1) >= _SEEN
            columns.append(np.where(visible, _angle(first - middle, last - middle) / 180, np.nan))
    for pair in (_WRISTS, _ANKLES):
        for side in (0, 1):
            height = (metres[:, pair[side], 1] - _middle(metres, _SHOULDERS)[:, 1]) / torso / 2
            columns.append(np.where(path.seen[:, pair[side]] >= _SEEN, height, np.nan))
    for elbow, wrist in zip(_ELBOWS, _WRISTS, strict=True):
        side_way = np.abs(px[:, wrist, 0] - _middle(px, _SHOULDERS)[:, 0]) / 2
        columns.append(np.where(np.minimum(path.seen[:, wrist], path.seen[:, elbow]) >= _SEEN, side_way, np.nan))
    columns.append(_angle(torso_vector, np.array([0.0, -1.0, 0.0])) / 180)
    columns.append(np.linalg.norm(metres[:, _WRISTS[0]] - metres[:, _WRISTS[1]], axis=-1) / torso / 4)
    columns.append(_change(_middle(px, _HIPS)[:, 1], 0.4))
    return np.stack(columns, axis=1).astype(np.float32)


def mirrored(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """`shape_features` of the body as a mirror shows it."""
    order = [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 14, 15, 16]
    return features[:, order]


# ---------------------------------------------------------------------------------------------------- arithmetic


def _extent_px(pose: Pose) -> float:
    """The longer edge of the box around trunk and legs."""
    points = [pose.points[index] for pair in (_SHOULDERS, _HIPS, _KNEES, _ANKLES) for index in pair]
    across, down = [point.x for point in points], [point.y for point in points]
    return max(max(across) - min(across), max(down) - min(down))


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over three frames, 1:2:1; beside a gap, as it is."""
    import numpy as np

    if len(values) < 3:
        return values
    middle = (values[:-2] + 2 * values[1:-1] + values[2:]) / 4
    smooth = values.copy()
    smooth[1:-1] = np.where(np.isnan(middle), values[1:-1], middle)
    return smooth


def _middle(points: NDArray[np.float64], pair: tuple[int, int]) -> NDArray[np.float64]:
    return (points[:, pair[0]] + points[:, pair[1]]) / 2


def _seen(path: BodyPath, pair: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether both can be seen by and large: from the side, one hides the other and is placed well enough."""
    seen: NDArray[np.bool_] = path.seen[:, list(pair)].mean(axis=1) >= _SEEN
    return seen


def _angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Degrees between vectors, 0..180."""
    import numpy as np

    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    degrees: NDArray[np.float64] = np.degrees(np.arccos(((a * b).sum(axis=-1) / np.maximum(lengths, 1e-9)).clip(-1, 1)))
    return degrees


def _joint(
    metres: NDArray[np.float64], first: tuple[int, int], middle: tuple[int, int], last: tuple[int, int]
) -> NDArray[np.float64]:
    """The angle at a joint in degrees, the mean of left and right."""
    sides = [
        _angle(metres[:, first[side]] - metres[:, middle[side]], metres[:, last[side]] - metres[:, middle[side]])
        for side in (0, 1)
    ]
    return (sides[0] + sides[1]) / 2


def _torso_px(path: BodyPath) -> NDArray[np.float64]:
    """The torso's length in px as the camera would see it upright, even where it leans towards it: shape (n,).

    How many px a metre has is read off the whole body, which never looks short from every side at once.
    """
    import numpy as np

    parts = [*_SHOULDERS, *_HIPS, *_KNEES, *_ANKLES]
    spread_px = np.linalg.norm(np.std(path.px[:, parts, :2], axis=1), axis=-1)
    spread_metres = np.linalg.norm(np.std(path.metres[:, parts, :2], axis=1), axis=-1)
    scale = spread_px / np.maximum(spread_metres, _NEVER_BELOW)
    usual = np.nanmedian(scale) if np.isfinite(scale).any() else 1.0
    return np.where(np.isfinite(scale), scale.clip(usual * 0.5, usual * 2), usual) * _TORSO_METRES


def _change(values: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """How much a value grew within the last ``seconds``."""
    import numpy as np

    steps = max(1, round(seconds * RATE))
    before = np.concatenate([np.full(min(steps, len(values)), np.nan), values[:-steps]])
    first = values[0] if len(values) else np.nan
    return values - np.where(np.isnan(before) & (np.arange(len(values)) < steps), first, before)


def _windows(values: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Shape (n, window): what lies around each value, the ends repeated."""
    import numpy as np

    half = max(1, round(seconds * RATE / 2))
    padded = np.pad(values, half, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)


def _highest(values: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """The ninth tenth of what lies around: the ground, for feet (y grows downwards), without its outliers."""
    import numpy as np

    return np.quantile(_windows(values, seconds), 0.9, axis=1)


def _swings(
    values: NDArray[np.float64], *, least: float, seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Around each moment: how often a second the value swings to the other side, and the mean width of those swings.

    A swing counts when it is at least ``least`` wide; tremor does not.
    """
    import numpy as np

    turns = _turning_points(values, least)
    rates, widths = np.zeros(len(values)), np.zeros(len(values))
    half = seconds * RATE / 2
    middles = np.array([(a + b) / 2 for a, b in itertools.pairwise(turns)])
    lengths = np.array([abs(values[b] - values[a]) for a, b in itertools.pairwise(turns)])
    for index in range(len(values)):
        near = np.abs(middles - index) <= half if len(middles) else np.zeros(0, bool)
        if near.any():
            covered = min(index + half, len(values) - 1) - max(index - half, 0)
            rates[index] = near.sum() / max(covered / RATE, seconds / 2)
            widths[index] = lengths[near].mean()
    lost = np.isnan(values)
    rates[lost], widths[lost] = np.nan, np.nan
    return rates, widths


def _turning_points(values: NDArray[np.float64], least: float) -> list[int]:
    """Indices at which the value turns back by ``least`` or more."""
    import math

    turns: list[int] = []
    extreme, direction = 0, 0
    for index, value in enumerate(values):
        if math.isnan(value):
            continue
        if math.isnan(values[extreme]):
            extreme = index
        move = value - values[extreme]
        if direction == 0:
            if abs(move) >= least:
                turns.append(extreme)
                direction, extreme = (1 if move > 0 else -1), index
        elif move * direction > 0:
            extreme = index
        elif abs(move) >= least:
            turns.append(extreme)
            direction, extreme = -direction, index
    if direction and extreme != turns[-1]:
        turns.append(extreme)
    return turns


def _of_the_wider(
    swings: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From the side, feet swing across the picture; from the front, up and down."""
    import numpy as np

    first, second = swings
    wider = np.nan_to_num(first[1]) >= np.nan_to_num(second[1])
    return np.where(wider, first[0], second[0]), np.where(wider, first[1], second[1])
