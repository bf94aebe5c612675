"""Things and bodies followed through clips: photos that move before a wall, with the embedded models."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from clips import grey, moving_photo
from PIL import Image

from engines.catalog import Catalog
from engines.errors import MissingExtraError
from engines.image.nanodet import NanoDet
from engines.image.read import read_image
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import Box, Seen, VideoFrame
from engines.video.cuts import SceneCuts

MEDIA = Path(__file__).parents[1] / "media"
WEIGHTS = Path(__file__).parents[2] / "engines" / "data" / "nanodet"
PORTRAIT = read_image(MEDIA / "astronaut.jpg")


def context(model_id: str, folder: Path = Path()) -> LoadContext:
    return LoadContext(Catalog.load().get(model_id), folder)


def box(left: float, top: float = 10, label: str = "person", score: float = 0.9) -> Box:
    return Box(label, score, left, top, left + 40, top + 90)


def seen(*frames: tuple[Box, ...], fps: float = 5.0) -> list[Seen]:
    return [Seen(number / fps, boxes) for number, boxes in enumerate(frames)]


class TestTracks:
    @pytest.fixture(scope="class")
    def tracker(self):  # its module needs an extra
        pytest.importorskip("trackers", reason="needs the extra `vision`")
        from engines.video.bytetrack import ByteTrack

        return ByteTrack(context("bytetrack"))

    def test_two_people_pass_each_other_and_keep_their_numbers(self, tracker) -> None:
        frames = [(box(20 + 12 * n, top=10), box(320 - 12 * n, top=60)) for n in range(20)]
        tracks = tracker.track(seen(*frames))
        assert [track.id for track in tracks] == [1, 2]
        for track, step in zip(sorted(tracks, key=lambda track: track.seen[0][1].left), (12, -12), strict=True):
            lefts = [found.left for _, found in track.seen]
            assert len(lefts) >= 18
            assert all(after - before == step for before, after in itertools.pairwise(lefts))

    def test_labels_never_mix(self, tracker) -> None:
        frames = [(box(50, label="dog"), box(50, label="cat")) for _ in range(6)]
        assert sorted(track.label for track in tracker.track(seen(*frames))) == ["cat", "dog"]

    def test_a_short_absence_is_bridged_a_long_one_is_not(self, tracker) -> None:
        short = [(box(50),)] * 5 + [()] * 3 + [(box(50),)] * 5
        assert len(tracker.track(seen(*short))) == 1
        long = [(box(50),)] * 5 + [()] * 20 + [(box(50),)] * 5
        assert len(tracker.track(seen(*long))) == 2

    def test_half_hidden_things_go_on_but_don_t_begin(self, tracker) -> None:
        frames = [(box(50),)] * 4 + [(box(50, score=0.25),)] * 6
        (track,) = tracker.track(seen(*frames), threshold=0.5)
        assert track.end == pytest.approx(9 / 5)
        assert tracker.track(seen(*[(box(50, score=0.25),)] * 6), threshold=0.5) == ()

    def test_what_is_seen_once_does_not_count(self, tracker) -> None:
        assert tracker.track(seen((box(50),), (), (), ())) == ()

    def test_nobody_is_carried_across_a_cut(self, tracker) -> None:
        moments = [Seen(n / 5, (box(50),), cut=n == 5) for n in range(10)]
        assert [track.label for track in tracker.track(moments)] == ["person", "person"]

    def test_nothing_to_follow(self, tracker) -> None:
        assert tracker.track([]) == ()
        assert tracker.track(seen((), (), ())) == ()

    def test_cancelled(self, tracker) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            tracker.track(seen((box(1),)), cancel=cancel)

    def test_with_the_embedded_detector_one_walks_and_one_stays(self, tracker) -> None:
        photo = PORTRAIT.resize((220, 220))
        frames = moving_photo(photo, [(10 + 18 * n, 20) for n in range(10)], (700, 480))
        for frame in frames:
            frame.paste(photo, (460, 250))
        detector = NanoDet(context("nanodet-416", WEIGHTS))
        found = [
            Seen(n / 5, tuple(b for b in detector.detect(frame, threshold=0.2) if b.label == "person"))
            for n, frame in enumerate(frames)
        ]
        sure = [track for track in tracker.track(found) if track.score > 0.6]
        tracks = [track for track in sure if len(track.seen) > 4]
        assert len(tracks) == len(sure) == 2
        moved = sorted(track.seen[-1][1].left - track.seen[0][1].left for track in tracks)
        assert moved[0] == pytest.approx(0, abs=12)
        assert moved[1] > 90


class TestCuts:
    def test_another_scene_is_a_cut_a_movement_is_none(self) -> None:
        cuts = SceneCuts()
        frames = moving_photo(PORTRAIT, [(0, 0), (20, 0), (40, 0)], (700, 520))
        assert [cuts.is_cut(frame) for frame in [*frames, grey(240, (700, 520)), grey(236, (700, 520))]] == [
            False,
            False,
            False,
            True,
            False,
        ]


class TestBodies:
    @pytest.fixture(scope="class")
    def bodies(self):  # its module needs an extra
        pytest.importorskip("mediapipe", reason="needs mediapipe, see the extra `vision`")
        from engines.video.body import MediaPipeBody

        engine = MediaPipeBody(context("mediapipe-body"))
        yield engine
        engine.close()

    def test_everything_in_a_portrait(self, bodies) -> None:
        parts = ("pose", "face", "hands", "mask")
        (found,) = bodies.track([VideoFrame(PORTRAIT, 0.0)], parts=parts)
        (pose,) = found.poses
        assert len(pose.points) == len(pose.world) == 33
        nose = pose.points[0]
        assert (nose.x, nose.y) == (pytest.approx(222, abs=15), pytest.approx(135, abs=15))
        assert nose.visibility > 0.9
        left_shoulder, right_shoulder = pose.points[11], pose.points[12]
        assert left_shoulder.x > right_shoulder.x, "she faces the camera: her left is on the right"
        (face,) = found.faces
        assert len(face) == 468
        assert found.hands == ()
        assert found.mask is not None
        assert found.mask.shape == (512, 512)
        assert found.mask[150, 220] > 0.9 > 0.1 > found.mask[40, 420]

    def test_legs_that_the_picture_cuts_off_are_not_visible(self, bodies) -> None:
        (found,) = bodies.track([VideoFrame(PORTRAIT, 0.0)])
        assert max(found.poses[0].points[index].visibility for index in range(25, 33)) == 0

    def test_several_people_each_in_a_cut_out(self, bodies) -> None:
        row = Image.new("RGB", (1024, 512))
        row.paste(PORTRAIT, (0, 0))
        row.paste(PORTRAIT, (512, 0))
        people = {0.0: {4: Box("person", 1.0, 20, 10, 370, 512), 7: Box("person", 1.0, 532, 10, 882, 512)}}
        (found,) = bodies.track([VideoFrame(row, 0.0)], people=people)
        noses = {pose.person: pose.points[0].x for pose in found.poses}
        assert noses == {4: pytest.approx(222, abs=20), 7: pytest.approx(734, abs=20)}

    def test_nobody_on_a_wall_nor_after_a_cut_to_one(self, bodies) -> None:
        wall = grey(120, (512, 512))
        frames = [VideoFrame(image, n / 5) for n, image in enumerate([PORTRAIT, PORTRAIT, wall, wall])]
        found = list(bodies.track(frames))
        assert [len(frame.poses) for frame in found] == [1, 1, 0, 0]

    def test_clips_don_t_know_of_each_other(self, bodies) -> None:
        first = [pose for found in bodies.track([VideoFrame(PORTRAIT, 0.0)]) for pose in found.poses]
        list(bodies.track([VideoFrame(grey(9, (300, 200)), 0.0)]))
        again = [pose for found in bodies.track([VideoFrame(PORTRAIT, 0.0)]) for pose in found.poses]
        for one, two in zip(first[0].points, again[0].points, strict=True):
            assert (one.x, one.y) == (pytest.approx(two.x, abs=2), pytest.approx(two.y, abs=2))

    @pytest.mark.parametrize("size", [(1, 1), (900, 3), (3, 900)])
    def test_odd_shapes(self, bodies, size: tuple[int, int]) -> None:
        (found,) = bodies.track([VideoFrame(Image.new("RGB", size), 0.0)], parts=("pose", "mask"))
        assert found.poses == ()
        assert found.mask is not None
        assert found.mask.shape == size[::-1]

    def test_frames_are_taken_one_at_a_time_and_cancelling_stops_it(self, bodies) -> None:
        taken = []
        cancel = CancelToken()

        def endless():  # a generator of frames
            while True:
                taken.append(1)
                yield VideoFrame(PORTRAIT, len(taken) / 10)

        results = bodies.track(endless(), cancel=cancel)
        next(results)
        next(results)
        assert len(taken) == 2
        cancel.set()
        with pytest.raises(Cancelled):
            next(results)

    def test_the_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import engines.video.body as module

        def missing(start: object) -> object:
            raise ModuleNotFoundError("No module named 'mediapipe'", name="mediapipe")

        monkeypatch.setattr(module, "Graph", missing)
        with pytest.raises(MissingExtraError, match=r"'mediapipe'.*pip install --no-deps mediapipe==0\.10\.21"):
            module.MediaPipeBody(context("mediapipe-body"))


def test_masks_are_copies() -> None:
    """MediaPipe hands out its own memory, which the next frame writes over."""
    pytest.importorskip("mediapipe", reason="needs mediapipe, see the extra `vision`")
    from engines.video.body import MediaPipeBody

    engine = MediaPipeBody(context("mediapipe-body"))
    frames = [VideoFrame(PORTRAIT, 0.0), VideoFrame(grey(120, (512, 512)), 0.2)]
    first, second = engine.track(frames, parts=("mask",))
    engine.close()
    assert first.mask is not None
    assert second.mask is not None
    assert not np.allclose(first.mask, second.mask)
    assert first.mask.max() > 0.9
