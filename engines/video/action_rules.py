"""Actions told by rules over a body's features, with hysteresis; the rules are data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from engines.protocols import UNKNOWN_ACTION, ActionSpan
from engines.video.pose_features import RATE, BodyPath, posture_features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RULES: Final = Path(__file__).parents[1] / "data" / "actions" / "rules.toml"

Bounds = Annotated[tuple[float, float], Field(description="least and most")]


class Rule(BaseModel):
    """See the head of `rules.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    group: str
    enter: Mapping[str, Bounds]
    stay: Mapping[str, Bounds]
    seconds: float = Field(gt=0)
    bridge: float = Field(ge=0)


@cache
def rules() -> tuple[Rule, ...]:
    """Those that come with the product, in the order in which they are tried."""
    return tuple(Rule.model_validate(item) for item in tomllib.loads(_RULES.read_text("utf-8"))["rule"])


def spans_by_rules(path: BodyPath, only: Sequence[str] = ()) -> tuple[ActionSpan, ...]:
    """What the body does when, in order of time; unknown where no posture and no gesture is recognised.

    ``only`` leaves out rules of other labels. ``score`` is the share of a span in which the stricter bounds hold.
    """
    import numpy as np

    features = posture_features(path)
    groups: dict[str, list[tuple[Rule, NDArray[np.bool_], NDArray[np.bool_]]]] = {}
    for rule in rules():
        if not only or rule.label in only:
            sure = _within(features, rule.enter) & path.present
            groups.setdefault(rule.group, []).append((rule, _held(rule, features, sure), sure))
    spans: list[ActionSpan] = []
    known = np.zeros(len(path), bool)
    for group in groups.values():
        free = np.ones(len(path), bool)
        for rule, on, sure in group:
            spans += _spans(path, on & free, sure, rule.label)
            free &= ~on
        known |= ~free
    spans += _spans(path, ~known, ~known, UNKNOWN_ACTION)
    return tuple(sorted(spans, key=lambda span: (span.start, span.end)))


def runs(on: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of each stretch of True."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _held(rule: Rule, features: Mapping[str, NDArray[np.float64]], sure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Hysteresis: the stretches of the looser bounds in which the stricter hold for long enough."""
    import numpy as np

    loose = _within(features, rule.stay) | sure
    for begin, end in runs(~loose):
        inside = begin > 0 and end < len(loose)
        if inside and (end - begin) / RATE <= rule.bridge:
            loose[begin:end] = True
    held = np.zeros(len(loose), bool)
    for begin, end in runs(loose):
        longest = max((b - a for a, b in runs(sure[begin:end])), default=0)
        held[begin:end] = longest / RATE >= rule.seconds - 1e-9
    return held


def _within(features: Mapping[str, NDArray[np.float64]], bounds: Mapping[str, Bounds]) -> NDArray[np.bool_]:
    import numpy as np

    # A comparison with NaN is false: what can't be seen fails.
    inside: list[NDArray[np.bool_]] = [
        (features[name] >= low) & (features[name] <= high) for name, (low, high) in bounds.items()
    ]
    return np.asarray(np.logical_and.reduce(inside), bool)


def _spans(path: BodyPath, on: NDArray[np.bool_], sure: NDArray[np.bool_], label: str) -> list[ActionSpan]:
    times = path.times
    return [
        ActionSpan(label, float(sure[begin:end].mean()), float(times[begin]), float(times[end - 1] + 1 / RATE))
        for begin, end in runs(on)
    ]
