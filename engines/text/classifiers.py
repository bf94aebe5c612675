"""Sentiment and emotion by text classifiers in the transformers format."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from engines.batching import MicroBatcher
from engines.devices import pick_dtype
from engines.errors import EngineError, InputError
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken
from engines.protocols import Emotion, Emotions, Sentiment
from engines.text.emotions import emotion_name, gathered
from engines.text.splitting import parts
from engines.trained_heads import require_head

#: Longer texts are read in parts, each at most this many tokens.
PART_TOKENS = 250

Polarity = Literal["positive", "neutral", "negative"]


class ClassifierOptions(BaseModel):
    """What a catalog entry may say."""

    model_config = ConfigDict(extra="forbid")

    dtype: str = "auto"
    labels: Mapping[str, str] = {}
    """The model's label -> the one it means, for models that count theirs: LABEL_0 ..."""
    neutral_below: float = Field(default=0.3, ge=0, le=1)
    """Sentiment models without a neutral label: a score nearer to 0 than this is neutral."""
    threshold: float = Field(default=0.3, ge=0, le=1)
    """Emotion models: a label with this probability is there."""


class TextClassifier:
    """``AutoModelForSequenceClassification``; calls that come together are worked on together."""

    def __init__(self, context: LoadContext) -> None:
        self.options = ClassifierOptions.model_validate(dict(context.entry.options))
        try:
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        self._tokenizer: Any = AutoTokenizer.from_pretrained(context.folder, local_files_only=True)
        self._model, report = AutoModelForSequenceClassification.from_pretrained(
            context.folder,
            dtype=pick_dtype(context.device, self.options.dtype),
            local_files_only=True,
            output_loading_info=True,
        )
        require_head(context.entry, self._model, report)
        self._model.to(context.device).eval()
        config = self._model.config
        named = [str(config.id2label[index]) for index in range(config.num_labels)]
        self.labels = tuple(self.options.labels.get(label, label) for label in named)
        self._several = config.problem_type == "multi_label_classification"
        self._device = context.device
        self._longest = min(PART_TOKENS, self._model_tokens())
        self._one_at_a_time = threading.Lock()  # padding is set in the tokenizer itself, which other threads share
        self._batched: MicroBatcher[str, list[float]] = MicroBatcher(self._classify)

    def probabilities(self, text: str, cancel: CancelToken) -> list[tuple[list[float], int]]:
        """For each part of the text: a probability for each label, and its length. Raises InputError for no words."""
        if not any(char.isalnum() for char in text):
            raise InputError("There is no text to judge.")
        pieces = [part for part in parts(text, self._fits) if part.strip()]
        found: list[list[float]] = []
        for start in range(0, len(pieces), 8):
            found += self._batched(pieces[start : start + 8], cancel)
        return [(row, len(piece)) for row, piece in zip(found, pieces, strict=True)]

    def close(self) -> None:
        del self._model, self._tokenizer

    def _model_tokens(self) -> int:
        """How many tokens of text the network takes; RoBERTa's positions begin after its padding id."""
        positions = int(getattr(self._model.config, "max_position_embeddings", 512))
        return max(8, min(positions, int(self._tokenizer.model_max_length)) - 4)

    def _fits(self, part: str) -> bool:
        if len(part) <= self._longest:
            return True
        with self._one_at_a_time:
            return len(self._tokenizer(part)["input_ids"]) <= self._longest

    def _classify(self, texts: list[str]) -> list[list[float]]:
        import torch

        with self._one_at_a_time:
            encoded = self._tokenizer(
                texts, return_tensors="pt", padding=True, truncation=True, max_length=self._longest + 2
            ).to(self._device)
        with torch.inference_mode():
            logits = self._model(**encoded).logits.float()
        found: list[list[float]] = (logits.sigmoid() if self._several else logits.softmax(-1)).tolist()
        return found


class TransformersSentiment:
    """`SentimentAnalysis`. The score is the probability of positive less that of negative, over the whole text."""

    capability: ClassVar[str] = "sentiment"

    def __init__(self, context: LoadContext) -> None:
        self._classifier = TextClassifier(context)
        self._polarity = [label.lower() for label in self._classifier.labels]
        if not {"positive", "negative"} <= set(self._polarity) <= {"positive", "neutral", "negative"}:
            raise EngineError(
                f"{context.entry.id} tells {', '.join(self._classifier.labels)} apart, not positive from negative.",
                fix='Name its labels in the catalog: options = { labels = { LABEL_0 = "negative", ... } }.',
            )

    def analyze(self, text: str, *, cancel: CancelToken = NEVER) -> Sentiment:
        """Raises InputError for a text without words."""
        found = self._classifier.probabilities(text, cancel)
        total = sum(length for _, length in found)
        mean = {
            label: sum(row[index] * length for row, length in found) / total
            for index, label in enumerate(self._polarity)
        }
        score = mean["positive"] - mean["negative"]
        if "neutral" in mean:
            labels: tuple[Polarity, ...] = ("positive", "neutral", "negative")
            return Sentiment(max(labels, key=lambda label: mean[label]), score)
        if abs(score) < self._classifier.options.neutral_below:
            return Sentiment("neutral", score)
        return Sentiment("positive" if score > 0 else "negative", score)

    def close(self) -> None:
        self._classifier.close()


class TransformersEmotion:
    """`TextEmotion`. In a long text each emotion counts where it is strongest."""

    capability: ClassVar[str] = "text-emotion"

    def __init__(self, context: LoadContext) -> None:
        self._classifier = TextClassifier(context)
        self._labels = tuple(emotion_name(label) for label in self._classifier.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._labels

    def recognize(self, text: str, *, cancel: CancelToken = NEVER) -> Emotions:
        """See `engines.protocols.TextEmotion`."""
        found = self._classifier.probabilities(text, cancel)
        threshold = self._classifier.options.threshold
        strongest = [max(row[index] for row, _ in found) for index in range(len(self._labels))]
        return gathered(
            Emotion(label, probability, probability >= threshold)
            for label, probability in zip(self._labels, strongest, strict=True)
        )

    def close(self) -> None:
        self._classifier.close()
