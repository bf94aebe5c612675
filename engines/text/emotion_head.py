"""Emotions by a small head on sentence embeddings. `benchmarks/train_emotion.py` made it; its card says how good it is.

The head is one linear layer with a sigmoid and a threshold for each of GoEmotions' 28 labels and their 7 groups. It was
trained on this project's own sentences (the catalog says how many), not on the texts of GoEmotions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken
from engines.protocols import Emotion, Emotions, TextEmbedding
from engines.text.splitting import parts, sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Longest part of a text, in characters. The head knows single sentences: a feeling drowns in more.
_PART_CHARS = 300


class EmotionHead:
    """`TextEmotion` through the part "text-embedding", which must be the one the head was trained on."""

    capability: ClassVar[str] = "text-emotion"

    def __init__(self, context: LoadContext) -> None:
        import numpy as np

        self._embedding: TextEmbedding = context.parts["text-embedding"]
        path = context.folder / "head.npz"
        try:
            with np.load(path, allow_pickle=False) as head:
                self._weights: NDArray[np.float32] = head["weights"].astype(np.float32)
                self._bias: NDArray[np.float32] = head["bias"]
                self._thresholds: NDArray[np.float32] = head["thresholds"]
                self._labels = tuple(str(label) for label in head["labels"])
                self._groups = tuple(str(group) for group in head["groups"])
        except (OSError, KeyError, ValueError) as error:
            raise EngineError(
                f"{context.entry.id}: its head can't be read: {error}.",
                fix=f"Fetch it again: sensorium models pull {context.entry.id}",
            ) from error

    @property
    def labels(self) -> tuple[str, ...]:
        return self._labels

    def recognize(self, text: str, *, cancel: CancelToken = NEVER) -> Emotions:
        """See `engines.protocols.TextEmotion`."""
        import numpy as np

        if not any(char.isalpha() for char in text):
            raise InputError("There are no words to tell an emotion by.")
        pieces = [part for part in parts(text, _fits) if part.strip()]
        rows = self._embedding.embed(pieces, cancel=cancel)
        if rows.shape[1] != self._weights.shape[0]:
            raise EngineError(
                f"The emotion head reads embeddings of {self._weights.shape[0]} numbers, not of {rows.shape[1]}.",
                fix="Use it with minilm-l6-v2.",
            )
        logits: NDArray[np.float32] = rows @ self._weights + self._bias
        probabilities = _sigmoid(logits)
        # Each emotion counts where it is strongest, neutral in the mean.
        names = [*self._labels, *self._groups]
        strongest = np.where([name == "neutral" for name in names], probabilities.mean(0), probabilities.max(0))
        count = len(self._labels)
        return Emotions(
            self._named(self._labels, strongest[:count], self._thresholds[:count]),
            self._named(self._groups, strongest[count:], self._thresholds[count:]),
        )

    def close(self) -> None:
        """Its part is closed by the one who made it."""

    @staticmethod
    def _named(names: tuple[str, ...], probabilities: Any, thresholds: Any) -> tuple[Emotion, ...]:
        found = [
            Emotion(name, float(probability), bool(probability >= threshold))
            for name, probability, threshold in zip(names, probabilities, thresholds, strict=True)
        ]
        return tuple(sorted(found, key=lambda emotion: -emotion.probability))


def _fits(part: str) -> bool:
    return len(part) <= _PART_CHARS and len(sentences(part)) <= 1


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    return (1 / (1 + np.exp(-values))).astype(np.float32)
