"""Bodies, faces and hands with MediaPipe's solutions (BlazePose, Face Mesh, Hands, Selfie Segmentation; Apache-2.0).

The models are inside the package `mediapipe` 0.10.21. Pose finds one person a picture: of several, each is looked at in
a cut-out of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from engines.errors import MissingExtraError
from engines.loading import LoadContext, missing_extra
from engines.mediapipe import Graph
from engines.progress import NEVER, CancelToken
from engines.protocols import Bodies, BodyPart, Box, Hand, Landmark, Pose, VideoFrame
from engines.video.cuts import SceneCuts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MARGIN: Final = 0.15
"""How far a cut-out reaches beyond a person's box, as a share of its edges: detectors cut off hands and feet."""

_LEAST_PX: Final = 256
"""Smaller cut-outs are enlarged: the pose detector sees 224 x 224 px."""

_SURE: Final = 0.5
_SURER: Final = 0.75
"""Of clips: a body that is seen where none is would be followed on."""


class MediaPipeBody:
    """`engines.protocols.BodyTracking`. Graphs are started when a part is first asked for."""

    capability: ClassVar[str] = "body-tracking"

    def __init__(self, context: LoadContext) -> None:
        self._entry = context.entry
        self._graphs: dict[str, Graph] = {}
        self._graph("pose", _pose_of_clips)  # so that a missing or broken package is found while the engine loads

    def close(self) -> None:
        for graph in self._graphs.values():
            graph.close()
        self._graphs.clear()

    def track(
        self,
        frames: Iterable[VideoFrame],
        *,
        parts: Sequence[BodyPart] = ("pose",),
        people: Mapping[float, Mapping[int, Box]] | None = None,
        most: int = 4,
        cancel: CancelToken = NEVER,
    ) -> Iterator[Bodies]:
        """One result a frame. 15-60 CPU-ms a part, frame and person."""
        import numpy as np

        graphs = self._start(parts, several=people is not None, most=most)
        cuts = SceneCuts()
        for frame in frames:
            cancel.check()
            if cuts.is_cut(frame.image):  # MediaPipe would go on to see the body where it was
                graphs = self._start(parts, several=people is not None, most=most)
            rgb = np.asarray(frame.image.convert("RGB"))
            yield Bodies(
                seconds=frame.seconds,
                poses=_poses(graphs.get("pose"), rgb, people.get(frame.seconds, {}) if people is not None else None),
                faces=_faces(graphs["face"].process(rgb), rgb.shape) if "face" in graphs else (),
                hands=_hands(graphs["hands"].process(rgb), rgb.shape) if "hands" in graphs else (),
                mask=_mask(graphs["mask"].process(rgb)) if "mask" in graphs else None,
            )

    def _start(self, parts: Sequence[BodyPart], *, several: bool, most: int) -> dict[str, Graph]:
        """The graphs for a clip, which know nothing of the clip before."""
        kinds: dict[BodyPart, tuple[str, Callable[[Any], Any]]] = {
            "pose": ("pose of cut-outs", _pose_of_stills) if several else ("pose", _pose_of_clips),
            "face": (
                f"face {most}",
                lambda solutions: solutions.face_mesh.FaceMesh(max_num_faces=most, min_detection_confidence=_SURE),
            ),
            "hands": (
                f"hands {most}",
                lambda solutions: solutions.hands.Hands(max_num_hands=2 * most, min_detection_confidence=_SURE),
            ),
            "mask": ("mask", lambda solutions: solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)),
        }
        graphs = {part: self._graph(*kinds[part]) for part in dict.fromkeys(parts)}
        for graph in graphs.values():
            graph.reset()
        return {str(part): graph for part, graph in graphs.items()}

    def _graph(self, name: str, start: Callable[[Any], Any]) -> Graph:
        if name not in self._graphs:
            try:
                self._graphs[name] = Graph(start)
            except ImportError as error:
                raise missing_extra(self._entry, error) from error
            except AttributeError as error:  # protobuf 7 has dropped what MediaPipe 0.10.21 asks of it
                raise MissingExtraError(
                    f"{self._entry.id}: MediaPipe does not work with the protobuf that is installed: {error}.",
                    fix="Run: pip install 'protobuf>=5,<7'",
                ) from error
        return self._graphs[name]


