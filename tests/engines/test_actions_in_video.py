"""Actions told by rules and by examples, on landmarks of people made of sticks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from moving_people import MOVES, OTHERS, film
from PIL import Image

from engines.catalog import Catalog, ModelEntry
from engines.errors import InputError, MediaError, NotFoundError
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import ActionExample, ActionSpan, Bodies, Pose, VideoFrame
from engines.video.action_rules import rules, spans_by_rules
from engines.video.action_store import ActionStore
from engines.video.pose_actions import PoseActions
from engines.video.pose_features import RATE, body_path, posture_features

GESTURES = {"waving", "clapping", "raising both arms"}
BLANK = Image.new("RGB", (8, 8))


class Films:
    """A body tracker that sees people of sticks, whatever the frames show."""

    def __init__(self, filmed: Sequence[tuple[float, Pose | None]]) -> None:
        self.filmed = filmed

    def track(self, frames: Iterable[VideoFrame], *, cancel: CancelToken, **_: object) -> Iterator[Bodies]:
        for _, (seconds, pose) in zip(frames, self.filmed, strict=True):
            cancel.check()
            yield Bodies(seconds, (pose,) if pose else ())


def watcher(filmed: Sequence[tuple[float, Pose | None]]) -> PoseActions:
    entry = Catalog.load().get("pose-rules")
    return PoseActions(LoadContext(entry, Path(), parts={"body-tracking": Films(filmed)}))


def frames_of(filmed: Sequence[tuple[float, Pose | None]]) -> list[VideoFrame]:
    return [VideoFrame(BLANK, seconds) for seconds, _ in filmed]


def seen(filmed: list[tuple[float, Pose | None]], **given: object) -> tuple[ActionSpan, ...]:
    return watcher(filmed).recognize(frames_of(filmed), **given)  # type: ignore[arg-type] # each test's own words


def seconds_of(spans: Iterable[ActionSpan]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for span in spans:
        totals[span.label] = totals.get(span.label, 0) + span.end - span.start
    return totals


def example(move: str, label: str, seed: int, yaw: float = 0.0) -> ActionExample:
    filmed = film({**MOVES, **OTHERS}[move], seconds=2.0, seed=seed, yaw=yaw)
    return watcher(filmed).describe(frames_of(filmed), label)


class TestRules:
    @pytest.mark.parametrize("move", MOVES)
    @pytest.mark.parametrize(("seed", "yaw"), [(1, 0), (2, 40), (3, -40)])
    def test_each_movement_from_the_front_and_from_the_sides(self, move: str, seed: int, yaw: float) -> None:
        totals = seconds_of(seen(film(move, seed=seed, yaw=yaw)))
        postures = {label: seconds for label, seconds in totals.items() if label not in GESTURES}
        if move in GESTURES or move == "falling":
            assert totals[move] > 0.25
            assert GESTURES & set(totals) <= {move}
        else:
            assert max(postures, key=lambda label: postures[label]) == move
            assert not GESTURES & set(totals)

    @pytest.mark.parametrize("move", ["kicking", "stretching"])
    def test_what_no_rule_describes_is_unknown(self, move: str) -> None:
        totals = seconds_of(seen(film(OTHERS[move], seed=4)))
        assert totals["unknown"] > 3.5

    def test_sitting_down_is_no_fall(self) -> None:
        totals = seconds_of(seen(film(OTHERS["sitting down"], seed=4, pace=1.3)))
        assert set(totals) <= {"standing", "sitting", "unknown"}

    def test_one_after_the_other(self) -> None:
        filmed = [*film("standing", seconds=3), *film("sitting", seconds=3, start=3.0)]
        spans = seen(filmed)
        assert [span.label for span in spans if span.label != "unknown"] == ["standing", "sitting"]
        (standing,) = (span for span in spans if span.label == "standing")
        assert (standing.start, standing.end) == (0.0, pytest.approx(3.0, abs=0.4))

    def test_a_posture_and_a_gesture_at_once(self) -> None:
        assert {"standing", "waving"} <= set(seconds_of(seen(film("waving", seed=1))))

    def test_legs_out_of_sight_leave_the_posture_unknown_and_the_gesture_known(self) -> None:
        totals = seconds_of(seen(film("waving", seed=1, hide=(25, 26, 27, 28, 29, 30, 31, 32))))
        assert "waving" in totals
        assert "standing" not in totals

    def test_nobody_in_sight(self) -> None:
        spans = seen([(number / RATE, None) for number in range(30)])
        assert [(span.label, span.start, span.end) for span in spans] == [("unknown", 0.0, pytest.approx(3.0))]

    def test_an_empty_clip(self) -> None:
        assert seen([]) == ()

    def test_a_moment_out_of_sight_does_not_end_an_action_a_long_while_does(self) -> None:
        filmed = film("standing", seconds=6, seed=1)
        blink = [(seconds, None if 2.0 <= seconds < 2.3 else pose) for seconds, pose in filmed]
        assert [span.label for span in seen(blink)] == ["standing"]
        gone = [(seconds, None if 2.0 <= seconds < 4.0 else pose) for seconds, pose in filmed]
        assert [span.label for span in seen(gone)] == ["standing", "unknown", "standing"]

    def test_hysteresis_keeps_a_value_at_the_edge_from_flickering(self) -> None:
        def swaying(t: float, pace: float) -> dict[str, object]:
            return {"lean": 24 + 4 * np.sin(9 * t) - (12 if t < 1 else 0)}

        path = body_path(film(swaying, seconds=4, seed=1, jitter_metres=0.002))
        lean = posture_features(path)["lean"]
        strict = next(rule for rule in rules() if rule.label == "standing").enter["lean"][1]
        assert sum(abs(np.diff((lean <= strict).astype(int)))) > 3, "the sway must cross the strict bound often"
        assert sum(span.label == "standing" for span in spans_by_rules(path, ["standing"])) == 1

    def test_a_body_of_a_few_pixels_is_not_judged(self) -> None:
        assert set(seconds_of(seen(film("standing", metre_px=30)))) == {"unknown"}

    def test_size_and_rate_don_t_matter(self) -> None:
        for metre_px, fps in ((80, 10), (900, 10), (220, 25), (220, 7)):
            totals = seconds_of(seen(film("walking", metre_px=metre_px, fps=fps, seed=2)))
            assert max(totals, key=lambda label: totals[label]) == "walking", (metre_px, fps)

    def test_only_what_was_asked_for(self) -> None:
        totals = seconds_of(seen(film("waving", seed=1), actions=["waving"]))
        assert set(totals) <= {"waving", "unknown"}

    def test_an_action_without_a_rule(self) -> None:
        with pytest.raises(InputError, match=r"no rule for 'juggling'.*Known: falling.*actions enrol"):
            seen(film("standing"), actions=["juggling"])

    def test_cancelled(self) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            seen(film("standing"), cancel=cancel)

    def test_every_rule_uses_features_that_exist_and_is_looser_once_begun(self) -> None:
        known = posture_features(body_path(film("standing", seconds=2)))
        for rule in rules():
            assert set(rule.enter) == set(rule.stay) <= set(known), rule.label
            for name, (low, high) in rule.enter.items():
                assert rule.stay[name][0] <= low < high <= rule.stay[name][1], rule.label


class TestExamples:
    @pytest.fixture(scope="class")
    def kicks(self) -> list[ActionExample]:
        return [example("kicking", "kick", seed, yaw) for seed, yaw in ((50, 0), (51, 30), (52, -30))]

    def test_a_new_action_from_three_examples(self, kicks: list[ActionExample]) -> None:
        for seed, yaw in ((1, 10), (2, -20), (3, 35)):
            totals = seconds_of(seen(film(OTHERS["kicking"], seed=seed, yaw=yaw), examples=kicks))
            assert totals.get("kick", 0) > 3, (seed, yaw)
            assert totals.get("unknown", 0) < 0.6

    @pytest.mark.parametrize("move", [move for move in MOVES if move != "falling"])
    def test_other_movements_are_not_taken_for_it(self, kicks: list[ActionExample], move: str) -> None:
        assert "kick" not in seconds_of(seen(film(move, seed=7, yaw=15), examples=kicks))

    def test_the_nearest_of_several(self, kicks: list[ActionExample]) -> None:
        known = [*kicks, *(example("clapping", "applause", seed) for seed in (60, 61))]
        totals = seconds_of(seen(film("clapping", seed=5), examples=known, actions=["applause", "kick"]))
        assert set(totals) == {"applause"}

    def test_the_other_hand_counts_too(self) -> None:
        def left(t: float, pace: float) -> dict[str, object]:
            swing = 32 * np.sin(2 * np.pi * 1.4 * t)
            return {"arms": ((5, 8), (10, 70)), "forearms": ((10, 5), (15, 175 + swing))}

        hello = [example("waving", "hello", seed) for seed in (70, 71)]
        assert seconds_of(seen(film(left, seed=3), examples=hello, actions=["hello"])).get("hello", 0) > 2

    def test_a_clip_without_anybody_teaches_nothing(self) -> None:
        filmed: list[tuple[float, Pose | None]] = [(number / RATE, None) for number in range(20)]
        with pytest.raises(MediaError, match="Nobody can be followed"):
            watcher(filmed).describe(frames_of(filmed), "x")

    @pytest.mark.parametrize("seconds", [0.3, 25])
    def test_too_short_and_too_long(self, seconds: float) -> None:
        filmed = film("standing", seconds=seconds)
        with pytest.raises(InputError, match=r"lasts 0\.5 to 20 s"):
            watcher(filmed).describe(frames_of(filmed), "x")


class TestStore:
    def test_kept_listed_and_forgotten(self, tmp_path: Path) -> None:
        store = ActionStore(tmp_path / "actions")
        assert store.known() == ()
        shown = [example("waving", "hello there", seed) for seed in (1, 2)]
        for one in shown:
            store.add(one)
        store.add(example("clapping", "applause", 3))
        assert [(item.label, item.examples) for item in ActionStore(tmp_path / "actions").known()] == [
            ("applause", 1),
            ("hello there", 2),
        ]
        kept = [one for one in store.examples() if one.label == "hello there"]
        assert {one.features.tobytes() for one in kept} == {one.features.tobytes() for one in shown}
        assert store.remove("hello there") == 2
        with pytest.raises(NotFoundError, match=r"'hello there'.*applause"):
            store.remove("hello there")

    def test_damaged_files_are_passed_over(self, tmp_path: Path) -> None:
        store = ActionStore(tmp_path)
        store.add(example("waving", "hello", 1))
        (tmp_path / "bad.npz").write_bytes(b"PK\3\4 nothing")
        (tmp_path / "empty.npz").write_bytes(b"")
        assert [one.label for one in store.examples()] == ["hello"]

    def test_so_is_a_file_in_which_any_byte_is_wrong(self, tmp_path: Path) -> None:
        store = ActionStore(tmp_path)
        store.add(ActionExample("hello", 1.0, np.random.default_rng(1).random((4, 9), np.float32)))
        (path,) = tmp_path.glob("*.npz")
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
            store.examples()

    @pytest.mark.parametrize("label", ["", " x", "a/b", "a\nb", "unknown", "x" * 41, "[red]"])
    def test_names_that_won_t_do(self, tmp_path: Path, label: str) -> None:
        with pytest.raises(InputError, match="can't be the name"):
            ActionStore(tmp_path).add(ActionExample(label, 1.0, np.zeros((10, 17), np.float32)))


def test_the_catalog_lists_it_as_a_stand_in() -> None:
    entry: ModelEntry = Catalog.load().get("pose-rules")
    assert entry.fallback
    assert entry.uses == ("body-tracking",)
