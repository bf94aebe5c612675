"""People made of sticks, as landmarks over time: for measuring rules and examples without a camera.

Each is a chain of rigid bones whose joints follow the movement's angles; it is turned, placed and jittered at random,
then projected as a camera far away would. No picture is drawn: MediaPipe would not take a stick for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from engines.loading import LoadContext
from engines.progress import CancelToken
from engines.protocols import Bodies, Landmark, Pose, VideoFrame

Joints = dict[str, NDArray[np.float64]]
FPS: Final = 10.0


def _bone(length: float, forward: float, sideways: float = 0.0) -> NDArray[np.float64]:
    """Hanging down, swung forward (z negative: to the camera) and sideways by angles in degrees; y grows downwards."""
    f, s = np.radians(forward), np.radians(sideways)
    return length * np.array([np.sin(s) * np.cos(f), np.cos(s) * np.cos(f), -np.sin(f) * 1.0])


def body(
    *,
    lean: float = 3.0,
    thighs: tuple[float, float] = (0.0, 0.0),
    shins: tuple[float, float] = (0.0, 0.0),
    arms: tuple[tuple[float, float], tuple[float, float]] = ((5, 8), (5, 8)),
    forearms: tuple[tuple[float, float], tuple[float, float]] = ((10, 5), (10, 5)),
    up: float = 0.0,
    along: float = 0.0,
    lie: float = 0.0,
    build: float = 1.0,
) -> NDArray[np.float64]:
    """33 landmarks in metres. Angles in degrees from hanging down, (forward, sideways); the feet stand on the ground.

    ``lie`` tips the whole body over sideways; ``up`` lifts it, ``along`` moves it across, in metres.
    """
    points = np.zeros((33, 3))
    torso, thigh, shin, arm, forearm = (build * x for x in (0.50, 0.44, 0.43, 0.28, 0.26))
    spine = np.array([0.0, -np.cos(np.radians(lean)), -np.sin(np.radians(lean))]) * torso
    for side, sign in ((0, 1.0), (1, -1.0)):
        hip = np.array([0.11 * sign, 0, 0]) * build
        knee = hip + _bone(thigh, thighs[side], 4 * sign)
        ankle = knee + _bone(shin, shins[side], 1 * sign)
        shoulder = spine + np.array([0.18 * sign, 0, 0]) * build
        elbow = shoulder + _bone(arm, arms[side][0], arms[side][1] * sign)
        wrist = elbow + _bone(forearm, forearms[side][0], forearms[side][1] * sign)
        for index, place in ((23, hip), (25, knee), (27, ankle), (11, shoulder), (13, elbow), (15, wrist)):
            points[index + side] = place
        for index in (17, 19, 21):
            points[index + side] = wrist + (wrist - elbow) * 0.25
        points[29 + side] = ankle + np.array([0, 0.05, 0.05])
        points[31 + side] = ankle + np.array([0, 0.06, -0.15])
    points[:11] = spine * 1.4 + np.random.default_rng(0).normal(0, 0.04, (11, 3))
    if lie:
        tip = np.radians(lie)
        turn = np.array([[np.cos(tip), -np.sin(tip), 0], [np.sin(tip), np.cos(tip), 0], [0, 0, 1]])
        points = points @ turn.T
    ground = points[:, 1].max()
    return points + np.array([along, -ground - up, 0.0])


def standing(t: float, pace: float) -> dict[str, object]:
    return {"lean": 3 + np.sin(t)}


def sitting(t: float, pace: float) -> dict[str, object]:
    return {
        "lean": 8 + 2 * np.sin(t * pace),
        "thighs": (86.0, 84.0),
        "shins": (4.0, -6.0),
        "arms": ((30, 8), (30, 8)),
        "forearms": ((80, 0), (80, 0)),
    }


def squatting(t: float, pace: float) -> dict[str, object]:
    depth = 0.5 - 0.5 * np.cos(min(1.0, t * pace) * np.pi)
    return {
        "lean": 30 * depth,
        "thighs": (95 * depth,) * 2,
        "shins": (-38 * depth,) * 2,
        "arms": ((80 * depth, 5), (80 * depth, 5)),
        "forearms": ((80 * depth, 5), (80 * depth, 5)),
    }


def bending(t: float, pace: float) -> dict[str, object]:
    depth = 0.5 - 0.5 * np.cos(min(1.0, t * pace) * np.pi)
    return {"lean": 80 * depth, "thighs": (5 * depth,) * 2, "shins": (-4 * depth,) * 2, "arms": ((35 * depth, 5),) * 2}


def _gait(t: float, steps: float, reach: float, knee: float) -> dict[str, object]:
    phase = np.pi * steps * t
    left, right = np.sin(phase), -np.sin(phase)
    lift = [max(0.0, np.cos(phase)), max(0.0, -np.cos(phase))]
    return {
        "thighs": (reach * left + knee * 0.3 * lift[0], reach * right + knee * 0.3 * lift[1]),
        "shins": (reach * left - 8 - knee * lift[0], reach * right - 8 - knee * lift[1]),
        "arms": ((reach * right, 8), (reach * left, 8)),
        "forearms": ((reach * right + 20, 5), (reach * left + 20, 5)),
    }


def walking(t: float, pace: float) -> dict[str, object]:
    return {**_gait(t, 1.8 * pace, 24, 30), "along": 1.2 * pace * t}


def running(t: float, pace: float) -> dict[str, object]:
    return {
        **_gait(t, 2.9 * pace, 38, 80),
        "lean": 10,
        "along": 3.0 * pace * t,
        "up": 0.04 * abs(np.cos(np.pi * 2.9 * pace * t)),
    }


def jumping(t: float, pace: float) -> dict[str, object]:
    cycle = (t * pace) % 1.0
    air = max(0.0, np.sin((cycle - 0.4) / 0.45 * np.pi)) if 0.4 < cycle < 0.85 else 0.0
    crouch = max(0.0, np.sin(cycle / 0.4 * np.pi)) if cycle < 0.4 else 0.0
    return {"up": 0.35 * air, "thighs": (30 * crouch,) * 2, "shins": (-28 * crouch,) * 2, "lean": 5 + 12 * crouch}


def lying(t: float, pace: float) -> dict[str, object]:
    return {"lie": 88.0, "lean": 2 + np.sin(t)}


def falling(t: float, pace: float) -> dict[str, object]:
    return {"lie": 88 * min(1.0, max(0.0, (t * pace - 1.0) / 0.6)) ** 2}


def waving(t: float, pace: float) -> dict[str, object]:
    swing = 32 * np.sin(2 * np.pi * 1.4 * pace * t)
    return {"arms": ((10, 70), (5, 8)), "forearms": ((15, 175 + swing), (10, 5))}


def both_arms(t: float, pace: float) -> dict[str, object]:
    raised = min(1.0, t * pace * 1.5)
    angle = 10 + 160 * raised
    return {"arms": ((5, angle), (5, angle)), "forearms": ((5, angle + 2), (5, angle + 2))}


def clapping(t: float, pace: float) -> dict[str, object]:
    swing = -38 + 50 * np.sin(2 * np.pi * 1.7 * pace * t)
    return {"arms": ((35, 12), (35, 12)), "forearms": ((45, swing), (45, swing))}


def sitting_down(t: float, pace: float) -> dict[str, object]:
    """Within a second; the torso leans forward meanwhile."""
    depth = 0.5 - 0.5 * np.cos(min(1.0, max(0.0, t * pace - 1.0)) * np.pi)
    return {"lean": 5 + 35 * np.sin(depth * np.pi), "thighs": (86 * depth,) * 2, "shins": (2 * depth,) * 2}


def kicking(t: float, pace: float) -> dict[str, object]:
    """One leg held out to the front, which no rule knows."""
    return {"thighs": (80.0, 2.0), "shins": (78.0, 0.0), "lean": -8 + np.sin(t * pace)}


def stretching(t: float, pace: float) -> dict[str, object]:
    """Deep sideways lean on bent legs, as some stretch."""
    return {"lie": 40.0, "thighs": (55.0, 10.0), "shins": (-30.0, -20.0), "lean": 5 + np.sin(t * pace)}


MOVES: Final[dict[str, Callable[[float, float], dict[str, object]]]] = {
    "standing": standing,
    "sitting": sitting,
    "squatting": squatting,
    "bending": bending,
    "walking": walking,
    "running": running,
    "jumping": jumping,
    "lying": lying,
    "falling": falling,
    "waving": waving,
    "raising both arms": both_arms,
    "clapping": clapping,
}


def film(
    move: str | Callable[[float, float], dict[str, object]],
    *,
    seconds: float = 4.0,
    seed: int = 0,
    yaw: float = 0.0,
    pace: float = 1.0,
    jitter_metres: float = 0.01,
    metre_px: float = 220.0,
    hide: tuple[int, ...] = (),
    fps: float = FPS,
    start: float = 0.0,
) -> list[tuple[float, Pose | None]]:
    """Poses with their times. ``yaw`` turns the person away from the camera, in degrees; ``hide`` are landmarks out of
    sight.
    """
    dice = np.random.default_rng(seed)
    pose_at = MOVES[move] if isinstance(move, str) else move
    build = dice.uniform(0.85, 1.1)
    turn = np.radians(yaw)
    around = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    filmed: list[tuple[float, Pose | None]] = []
    for number in range(round(seconds * fps)):
        t = number / fps
        points = body(**pose_at(t, pace), build=build) @ around.T  # type: ignore[arg-type] # the moves' own words
        points = points + dice.normal(0, jitter_metres, points.shape)
        metres = points - (points[23] + points[24]) / 2
        px = points * metre_px + [320, 440, 0]
        visible = [0.1 if index in hide else 0.95 for index in range(33)]
        filmed.append(
            (
                start + t,
                Pose(
                    1,
                    tuple(Landmark(*map(float, p), v) for p, v in zip(px, visible, strict=True)),
                    tuple(Landmark(*map(float, p), v) for p, v in zip(metres, visible, strict=True)),
                ),
            )
        )
    return filmed


#: Movements that no rule describes, or that come close to one.
OTHERS: Final[dict[str, Callable[[float, float], dict[str, object]]]] = {
    "sitting down": sitting_down,
    "kicking": kicking,
    "stretching": stretching,
}


FILMED_ENTRY: Final = """
[[model]]
id = "filmed"
title = "A film of a person of sticks"
capability = "body-tracking"
engine = "moving_people:FilmedBodies"
licence = "Apache-2.0"
default = true
options = {{ move = "{move}", seed = {seed} }}
"""


class FilmedBodies:
    """A body tracker that sees ``options.move``, whatever the frames show."""

    capability: ClassVar[str] = "body-tracking"

    def __init__(self, context: LoadContext) -> None:
        options = context.entry.options
        self._film = film({**MOVES, **OTHERS}[options["move"]], seconds=20, seed=options["seed"], fps=25)

    def close(self) -> None:
        """Nothing to free."""

    def track(self, frames: Iterable[VideoFrame], *, cancel: CancelToken, **_: object) -> Iterator[Bodies]:
        for frame in frames:
            cancel.check()
            pose = self._film[min(round(frame.seconds * 25), len(self._film) - 1)][1]
            yield Bodies(frame.seconds, (pose,) if pose else ())
