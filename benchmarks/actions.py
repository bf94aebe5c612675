"""How well rules and examples tell actions apart, on landmarks of people made of sticks; and what real frames cost.

The people are synthetic (`tests/support/moving_people.py`: bodies of many builds, turned up to 50 degrees from the
camera, at 0.8 to 1.2 times the usual pace, with 5 to 20 mm of jitter), and the rules were written while looking at
them: the figures say that the rules do what they say, not how they fare with MediaPipe's landmarks of real people.

    python benchmarks/actions.py [CLIP.mp4]
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from moving_people import MOVES, OTHERS, film  # noqa: E402 # found through the line above

from engines.catalog import Catalog  # noqa: E402 # found through the line above
from engines.image.nanodet import NanoDet  # noqa: E402 # found through the line above
from engines.loading import LoadContext  # noqa: E402 # found through the line above
from engines.protocols import ActionExample, Seen  # noqa: E402 # found through the line above
from engines.video.action_examples import spans_by_examples  # noqa: E402 # found through the line above
from engines.video.action_rules import rules, spans_by_rules  # noqa: E402 # found through the line above
from engines.video.body import MediaPipeBody  # noqa: E402 # found through the line above
from engines.video.bytetrack import ByteTrack  # noqa: E402 # found through the line above
from engines.video.pose_features import BodyPath, body_path, shape_features  # noqa: E402 # found through the line above
from engines.video.read import Video  # noqa: E402 # found through the line above

FILMS = 20
"""Of each movement."""

ALL = {**MOVES, **OTHERS}
SHORT = {rule.label for rule in rules() if rule.group == "gesture"} | {"falling"}
_NEAREST = {"sitting down": "sitting"}
LEARNED = ("kicking", "clapping", "bending", "jumping")


def main() -> None:
    print_rules()
    for shots in (1, 3):
        print_examples(shots)
    for name in sys.argv[1:]:
        print_cost(Path(name))


def path_of(move: str, seed: int, seconds: float = 4.0) -> BodyPath:
    dice = np.random.default_rng(1000 + seed)
    return body_path(
        film(
            ALL[move],
            seed=seed,
            seconds=seconds,
            yaw=dice.uniform(-50, 50),
            pace=dice.uniform(0.8, 1.2),
            jitter_metres=dice.choice([0.005, 0.01, 0.02]),
        )
    )


def print_rules() -> None:
    """Right: the longest posture is the movement's; of gestures and falls, that they are found at all."""
    right: Counter[str] = Counter()
    false: Counter[tuple[str, str]] = Counter()
    for move in ALL:
        for seed in range(FILMS):
            totals: Counter[str] = Counter()
            for span in spans_by_rules(path_of(move, seed)):
                totals[span.label] += round((span.end - span.start) * 1000)
            longest = max((label for label in totals if label not in SHORT), key=lambda label: totals[label])
            wanted = move if move in MOVES else _NEAREST.get(move, "unknown")
            right[move] += totals[move] > 250 if move in SHORT else longest == wanted
            for label in set(totals) & SHORT - {move}:
                false[move, label] += 1
        others = {label: count for (of, label), count in false.items() if of == move}
        print(f"rules  {move:18} {right[move]}/{FILMS}", others)
    known = sum(right[move] for move in MOVES)
    share = known / FILMS / len(MOVES)
    print(f"rules  known movements {share:.1%}; gestures and falls seen wrongly {sum(false.values())}")


def print_examples(shots: int) -> None:
    examples = [
        ActionExample(f"my {move}", 2.0, shape_features(path_of(move, 500 + number, 2.0)))
        for move in LEARNED
        for number in range(shots)
    ]
    hits = wrong = 0
    for move in ALL:
        for seed in range(FILMS // 4):
            found = {span.label for span in spans_by_examples(path_of(move, seed), examples)}
            hits += f"my {move}" in found
            wrong += bool(found - {f"my {move}"})
    films = FILMS // 4
    print(f"examples, {shots} each: found {hits}/{films * len(LEARNED)}, wrong in {wrong}/{films * len(ALL)} films")


def print_cost(clip: Path) -> None:
    """CPU-seconds per second of video."""
    catalog, video = Catalog.load(), Video(clip)
    detector = NanoDet(LoadContext(catalog.get("nanodet-416"), ROOT / "engines" / "data" / "nanodet"))
    tracker = ByteTrack(LoadContext(catalog.get("bytetrack"), ROOT))
    bodies = MediaPipeBody(LoadContext(catalog.get("mediapipe-body"), ROOT))
    began = time.process_time()
    tracker.track([Seen(f.seconds, detector.detect(f.image, threshold=0.2)) for f in video.frames(fps=6)])
    print(f"track_objects at 6 frames a second: {(time.process_time() - began) / video.info.seconds:.2f}")
    for parts in (("pose",), ("face",), ("hands",), ("mask",)):
        began = time.process_time()
        found = sum(
            bool(one.poses or one.faces or one.hands) for one in bodies.track(video.frames(fps=10), parts=parts)
        )
        spent = (time.process_time() - began) / video.info.seconds
        print(f"track_body, {parts[0]}, at 10 frames a second: {spent:.2f}; found in {found} frames")


if __name__ == "__main__":
    main()
