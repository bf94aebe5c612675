"""Actions by trained networks over short stretches of video, through transformers.

`VideoClassifier` tells apart the classes that a network was trained on (VideoMAE, Tong et al. 2022; TimeSformer,
Bertasius et al. 2021; ViViT, Arnab et al. 2021); `VideoAndText` whatever it is given in words (X-CLIP, Ni et al. 2022).
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from engines.errors import InputError
from engines.loading import LoadContext
from engines.pretrained import inputs_to, load_model, load_processor
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import UNKNOWN_ACTION, ActionExample, ActionSpan, VideoFrame
from engines.video.action_rules import rules

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    window_seconds: float = Field(default=2.0, gt=0)
    """How long a stretch is that is judged at once: as long as those that the network was trained on."""
    least: float = Field(default=0.25, ge=0, le=1)
    """Below this probability, nothing is said."""


class _Windows:
    """Slides over a video in steps of half a window, judges each, and joins what agrees."""

    capability: ClassVar[str] = "action-recognition"
    how: ClassVar[Literal["model", "rules"]] = "model"
    learns: ClassVar[bool] = False

    _model: Any
    _frames: int

    def __init__(self, context: LoadContext) -> None:
        self._options = _Options.model_validate(context.entry.options)
        self._id = context.entry.id

    @property
    def frames_per_second(self) -> float:
        return self._frames / self._options.window_seconds

    def close(self) -> None:
        del self._model

    def describe(self, frames: Iterable[VideoFrame], label: str, *, cancel: CancelToken = NEVER) -> ActionExample:
        """It learns nothing: raises InputError."""
        del frames, label, cancel
        raise InputError(f"{self._id} learns no actions from examples.", fix="Use the model pose-rules for that.")

    def _spans(
        self,
        frames: Iterable[VideoFrame],
        labels: Sequence[str],
        judge: Any,
        on_progress: OnProgress,
        cancel: CancelToken,
    ) -> tuple[ActionSpan, ...]:
        """``judge`` gives a probability for each of ``labels``, from a window's pictures."""
        found: list[tuple[float, float, NDArray[np.float32]]] = []
        for start, end, pictures in _windows(frames, self._frames, self._options.window_seconds):
            cancel.check()
            found.append((start, end, judge(pictures)))
            on_progress(None, f"{end:.0f} s watched")
        return _joined(found, labels, self._options.least)

    def _refuse(self, examples: Sequence[ActionExample]) -> None:
        if examples:
            raise InputError(f"{self._id} takes no examples.", fix="Use the model pose-rules for them.")


