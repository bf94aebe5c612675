"""Following things from frame to frame with ByteTrack (Zhang et al. 2022), as the `trackers` package has it.

A Kalman filter foresees where each thing will be; sure boxes are matched to things first, unsure ones to what is left,
which carries a thing through moments when it is half hidden.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Box, Seen, Track

if TYPE_CHECKING:
    from supervision import Detections

_BUFFER_RATE: Final = 30.0
"""`trackers` counts its buffer in frames of a video of this rate, whatever the video's own."""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    lost_seconds: float = Field(default=1.5, gt=0)
    """How long a thing may be out of sight and keep its number."""
    least_seen: int = Field(default=2, ge=1)
    """Frames in a row in which a thing must be found before it counts."""
    least_overlap: float = Field(default=0.1, gt=0, le=1)
    """Intersection over union of a box with the place where the thing was expected."""


class ByteTrack:
    """`engines.protocols.ObjectTracking`. Each label is tracked apart: a dog never becomes a cat."""

    capability: ClassVar[str] = "object-tracking"

    def __init__(self, context: LoadContext) -> None:
        self._options = _Options.model_validate(context.entry.options)
        try:
            from trackers import ByteTrackTracker
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        self._new = ByteTrackTracker

    def close(self) -> None:
        """Each call has trackers of its own; nothing is kept."""

    def track(
        self,
        seen: Iterable[Seen],
        *,
        threshold: float = 0.4,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Track, ...]:
        """Boxes below ``threshold`` only carry on what was begun; give the detector a lower one than this."""
        trackers: dict[str, Any] = {}
        found: dict[tuple[str, int, int], list[tuple[float, Box]]] = defaultdict(list)
        scene = 0
        for moment in seen:
            cancel.check()
            if moment.cut:  # nobody knows who is who in another scene
                trackers.clear()
                scene += 1
            by_label: dict[str, list[Box]] = {label: [] for label in trackers}
            for box in moment.boxes:
                by_label.setdefault(box.label, []).append(box)
            for label, boxes in by_label.items():
                tracker = trackers.setdefault(label, None) or self._tracker(threshold)
                trackers[label] = tracker
                for number, box in self._matched(tracker, boxes, moment.seconds):
                    found[label, scene, number].append((moment.seconds, box))
        tracks = sorted(found.items(), key=lambda item: (item[1][0][0], -len(item[1])))
        on_progress(1.0, f"{len(tracks)} tracks")
        return tuple(
            Track(number, label, sum(box.score for _, box in boxes) / len(boxes), tuple(boxes))
            for number, ((label, *_), boxes) in enumerate(tracks, 1)
        )

    def _tracker(self, threshold: float) -> Any:
        return self._new(
            lost_track_buffer=round(self._options.lost_seconds * _BUFFER_RATE),
            frame_rate=_BUFFER_RATE,
            track_activation_threshold=threshold,
            high_conf_det_threshold=threshold,
            minimum_consecutive_frames=self._options.least_seen,
            minimum_iou_threshold=self._options.least_overlap,
        )

    def _matched(self, tracker: Any, boxes: list[Box], seconds: float) -> list[tuple[int, Box]]:
        """Number and box of each thing that is known by now."""
        after: Detections = tracker.update(_detections(boxes), timestamp=seconds)
        if after.tracker_id is None or not len(after):
            return []
        numbers = after.data["number"]
        return [
            (int(track), boxes[int(number)])
            for track, number in zip(after.tracker_id, numbers, strict=True)
            if track >= 0
        ]


def _detections(boxes: list[Box]) -> Detections:
    import numpy as np
    from supervision import Detections

    if not boxes:
        empty = Detections.empty()
        empty.data = {"number": np.zeros(0, np.intp)}
        return empty
    return Detections(
        xyxy=np.array([(box.left, box.top, box.right, box.bottom) for box in boxes], np.float32),
        confidence=np.array([box.score for box in boxes], np.float32),
        class_id=np.zeros(len(boxes), np.intp),
        data={"number": np.arange(len(boxes))},
    )
