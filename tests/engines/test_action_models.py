"""Actions by trained networks: the real library on tiny networks with random weights, so no answer means anything."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `transformers`")
pytest.importorskip("transformers", reason="needs the extra `transformers`")

from clips import grey
from tiny_actions import ACTIONS, build_timesformer, build_videomae, build_xclip

from engines.catalog import ModelEntry
from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import ActionExample, VideoFrame
from engines.video.action_rules import rules
from engines.video.transformers_actions import VideoAndText, VideoClassifier, _joined, _windows


def context(folder: Path, **options: float) -> LoadContext:
    entry = ModelEntry(
        id="tiny",
        title="Tiny",
        capability="action-recognition",
        engine="engines.video.transformers_actions:VideoClassifier",
        licence="none",
        options=options,
    )
    return LoadContext(entry, folder)


def clip(seconds: float, fps: float = 8.0) -> list[VideoFrame]:
    return [VideoFrame(grey(40 + 3 * number % 200), number / fps) for number in range(round(seconds * fps))]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> VideoClassifier:
    return VideoClassifier(context(build_videomae(tmp_path_factory.mktemp("videomae")), least=0.0))


@pytest.fixture(scope="module")
def zero_shot(tmp_path_factory: pytest.TempPathFactory) -> VideoAndText:
    return VideoAndText(context(build_xclip(tmp_path_factory.mktemp("xclip")), least=0.0))


class TestClassifier:
    def test_spans_cover_the_clip_in_order(self, classifier: VideoClassifier) -> None:
        assert classifier.labels == ACTIONS
        assert classifier.frames_per_second == 8.0
        spans = classifier.recognize(clip(5.0))
        assert (spans[0].start, spans[-1].end) == (0.0, pytest.approx(4.875))
        assert all(one.end == two.start for one, two in itertools.pairwise(spans))
        assert {span.label for span in spans} <= set(ACTIONS)
        assert all(0 < span.score < 1 for span in spans)

    def test_a_clip_shorter_than_a_window(self, classifier: VideoClassifier) -> None:
        (span,) = classifier.recognize(clip(0.5))
        assert (span.start, span.end) == (0.0, pytest.approx(0.375))

    def test_a_single_frame_and_none(self, classifier: VideoClassifier) -> None:
        assert len(classifier.recognize(clip(0.125))) <= 1
        assert classifier.recognize([]) == ()

    def test_only_the_actions_that_were_asked_for(self, classifier: VideoClassifier) -> None:
        assert {span.label for span in classifier.recognize(clip(3.0), actions=["Abseiling"])} == {"abseiling"}

    def test_an_unknown_action_names_those_near_it(self, classifier: VideoClassifier) -> None:
        with pytest.raises(InputError, match=r"does not know the action 'waving'.*waving hand.*xclip"):
            classifier.recognize(clip(1.0), actions=["waving"])

    def test_below_the_least_probability_nothing_is_said(self, tmp_path: Path) -> None:
        engine = VideoClassifier(context(build_videomae(tmp_path), least=0.99))
        assert {span.label for span in engine.recognize(clip(3.0))} == {"unknown"}

    def test_timesformer_by_the_same_door(self, tmp_path: Path) -> None:
        engine = VideoClassifier(context(build_timesformer(tmp_path), least=0.0))
        assert engine.frames_per_second == 4.0
        assert engine.recognize(clip(3.0, fps=4))

    def test_it_learns_nothing(self, classifier: VideoClassifier) -> None:
        shown = [ActionExample("x", 1.0, np.zeros((10, 17), np.float32))]
        with pytest.raises(InputError, match="takes no examples"):
            classifier.recognize(clip(1.0), examples=shown)
        with pytest.raises(InputError, match="learns no actions"):
            classifier.describe(clip(1.0), "x")

    def test_cancelled(self, classifier: VideoClassifier) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            classifier.recognize(clip(3.0), cancel=cancel)

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match="tiny"):
            VideoClassifier(context(tmp_path))


class TestZeroShot:
    def test_any_words(self, zero_shot: VideoAndText) -> None:
        spans = zero_shot.recognize(clip(5.0, fps=4), actions=["juggling", "riding a bike"])
        assert {span.label for span in spans} <= {"juggling", "riding a bike"}
        assert spans[-1].end == pytest.approx(4.75)

    def test_a_single_action_is_weighed_against_something_else(self, zero_shot: VideoAndText) -> None:
        spans = zero_shot.recognize(clip(3.0, fps=4), actions=["juggling"])
        assert all(span.score < 1 for span in spans)

    def test_without_words_the_everyday_ones(self, zero_shot: VideoAndText) -> None:
        spans = zero_shot.recognize(clip(3.0, fps=4))
        assert {span.label for span in spans} <= {rule.label for rule in rules()}
        assert zero_shot.labels == ()


def test_windows_show_what_was_shown_then_however_uneven_the_times() -> None:
    frames = [VideoFrame(grey(shade), seconds) for shade, seconds in ((10, 0.0), (90, 0.1), (200, 1.5), (250, 3.9))]
    windows = list(_windows(frames, 4, 2.0))
    start, end, pictures = windows[0]
    assert (start, end) == (0.0, 2.0)
    assert [int(picture.mean()) for picture in pictures] == [90, 90, 90, 200]


def test_what_follows_on_itself_is_one_span() -> None:
    odds = [np.array(row, np.float32) for row in ([0.9, 0.1], [0.8, 0.2], [0.1, 0.9])]
    spans = _joined([(0.0, 2.0, odds[0]), (1.0, 3.0, odds[1]), (2.0, 4.0, odds[2])], ["a", "b"], 0.3)
    assert [(span.label, span.start, span.end) for span in spans] == [("a", 0.0, 2.0), ("b", 2.0, 4.0)]