class VideoClassifier(_Windows):
    """`engines.protocols.ActionRecognition` with a fixed list of classes."""

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        from transformers import AutoImageProcessor, AutoModelForVideoClassification

        self._processor = load_processor(context, AutoImageProcessor)
        self._model = load_model(context, AutoModelForVideoClassification)
        self._frames = int(self._model.config.num_frames)
        names = self._model.config.id2label
        self.labels = tuple(names[index] for index in range(len(names)))

    def recognize(
        self,
        frames: Iterable[VideoFrame],
        *,
        actions: Sequence[str] = (),
        examples: Sequence[ActionExample] = (),
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[ActionSpan, ...]:
        """As `ActionRecognition.recognize`; probabilities are over all classes, also when ``actions`` are given."""
        self._refuse(examples)
        wanted = [self._index(action) for action in actions] or list(range(len(self.labels)))

        def judge(pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
            import torch

            inputs = inputs_to(self._model, self._processor(pictures, return_tensors="pt"))
            with torch.inference_mode():
                odds = self._model(**inputs).logits[0].float().softmax(-1)
            return odds[wanted].cpu().numpy()  # type: ignore[no-any-return] # torch's own types leave it open

        return self._spans(frames, [self.labels[index] for index in wanted], judge, on_progress, cancel)

    def _index(self, action: str) -> int:
        names = [label.lower() for label in self.labels]
        if action.lower() in names:
            return names.index(action.lower())
        near = difflib.get_close_matches(action.lower(), names, n=4, cutoff=0.4)
        near += [name for name in names if action.lower() in name and name not in near][:4]
        known = f"Near it: {', '.join(near)}." if near else "See the model's list of classes."
        raise InputError(
            f"{self._id} does not know the action {action!r}.", fix=f"{known} xclip-base-patch32 takes any words."
        )


class VideoAndText(_Windows):
    """`engines.protocols.ActionRecognition` for any words; without any, for the actions that the rules know."""

    labels: tuple[str, ...] = ()

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

        self._pictures = load_processor(context, AutoImageProcessor)
        self._words = load_processor(context, AutoTokenizer)
        self._model = load_model(context, AutoModel)
        self._frames = int(self._model.config.vision_config.num_frames)

    def recognize(
        self,
        frames: Iterable[VideoFrame],
        *,
        actions: Sequence[str] = (),
        examples: Sequence[ActionExample] = (),
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[ActionSpan, ...]:
        """As `ActionRecognition.recognize`. Scores are probabilities among ``actions``: give it more than one."""
        self._refuse(examples)
        labels = list(dict.fromkeys(actions)) or [rule.label for rule in rules()]
        # With a single action there would be nothing to tell it from.
        asked = [*labels, "doing something else"] if len(labels) == 1 else labels
        words = self._words([f"a video of a person {label}" for label in asked], padding=True, return_tensors="pt")
        text = inputs_to(self._model, words)

        def judge(pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
            import torch

            seen = inputs_to(self._model, self._pictures(pictures, return_tensors="pt"))
            with torch.inference_mode():
                odds = self._model(**text, **_as_clip(seen)).logits_per_video[0].float().softmax(-1)
            return odds[: len(labels)].cpu().numpy()  # type: ignore[no-any-return] # torch's own types leave it open

        return self._spans(frames, labels, judge, on_progress, cancel)


def _as_clip(seen: dict[str, Any]) -> dict[str, Any]:
    """(1, frames, 3, height, width): some processors give the frames without the clip around them."""
    return {name: value[None] if value.ndim == 4 else value for name, value in seen.items()}


def _windows(
    frames: Iterable[VideoFrame], count: int, seconds: float
) -> Iterator[tuple[float, float, list[NDArray[np.uint8]]]]:
    """Start, end and ``count`` pictures of stretches that overlap by half; at most one stretch is in memory.

    Each picture is the one shown at its moment, so that gaps and uneven rates don't speed things up. A video shorter
    than a stretch is one stretch; an end shorter than a quarter of one belongs to the stretch before.
    """
    held: list[VideoFrame] = []
    start: float | None = None
    fresh = 0.0
    for frame in frames:
        start = frame.seconds if start is None else start
        if frame.seconds >= start + seconds:
            yield start, start + seconds, _even(held, start, seconds, count)
            start += seconds / 2
            while frame.seconds >= start + seconds:  # nothing was shown for long
                start += seconds / 2
            last_before = [item for item in held if item.seconds <= start][-1:]
            held = [*last_before, *(item for item in held if item.seconds > start)]
            fresh = 0.0
        held.append(frame)
        fresh += 1
    if start is not None and held and (fresh >= count / 4 or start == held[0].seconds):
        end = held[-1].seconds
        yield start, end, _even(held, start, max(end - start, 1e-3), count)


def _even(held: Sequence[VideoFrame], start: float, seconds: float, count: int) -> list[NDArray[np.uint8]]:
    import numpy as np

    pictures = []
    for number in range(count):
        moment = start + (number + 0.5) * seconds / count
        shown = [frame for frame in held if frame.seconds <= moment] or held[:1]
        pictures.append(np.asarray(shown[-1].image))
    return pictures


def _joined(
    found: Sequence[tuple[float, float, NDArray[np.float32]]], labels: Sequence[str], least: float
) -> tuple[ActionSpan, ...]:
    """Each half window is judged by the mean of the windows over it; what follows on itself is one span."""
    edges = sorted({edge for start, end, _ in found for edge in (start, end)})
    spans: list[ActionSpan] = []
    for begin, end in itertools.pairwise(edges):
        over = [odds for start, stop, odds in found if start < end and stop > begin]
        label, score = _best(over, labels) if over else (UNKNOWN_ACTION, 0.0)
        if score < least:
            label, score = UNKNOWN_ACTION, 0.0
        if spans and spans[-1].label == label and spans[-1].end >= begin - 1e-6:
            before = spans[-1]
            share = (before.end - before.start) / (end - before.start)
            spans[-1] = ActionSpan(label, before.score * share + score * (1 - share), before.start, end)
        else:
            spans.append(ActionSpan(label, score, begin, end))
    return tuple(spans)


def _best(over: Sequence[NDArray[np.float32]], labels: Sequence[str]) -> tuple[str, float]:
    import numpy as np

    mean = np.mean(over, axis=0)
    return labels[int(mean.argmax())], float(mean.max())