def _pose_of_clips(solutions: Any) -> Any:
    return solutions.pose.Pose(model_complexity=1, min_detection_confidence=_SURER, min_tracking_confidence=_SURER)


def _pose_of_stills(solutions: Any) -> Any:
    return solutions.pose.Pose(static_image_mode=True, model_complexity=1, min_detection_confidence=_SURE)


def _poses(graph: Graph | None, rgb: NDArray[np.uint8], people: Mapping[int, Box] | None) -> tuple[Pose, ...]:
    if graph is None:
        return ()
    if people is None:
        found = _pose(graph.process(rgb), 1, (0, 0), rgb.shape)
        return (found,) if found else ()
    poses = (_pose_in(graph, rgb, person, box) for person, box in people.items())
    return tuple(pose for pose in poses if pose)


def _pose_in(graph: Graph, rgb: NDArray[np.uint8], person: int, box: Box) -> Pose | None:
    """The pose in a cut-out; landmarks are in px of the whole picture."""
    import numpy as np
    from PIL import Image

    across, down = (box.right - box.left) * _MARGIN, (box.bottom - box.top) * _MARGIN
    left, top = max(0, round(box.left - across)), max(0, round(box.top - down))
    right, bottom = min(rgb.shape[1], round(box.right + across)), min(rgb.shape[0], round(box.bottom + down))
    if right - left < 8 or bottom - top < 8:  # nothing could be seen in it
        return None
    cut = rgb[top:bottom, left:right]
    seen = cut
    if (scale := _LEAST_PX / max(cut.shape[:2])) > 1:
        size = (round(cut.shape[1] * scale), round(cut.shape[0] * scale))
        seen = np.asarray(Image.fromarray(cut).resize(size))
    return _pose(graph.process(seen), person, (left, top), cut.shape)


def _pose(result: Any, person: int, offset: tuple[int, int], shape: tuple[int, ...]) -> Pose | None:
    if not result.pose_landmarks:
        return None
    points = result.pose_landmarks.landmark
    # MediaPipe guesses where feet are that the picture cuts off, and is often sure of it.
    visible = [p.visibility if _is_inside(p.x) and _is_inside(p.y) else 0.0 for p in points]
    world = zip(result.pose_world_landmarks.landmark, visible, strict=True)
    return Pose(
        person,
        _in_px(points, shape, offset, visible),
        tuple(Landmark(p.x, p.y, p.z, likely) for p, likely in world),
    )


def _is_inside(share: float) -> bool:
    return -0.02 <= share <= 1.02


def _faces(result: Any, shape: tuple[int, ...]) -> tuple[tuple[Landmark, ...], ...]:
    return tuple(_in_px(face.landmark, shape) for face in result.multi_face_landmarks or ())


def _hands(result: Any, shape: tuple[int, ...]) -> tuple[Hand, ...]:
    found = zip(result.multi_hand_landmarks or (), result.multi_handedness or (), strict=True)
    return tuple(
        # MediaPipe takes every picture for a mirror's and names the sides accordingly.
        Hand("left" if kind.classification[0].label == "Right" else "right", kind.classification[0].score, points)
        for points, kind in ((_in_px(hand.landmark, shape), kind) for hand, kind in found)
    )


def _mask(result: Any) -> NDArray[np.float32]:
    import numpy as np

    return np.array(result.segmentation_mask, np.float32)  # a copy: the graph writes into its own again


def _in_px(
    points: Any, shape: tuple[int, ...], offset: tuple[int, int] = (0, 0), visible: Sequence[float] | None = None
) -> tuple[Landmark, ...]:
    """From shares of the picture's edges; depth is scaled as the width is."""
    height, width = shape[:2]
    likely = visible or [1.0] * len(points)
    return tuple(
        Landmark(p.x * width + offset[0], p.y * height + offset[1], p.z * width, seen)
        for p, seen in zip(points, likely, strict=True)
    )
