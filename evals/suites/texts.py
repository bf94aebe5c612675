"""Suites for engines that work on text."""

from __future__ import annotations

from engines.protocols import LanguageIdentification, SentimentAnalysis, TextEmotion, Translation
from evals.suites.base import Suite, Task
from evals.suites.words import class_scores


async def translation(task: Task) -> dict[str, float]:
    """ChrF and BLEU (sacrebleu's defaults) over all items together."""
    import sacrebleu

    made = []
    for item in task.items:
        done = await task.call("translate", item["text"], source=item["source"], target=item["target"])
        made.append(done.text)
    references = [[item["reference"] for item in task.items]]
    return {
        "chrF": round(sacrebleu.corpus_chrf(made, references).score, 1),
        "BLEU": round(sacrebleu.corpus_bleu(made, references).score, 1),
    }


async def sentiment(task: Task) -> dict[str, float]:
    """Accuracy and macro-F1 over positive, neutral and negative."""
    found = [(await task.call("analyze", item["text"])).label for item in task.items]
    return class_scores([item["label"] for item in task.items], found)


async def emotion(task: Task) -> dict[str, float]:
    """Accuracy and macro-F1 of the most likely of Ekman's six emotions and neutral."""
    found = [(await task.call("recognize", item["text"])).groups[0].label for item in task.items]
    return class_scores([item["label"] for item in task.items], found)


async def language(task: Task) -> dict[str, float]:
    """Accuracy and macro-F1 of the language's code."""
    found = [(await task.call("identify", item["text"])).code for item in task.items]
    return class_scores([item["language"] for item in task.items], found)


SUITES = (
    Suite("translation", Translation, ("text", "source", "target", "reference"), translation),
    Suite("sentiment", SentimentAnalysis, ("text", "label"), sentiment),
    Suite("text-emotion", TextEmotion, ("text", "label"), emotion),
    Suite("language-identification", LanguageIdentification, ("text", "language"), language),
)
