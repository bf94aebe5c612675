"""What engines that watch moving pictures promise: tracks of things, bodies, and what people do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.detection import Box
from engines.protocols.engine import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

#: What can be followed of a body.
BodyPart = Literal["pose", "face", "hands", "mask"]


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One picture of a video, upright and RGB, and when it is shown: in seconds from the start."""

    image: Image
    seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What a detector found in the frame at ``seconds``. ``cut``: the frame begins another scene."""

    seconds: float
    boxes: tuple[Box, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """One thing followed over time. ``seen`` is in order of time, one box each; ``score`` is the mean of theirs."""

    id: int
    label: str
    score: float
    seen: tuple[tuple[float, Box], ...]

    @property
    def start(self) -> float:
        return self.seen[0][0]

    @property
    def end(self) -> float:
        return self.seen[-1][0]


class ObjectTracking(Engine, Protocol):
    capability: ClassVar[str] = "object-tracking"

    def track(
        self,
        seen: Iterable[Seen],
        *,
        threshold: float = 0.4,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Track, ...]:
        """Say which boxes of successive frames are one thing: in order of appearance, ids from 1.

        A thing is only begun at a box of at least ``threshold``; weaker boxes carry it on where it is half hidden.
        """
        ...


@dataclass(frozen=True, slots=True)
class Landmark:
    """A landmark: ``x``, ``y`` in px of the picture (they may lie outside), ``z`` its depth in the same measure,
    smaller nearer. ``visibility`` in 0..1: how likely it is in the picture and not hidden.
    """

    x: float
    y: float
    z: float
    visibility: float = 1.0


@dataclass(frozen=True, slots=True)
class Pose:
    """``points`` are the 33 landmarks of BlazePose in their order; ``world`` the same in metres from between the hips.

    ``person`` numbers people: the same one keeps its number through a clip.
    """

    person: int
    points: tuple[Landmark, ...]
    world: tuple[Landmark, ...]


@dataclass(frozen=True, slots=True)
class Hand:
    """21 landmarks from the wrist to the little finger's tip. ``side`` is the person's own."""

    side: Literal["left", "right"]
    score: float
    points: tuple[Landmark, ...]


@dataclass(frozen=True, slots=True)
class Bodies:
    """What is seen of people in one frame; what was not asked for, or not found, is empty.

    ``faces`` hold 468 landmarks each. ``mask`` has the picture's shape: how likely each pixel shows a person, 0..1.
    """

    seconds: float
    poses: tuple[Pose, ...] = ()
    faces: tuple[tuple[Landmark, ...], ...] = ()
    hands: tuple[Hand, ...] = ()
    mask: NDArray[np.float32] | None = None


class BodyTracking(Engine, Protocol):
    capability: ClassVar[str] = "body-tracking"

    def track(
        self,
        frames: Iterable[VideoFrame],
        *,
        parts: Sequence[BodyPart] = ("pose",),
        people: Mapping[float, Mapping[int, Box]] | None = None,
        most: int = 4,
        cancel: CancelToken = NEVER,
    ) -> Iterator[Bodies]:
        """One result a frame, as frames come. ``people`` says where each person is at which ``seconds``; without it,
        the most prominent one is followed. Of faces and hands, at most ``most`` and twice as many are found.
        """
        ...


@dataclass(frozen=True, slots=True)
class ActionSpan:
    """Somebody does ``label`` from ``start`` to ``end``, in seconds. ``score`` in 0..1; of rules, how far the body
    is inside their bounds; of examples, how near it is to the nearest.
    """

    label: str
    score: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class ActionExample:
    """An action that was shown: ``features`` of shape (frames, features), evenly spaced over ``seconds``."""

    label: str
    seconds: float
    features: NDArray[np.float32]


UNKNOWN_ACTION = "unknown"


class ActionRecognition(Engine, Protocol):
    capability: ClassVar[str] = "action-recognition"

    @property
    def how(self) -> Literal["model", "rules"]:
        """Whether a trained model judges, or rules that people wrote."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Every action it knows; empty: whatever is asked for, in words."""
        ...

    @property
    def frames_per_second(self) -> float:
        """How many it wants to see."""
        ...

    @property
    def learns(self) -> bool:
        """Whether it takes examples."""
        ...

    def recognize(
        self,
        frames: Iterable[VideoFrame],
        *,
        actions: Sequence[str] = (),
        examples: Sequence[ActionExample] = (),
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[ActionSpan, ...]:
        """What is done when, in order of time; `UNKNOWN_ACTION` where nothing fits. ``actions`` narrows the choice.

        Raises InputError for an action it does not know, and for ``examples`` when it learns none.
        """
        ...

    def describe(self, frames: Iterable[VideoFrame], label: str, *, cancel: CancelToken = NEVER) -> ActionExample:
        """An example of ``label`` out of a clip that shows nothing else.

        Raises InputError when it learns none, MediaError when nobody can be followed in the clip.
        """
        ...
