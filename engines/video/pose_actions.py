"""What people do, from how their body moves: by rules that people wrote, and by examples that a user has shown.

It works through a body tracker, follows the most prominent person, and needs no weights of its own. It knows few
actions, and says `unknown` to the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, Literal

from engines.errors import InputError, MediaError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import (
    UNKNOWN_ACTION,
    ActionExample,
    ActionSpan,
    BodyTracking,
    Pose,
    VideoFrame,
)
from engines.video.action_examples import spans_by_examples
from engines.video.action_rules import rules, spans_by_rules
from engines.video.pose_features import RATE, BodyPath, body_path, shape_features

_SHORTEST: Final = 0.5
_LONGEST: Final = 20.0
_LEAST_PRESENT: Final = 0.6
_LEAST_SHOWN: Final = 0.55
"""Share of a body's features that an example must show; with fewer, anything would be like it."""


class PoseActions:
    """`engines.protocols.ActionRecognition` over any `engines.protocols.BodyTracking`."""

    capability: ClassVar[str] = "action-recognition"
    how: ClassVar[Literal["model", "rules"]] = "rules"
    frames_per_second: ClassVar[float] = RATE
    learns: ClassVar[bool] = True

    def __init__(self, context: LoadContext) -> None:
        self._bodies: BodyTracking = context.parts["body-tracking"]
        self.labels = tuple(rule.label for rule in rules())

    def close(self) -> None:
        """The body tracker is closed by whoever lent it."""

    def recognize(
        self,
        frames: Iterable[VideoFrame],
        *,
        actions: Sequence[str] = (),
        examples: Sequence[ActionExample] = (),
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[ActionSpan, ...]:
        """As `ActionRecognition.recognize`. A posture and a gesture may be found at the same time."""
        shown = {example.label for example in examples}
        wanted = [action for action in actions if action not in shown]
        if strangers := [action for action in wanted if action not in self.labels]:
            known = ", ".join(dict.fromkeys((*self.labels, *sorted(shown))))
            raise InputError(
                f"There is no rule for {strangers[0]!r}.",
                fix=f"Known: {known}. Show an example of it (sensorium actions enrol), or use a model that knows it.",
            )
        path = self._path(frames, on_progress, cancel)
        if not len(path):
            return ()
        ruled = spans_by_rules(path, wanted) if wanted or not actions else ()
        asked = [example for example in examples if not actions or example.label in actions]
        learned = spans_by_examples(path, asked, cancel=cancel)
        if not ruled and not learned:
            ruled = spans_by_rules(path, [UNKNOWN_ACTION])
        return _merged(ruled, learned)

    def describe(self, frames: Iterable[VideoFrame], label: str, *, cancel: CancelToken = NEVER) -> ActionExample:
        """As `ActionRecognition.describe`: the stretch of the clip in which the body can be followed, 0.5-20 s."""
        import numpy as np

        path = self._path(frames, ignore_progress, cancel)
        present = path.present
        if not len(path) or present.mean() < _LEAST_PRESENT:
            raise MediaError(
                "Nobody can be followed in most of the clip.",
                fix="Show one person from head to knees, well lit, for the whole clip.",
            )
        inside = present.nonzero()[0]
        features = shape_features(path)[inside[0] : inside[-1] + 1]
        if (~np.isnan(features)).mean() < _LEAST_SHOWN:  # NaN: not seen
            raise MediaError(
                "Too little of the body can be seen in the clip.", fix="Show one person from head to knees."
            )
        seconds = len(features) / RATE
        if not _SHORTEST <= seconds <= _LONGEST:
            raise InputError(
                f"An example lasts {_SHORTEST:g} to {_LONGEST:g} s; this one lasts {seconds:.1f} s.",
                fix="Cut the clip to the action itself.",
            )
        return ActionExample(label, seconds, features)

    def _path(self, frames: Iterable[VideoFrame], on_progress: OnProgress, cancel: CancelToken) -> BodyPath:
        poses: list[tuple[float, Pose | None]] = []
        for bodies in self._bodies.track(frames, parts=("pose",), cancel=cancel):
            poses.append((bodies.seconds, bodies.poses[0] if bodies.poses else None))
            if len(poses) % 10 == 0:
                on_progress(None, f"{bodies.seconds:.0f} s watched")
        return body_path(poses)


def _merged(ruled: Sequence[ActionSpan], learned: Sequence[ActionSpan]) -> tuple[ActionSpan, ...]:
    """What an example explains is not unknown."""
    kept = [
        span
        for span in ruled
        if span.label != UNKNOWN_ACTION
        or not any(other.start <= span.start + 0.2 and span.end - 0.2 <= other.end for other in learned)
    ]
    return tuple(sorted((*kept, *learned), key=lambda span: (span.start, span.end)))
