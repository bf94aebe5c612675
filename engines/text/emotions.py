"""The names of emotions: the 28 of GoEmotions, Ekman's six, and what other models call them.

Groups follow Demszky et al., "GoEmotions: A Dataset of Fine-Grained Emotions" (ACL 2020), appendix B.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from engines.protocols import Emotion, Emotions

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "joy": (
        "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love",
        "optimism", "pride", "relief",
    ),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "anger": ("anger", "annoyance", "disapproval"),
    "fear": ("fear", "nervousness"),
    "disgust": ("disgust",),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
    "neutral": ("neutral",),
}  # fmt: skip

#: The 28 labels in the order of the data set's ``emotions.txt``: by the alphabet, neutral last.
GOEMOTIONS: Final = (*sorted(label for group in GROUPS.values() for label in group if label != "neutral"), "neutral")

#: What other models call them.
_ALSO: Final[Mapping[str, str]] = {
    "ang": "anger", "angry": "anger", "hap": "joy", "happy": "joy", "happiness": "joy", "sad": "sadness",
    "fea": "fear", "fearful": "fear", "dis": "disgust", "disgusted": "disgust", "sur": "surprise",
    "surprised": "surprise", "neu": "neutral", "calm": "neutral", "ps": "surprise",
}  # fmt: skip


def emotion_name(label: str) -> str:
    """A model's label in this project's words; one that has no other name stays, in lower case."""
    folded = label.strip().lower()
    return _ALSO.get(folded, folded)


def group_of(label: str) -> str | None:
    """The group of an emotion; None: it is in none."""
    return next((group for group, labels in GROUPS.items() if label in labels), None)


def gathered(labels: Iterable[Emotion]) -> Emotions:
    """Labels best first, and each group as probable as the likeliest of its labels that the model knows."""
    ordered = sorted(labels, key=lambda emotion: -emotion.probability)
    groups: dict[str, Emotion] = {}
    for emotion in ordered:
        group = group_of(emotion.label)
        if group:
            held = groups.get(group)
            present = emotion.present or (held is not None and held.present)
            groups[group] = Emotion(group, held.probability if held else emotion.probability, present)
    return Emotions(tuple(ordered), tuple(sorted(groups.values(), key=lambda emotion: -emotion.probability)))
