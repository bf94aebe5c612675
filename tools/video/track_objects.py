"""Things followed through a video."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from PIL.Image import Image
from pydantic import BaseModel, Field

from engines.errors import InputError
from engines.progress import CancelToken
from engines.protocols import Box, ObjectDetection, ObjectTracking, Seen, Track
from engines.video.cuts import SceneCuts
from engines.video.draw import draw_tracks
from engines.video.read import Video
from engines.video.write import ClipWriter
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ModelId, OneOf, OverlayVideoRef, ToolResult, VideoRef
from tools.video.pace import pace, span, watched

_SEEN_PX = 1280
"""Longer edge of the frames that detectors see and that the overlay shows."""

_LOOSER = 0.5
"""The tracker carries things on through frames in which the detector is half as sure."""

_TRAIL_SECONDS = 2.0


class TrackedObject(BaseModel):
    """``score`` in 0..1, the mean over its frames. ``first`` and ``last`` are its edges in px of the video: left, top,
    right, bottom.
    """

    id: int
    label: str
    score: float
    start_seconds: float
    end_seconds: float
    frames: int
    first: tuple[int, int, int, int]
    last: tuple[int, int, int, int]


class ObjectsTracked(ToolResult):
    """``counts`` has how many different things of a label were seen, ``most_at_once`` how many in one frame.

    ``clip`` shows the boxes; ``boxes`` names the file with every box of every track.
    """

    tracks: list[TrackedObject]
    counts: dict[str, int]
    most_at_once: dict[str, int]
    target: str | None
    seconds: float
    frames_per_second: float
    notes: list[str]
    clip: OverlayVideoRef
    boxes: str

    @property
    def is_empty(self) -> bool:
        return not self.tracks

    def summary(self) -> str:
        notes = "".join(f" Note: {note}." for note in self.notes)
        if not self.tracks:
            return f"No {self.target or 'known object'} could be followed in the video.{notes}"
        counted = ", ".join(
            f"{label}: {count} in all, at most {self.most_at_once[label]} at once"
            for label, count in self.counts.items()
        )
        return f"Followed through {span(self.seconds)} of video: {counted}.{notes}"


@tool(cost=Cost(seconds=10))
async def track_objects(
    call: ToolCall,
    video: Annotated[VideoRef, Field(description="the video")],
    target: Annotated[
        str | None,
        OneOf("object-labels", named=True),
        Field(description="follow only this kind of thing (for people: person); none: everything"),
    ] = None,
    fps: Annotated[float, Field(ge=0.2, le=30, description="frames a second that are looked at")] = 6.0,
    threshold: Annotated[float, Field(ge=0.05, le=0.95, description="lowest score that begins a track, 0..1")] = 0.4,
    model: ModelId = None,
) -> ObjectsTracked:
    """Follow and count people, animals and things through a video.

    Each gets a number that it keeps while it is in sight. ``model`` is the detector's.
    """
    clip = await call.video(video)
    rate, note = pace(clip, fps)
    async with call.use(ObjectTracking) as tracker, call.use(ObjectDetection, model) as detector:

        def look(engine: ObjectDetection, cancel: CancelToken) -> list[Seen]:
            if target and target not in engine.labels:
                raise InputError(
                    f"{target!r} is nothing the model knows.", fix=f"It knows: {', '.join(engine.labels)}."
                )
            frames = watched(clip, rate, _SEEN_PX, call.progress, cancel)
            cuts = SceneCuts()
            return [
                Seen(f.seconds, _found(engine, f.image, threshold, target, cancel), cuts.is_cut(f.image))
                for f in frames
            ]

        seen = await detector.run(look)
        tracks = await tracker.run(
            lambda engine, cancel: engine.track(seen, threshold=threshold, on_progress=call.progress, cancel=cancel)
        )
    scale = max(1.0, max(clip.info.width, clip.info.height) / _SEEN_PX)
    with tempfile.TemporaryDirectory() as folder:
        shown = await call.work(lambda cancel: _overlay(clip, rate, tracks, Path(folder), call, cancel))
        overlay = await call.save_file(shown, f"tracks{shown.suffix}")
    boxes = await call.save_bytes(_as_json(tracks, scale), "tracks.json")
    return ObjectsTracked(
        tracks=[_described(track, scale) for track in tracks],
        counts=dict(Counter(track.label for track in tracks).most_common()),
        most_at_once=_most_at_once(tracks),
        target=target,
        seconds=round(clip.info.seconds, 2),
        frames_per_second=round(rate, 2),
        notes=[*note, *clip.notes],
        clip=overlay,
        boxes=boxes,
    )


def _found(
    engine: ObjectDetection, image: Image, threshold: float, target: str | None, cancel: CancelToken
) -> tuple[Box, ...]:
    boxes = engine.detect(image, threshold=threshold * _LOOSER, cancel=cancel)
    return tuple(box for box in boxes if not target or box.label == target)


def _overlay(
    clip: Video, rate: float, tracks: Sequence[Track], folder: Path, call: ToolCall, cancel: CancelToken
) -> Path:
    """The frames that were looked at, with what was found in them."""
    by_time: dict[float, list[tuple[int, str, Box]]] = defaultdict(list)
    for track in tracks:
        for seconds, box in track.seen:
            by_time[seconds].append((track.id, track.label, box))
    trails: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    with ClipWriter(folder, "tracks") as writer:
        for frame in clip.frames(fps=rate, longest_edge=_SEEN_PX, cancel=cancel):
            found = by_time.get(frame.seconds, [])
            for number, _, box in found:
                trails[number].append((frame.seconds, (box.left + box.right) / 2, (box.top + box.bottom) / 2))
            recent = {
                number: [(x, y) for at, x, y in trails[number] if frame.seconds - at <= _TRAIL_SECONDS]
                for number, _, _ in found
            }
            writer.add(draw_tracks(frame.image, found, recent), frame.seconds)
        call.progress(None, "writing the clip")
        writer.close(clip.info.seconds)
    return writer.path


def _edges(box: Box, scale: float) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(edge * scale) for edge in (box.left, box.top, box.right, box.bottom))
    return left, top, right, bottom


def _described(track: Track, scale: float) -> TrackedObject:
    return TrackedObject(
        id=track.id,
        label=track.label,
        score=round(track.score, 3),
        start_seconds=round(track.start, 2),
        end_seconds=round(track.end, 2),
        frames=len(track.seen),
        first=_edges(track.seen[0][1], scale),
        last=_edges(track.seen[-1][1], scale),
    )


def _most_at_once(tracks: Sequence[Track]) -> dict[str, int]:
    together = Counter((track.label, seconds) for track in tracks for seconds, _ in track.seen)
    most: dict[str, int] = {}
    for (label, _), count in together.items():
        most[label] = max(most.get(label, 0), count)
    return most


def _as_json(tracks: Sequence[Track], scale: float) -> bytes:
    """A track a line."""
    lines = [
        {
            "id": track.id,
            "label": track.label,
            "boxes": [[round(seconds, 3), *_edges(box, scale), round(box.score, 3)] for seconds, box in track.seen],
        }
        for track in tracks
    ]
    columns = {"columns": ["seconds", "left", "top", "right", "bottom", "score"], "unit": "px"}
    return "\n".join(json.dumps(line) for line in [columns, *lines]).encode()
