"""Bodies, faces and hands, in a picture or through a video."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from PIL.Image import Image
from pydantic import BaseModel, Field

from engines.progress import CancelToken
from engines.protocols import (
    Bodies,
    BodyPart,
    BodyTracking,
    Box,
    Landmark,
    ObjectDetection,
    ObjectTracking,
    Seen,
    VideoFrame,
)
from engines.video.cuts import SceneCuts
from engines.video.draw import POSE_LANDMARKS, draw_bodies
from engines.video.read import Video
from engines.video.write import ClipWriter
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ImageRef, OverlayRef, OverlayVideoRef, Planned, ToolResult, VideoRef
from tools.video.pace import pace, span, watched

_SEEN_PX = 1280
_PERSON = "person"
_PERSON_SCORE = 0.4
_ALL: tuple[BodyPart, ...] = ("pose", "face", "hands", "mask")


class PersonSeen(BaseModel):
    """One person's pose. ``frames`` counts those in which it was found; ``landmarks`` are of the first of them: name,
    x and y in px of the picture, and how likely the landmark is visible (0..1).
    """

    person: int
    frames: int
    landmarks: list[tuple[str, int, int, float]]


class BodiesTracked(ToolResult):
    """``faces`` and ``hands`` are the most in one frame; ``person_share`` of the picture shows people, 0..1.

    ``picture`` or ``clip`` shows what was found; ``landmarks`` names the file with all of it.
    """

    people: list[PersonSeen]
    faces: int
    hands: list[str]
    person_share: float | None
    parts: list[str]
    frames: int
    seconds: float | None
    notes: list[str]
    landmarks: str
    picture: OverlayRef | None = None
    clip: OverlayVideoRef | None = None

    def summary(self) -> str:
        where = f"in {span(self.seconds)} of video" if self.seconds is not None else "in the picture"
        found = []
        if "pose" in self.parts:
            found.append(_count(len(self.people), "person's pose", "people's poses"))
        if "face" in self.parts:
            found.append(_count(self.faces, "face", "faces"))
        if "hands" in self.parts:
            sides = f" ({', '.join(self.hands)})" if self.hands else ""
            found.append(_count(len(self.hands), "hand", "hands") + sides)
        if self.person_share is not None:
            found.append(f"people fill {self.person_share:.0%}")
        notes = "".join(f" Note: {note}." for note in self.notes)
        return f"Found {where}: {'; '.join(found)}.{notes}"


People = Mapping[float, Mapping[int, Box]]


@dataclass(frozen=True)
class _Asked:
    """``boxes`` says where people are at which second; None: follow the most prominent one."""

    parts: Sequence[BodyPart]
    boxes: People | None
    most: int


@dataclass
class _Record:
    """What is kept of the frames: counts, and a file in ``folder`` that grows; not the frames."""

    folder: Path
    people: dict[int, PersonSeen] = field(default_factory=dict)
    faces: int = 0
    hands: tuple[str, ...] = ()
    frames: int = 0
    shares: list[float] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "landmarks.jsonl"

    def add(self, bodies: Bodies, scale: float) -> None:
        self.frames += 1
        self.faces = max(self.faces, len(bodies.faces))
        if len(bodies.hands) > len(self.hands):
            self.hands = tuple(hand.side for hand in bodies.hands)
        if bodies.mask is not None:
            self.shares.append(float(bodies.mask.mean()))
        for pose in bodies.poses:
            known = self.people.get(pose.person)
            landmarks = known.landmarks if known else _named(pose.points, scale)
            frames = known.frames + 1 if known else 1
            self.people[pose.person] = PersonSeen(person=pose.person, frames=frames, landmarks=landmarks)


@tool(cost=Cost(seconds=8), one_of=("image", "video"))
async def track_body(
    call: ToolCall,
    image: Annotated[ImageRef | None, Field(description="the picture")] = None,
    video: Annotated[VideoRef | None, Field(description="the video")] = None,
    part: Annotated[
        Literal["pose", "face", "hands", "mask", "all"],
        Planned(),
        Field(description="what to find: body pose, face mesh, hands, or a mask of the person"),
    ] = "pose",
    people: Annotated[int, Field(ge=1, le=8, description="how many people to follow at most")] = 4,
    fps: Annotated[float, Field(ge=0.2, le=30, description="frames a second of a video that are looked at")] = 8.0,
) -> BodiesTracked:
    """Mark the joints of bodies, the landmarks of faces or hands in a picture or video."""
    parts: tuple[BodyPart, ...] = _ALL if part == "all" else (part,)
    several = people if "pose" in parts else 1
    with tempfile.TemporaryDirectory() as name:
        record = _Record(Path(name))
        if video is not None:
            clip = await call.video(video)
            rate, notes = pace(clip, fps)
            async with call.use(BodyTracking) as tracker:
                boxes = await _people_in_video(call, clip, rate, several) if several > 1 else None
                asked = _Asked(parts, boxes, people)

                def watch(engine: BodyTracking, cancel: CancelToken) -> Path:
                    frames = watched(clip, rate, _SEEN_PX, call.progress, cancel)
                    return _through(engine, clip, frames, asked, record, cancel)

                shown = await tracker.run(watch)
            saved = {"clip": await call.save_file(shown, f"body{shown.suffix}")}
            notes += clip.notes
        else:
            still = await call.image(image or "")
            notes = []
            async with call.use(BodyTracking) as tracker:
                boxes = await _people_in_image(call, still, several) if several > 1 else None
                asked = _Asked(parts, boxes, people)
                drawn = await tracker.run(lambda engine, cancel: _in_still(engine, still, asked, record, cancel))
            saved = {"picture": await call.save_image(drawn, "body.png")}
        landmarks = await call.save_file(record.path, record.path.name)
    return BodiesTracked(
        people=[record.people[number] for number in sorted(record.people)],
        faces=record.faces,
        hands=list(record.hands),
        person_share=round(sum(record.shares) / len(record.shares), 3) if record.shares else None,
        parts=list(parts),
        frames=record.frames,
        seconds=round(clip.info.seconds, 2) if video is not None else None,
        notes=notes,
        landmarks=landmarks,
        **saved,
    )


async def _people_in_image(call: ToolCall, image: Image, most: int) -> People | None:
    """Where each person is; None: one or none was found, and the whole picture is to be looked at."""
    async with call.use(ObjectDetection) as detector:
        boxes = await detector.run(lambda engine, cancel: engine.detect(image, threshold=_PERSON_SCORE, cancel=cancel))
    people = [box for box in boxes if box.label == _PERSON][:most]
    return {0.0: dict(enumerate(people, 1))} if len(people) > 1 else None


async def _people_in_video(call: ToolCall, clip: Video, rate: float, most: int) -> People | None:
    """Where each of those who are longest in sight is in each frame; None where there are never two at once."""

    def look(engine: ObjectDetection, cancel: CancelToken) -> list[Seen]:
        frames = watched(clip, rate, _SEEN_PX, call.progress, cancel)
        cuts = SceneCuts()
        return [Seen(frame.seconds, _people(engine, frame.image, cancel), cuts.is_cut(frame.image)) for frame in frames]

    async with call.use(ObjectTracking) as tracker, call.use(ObjectDetection) as detector:
        seen = await detector.run(look)
        tracks = await tracker.run(lambda engine, cancel: engine.track(seen, threshold=_PERSON_SCORE, cancel=cancel))
    longest = sorted(tracks, key=lambda track: -len(track.seen))[:most]
    found: dict[float, dict[int, Box]] = {moment.seconds: {} for moment in seen}
    for number, track in enumerate(sorted(longest, key=lambda track: track.id), 1):
        for seconds, box in track.seen:
            found[seconds][number] = box
    return found if any(len(people) > 1 for people in found.values()) else None


def _people(engine: ObjectDetection, image: Image, cancel: CancelToken) -> tuple[Box, ...]:
    boxes = engine.detect(image, threshold=_PERSON_SCORE / 2, cancel=cancel)
    return tuple(box for box in boxes if box.label == _PERSON)


def _through(
    engine: BodyTracking,
    clip: Video,
    frames: Iterator[VideoFrame],
    asked: _Asked,
    record: _Record,
    cancel: CancelToken,
) -> Path:
    """Frame by frame: found, written down, drawn. Returns the clip that shows it."""
    now: list[VideoFrame] = []

    def passing() -> Iterator[VideoFrame]:
        for frame in frames:
            now[:] = [frame]
            yield frame

    scale = max(1.0, max(clip.info.width, clip.info.height) / _SEEN_PX)
    with record.path.open("w", encoding="utf-8") as lines, ClipWriter(record.path.parent, "body") as writer:
        found = engine.track(passing(), parts=asked.parts, people=asked.boxes, most=asked.most, cancel=cancel)
        for bodies in found:
            record.add(bodies, scale)
            lines.write(_as_json(bodies, scale))
            writer.add(draw_bodies(now[0].image, bodies), bodies.seconds)
        writer.close(clip.info.seconds)
    return writer.path


def _in_still(engine: BodyTracking, image: Image, asked: _Asked, record: _Record, cancel: CancelToken) -> Image:
    frames = [VideoFrame(image, 0.0)]
    (bodies,) = engine.track(frames, parts=asked.parts, people=asked.boxes, most=asked.most, cancel=cancel)
    record.add(bodies, 1.0)
    record.path.write_text(_as_json(bodies, 1.0), "utf-8")
    return draw_bodies(image, bodies)


def _named(points: Sequence[Landmark], scale: float) -> list[tuple[str, int, int, float]]:
    return [
        (name, round(point.x * scale), round(point.y * scale), round(point.visibility, 2))
        for name, point in zip(POSE_LANDMARKS, points, strict=True)
    ]


def _as_json(bodies: Bodies, scale: float) -> str:
    """A frame a line; points are x, y, z in px and, of poses, visibility; ``world`` is in metres."""

    def listed(points: Sequence[Landmark]) -> list[list[float]]:
        return [[round(p.x * scale, 1), round(p.y * scale, 1), round(p.z * scale, 1)] for p in points]

    line: dict[str, Any] = {"seconds": round(bodies.seconds, 3)}
    if bodies.poses:
        line["poses"] = [
            {
                "person": pose.person,
                "points": [
                    [*xyz, round(p.visibility, 2)] for xyz, p in zip(listed(pose.points), pose.points, strict=True)
                ],
                "world": [[round(p.x, 3), round(p.y, 3), round(p.z, 3)] for p in pose.world],
            }
            for pose in bodies.poses
        ]
    if bodies.faces:
        line["faces"] = [listed(face) for face in bodies.faces]
    if bodies.hands:
        line["hands"] = [
            {"side": hand.side, "score": round(hand.score, 3), "points": listed(hand.points)} for hand in bodies.hands
        ]
    return json.dumps(line) + "\n"


def _count(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"
