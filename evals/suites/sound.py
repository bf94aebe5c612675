"""Suites for engines that hear and speak."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from engines.audio.read import read_audio
from engines.progress import CancelToken
from engines.protocols import Audio, SpeakerEmbedding, SpeechToText, TextToSpeech, Transcript, VoiceActivity
from evals.suites.base import Suite, Task
from evals.suites.words import class_scores, error_rates

_FRAME_SECONDS = 0.01


async def transcription(task: Task) -> dict[str, float]:
    """Word error rate, and seconds of work for a second of sound."""
    heard, seconds = [], 0.0
    for item in task.items:
        sound = read_audio(task.file(item, "audio"))
        seconds += sound.seconds
        transcript = await task.call("transcribe", sound, language=item.get("language"))
        heard.append(transcript.text)
    rates = error_rates([item["text"] for item in task.items], heard)
    return rates | _per_second(task, seconds)


async def speech(task: Task) -> dict[str, float]:
    """What the default speech-to-text model hears of what was spoken. Texts in other languages than the model's are
    left out.
    """
    heard, seconds = [], 0.0
    known = task.lease.entry.languages
    items = [item for item in task.items if not known or item["language"] in known]
    async with task.use(SpeechToText) as ears:
        for item in items:
            code = item["language"]
            sound = await task.call("speak", item["text"], voice=item.get("voice"), language=code)
            seconds += sound.seconds
            heard.append((await ears.run(partial(_hear, sound, code))).text)
    return {"texts": len(items)} | error_rates([item["text"] for item in items], heard) | _per_second(task, seconds)


def _hear(sound: Audio, language: str, engine: SpeechToText, cancel: CancelToken) -> Transcript:
    return engine.transcribe(sound, language=language, cancel=cancel)


async def voice_activity(task: Task) -> dict[str, float]:
    """Frames of 10 ms that are rightly called speech or not."""
    truth: list[str] = []
    found: list[str] = []
    seconds = 0.0
    for item in task.items:
        sound = read_audio(task.file(item, "audio"))
        seconds += sound.seconds
        spans = await task.call("detect", sound)
        truth += _frames(((start, end) for start, end in item["spans"]), sound.seconds)
        found += _frames(((span.start, span.end) for span in spans), sound.seconds)
    return class_scores(truth, found) | _per_second(task, seconds)


async def speaker_similarity(task: Task) -> dict[str, float]:
    """Pairs of recordings that are rightly told to be one speaker's or two's, at the threshold that tells them best."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    scores, same = [], []
    for item in task.items:
        one, other = [await task.call("embed", read_audio(task.file(item, key))) for key in ("a", "b")]
        scores.append(float(np.dot(one, other)))
        same.append(bool(item["same"]))
    return {
        "same, mean cosine": round(_mean([s for s, is_same in zip(scores, same, strict=True) if is_same]), 3),
        "different, mean cosine": round(_mean([s for s, is_same in zip(scores, same, strict=True) if not is_same]), 3),
        "ROC AUC": round(float(roc_auc_score(same, scores)), 3),
    }


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / max(1, len(numbers))


def _frames(spans: Iterable[tuple[float, float]], seconds: float) -> list[str]:
    frames = ["silence"] * round(seconds / _FRAME_SECONDS)
    for start, end in spans:
        for index in range(round(start / _FRAME_SECONDS), min(round(end / _FRAME_SECONDS), len(frames))):
            frames[index] = "speech"
    return frames


def _per_second(task: Task, seconds: float) -> dict[str, Any]:
    """Real-time factor: seconds of work for one of sound."""
    return {
        "RTF": round(task.clock.wall / max(seconds, 1e-9), 3),
        "CPU-s per s": round(task.clock.cpu / max(seconds, 1e-9), 3),
    }


SUITES = (
    Suite("speech-to-text", SpeechToText, ("audio", "text"), transcription),
    Suite("text-to-speech", TextToSpeech, ("text", "language"), speech),
    Suite("voice-activity", VoiceActivity, ("audio", "spans"), voice_activity),
    Suite("speaker-embedding", SpeakerEmbedding, ("a", "b", "same"), speaker_similarity),
)
