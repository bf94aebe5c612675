"""The emotion in a voice, by audio classifiers in the transformers format (wav2vec 2.0, HuBERT, WavLM, Whisper)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from engines.devices import pick_dtype
from engines.errors import InputError
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, Emotion, Emotions
from engines.text.emotions import emotion_name, gathered
from engines.trained_heads import require_head

#: Too little to tell an emotion by, in seconds.
SHORTEST = 0.3

#: Below this level nobody speaks (RMS of samples in -1..1, about -60 dB).
SILENCE = 0.001


class VoiceEmotionOptions(BaseModel):
    """``window_seconds``: a long recording is heard in windows, whose probabilities are averaged."""

    model_config = ConfigDict(extra="forbid")

    dtype: str = "auto"
    threshold: float = Field(default=0.3, ge=0, le=1)
    window_seconds: float = Field(default=10, ge=1, le=30)


class TransformersVoiceEmotion:
    """`VoiceEmotion` with ``AutoModelForAudioClassification``."""

    capability: ClassVar[str] = "voice-emotion"

    def __init__(self, context: LoadContext) -> None:
        self._options = VoiceEmotionOptions.model_validate(dict(context.entry.options))
        try:
            from transformers import AutoFeatureExtractor, AutoModelForAudioClassification
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        load: Any = AutoFeatureExtractor.from_pretrained  # untyped in the library
        self._extractor = load(context.folder, local_files_only=True)
        self._model, report = AutoModelForAudioClassification.from_pretrained(
            context.folder,
            dtype=pick_dtype(context.device, self._options.dtype),
            local_files_only=True,
            output_loading_info=True,
        )
        require_head(context.entry, self._model, report)
        self._model.to(context.device).eval()
        self._device = context.device
        config = self._model.config
        self._labels = tuple(emotion_name(str(config.id2label[index])) for index in range(config.num_labels))

    @property
    def labels(self) -> tuple[str, ...]:
        return self._labels

    def recognize(
        self, audio: Audio, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> Emotions:
        """See `engines.protocols.VoiceEmotion`. Raises InputError also for silence, and for another sample rate."""
        rate = int(self._extractor.sampling_rate)
        if audio.rate != rate:
            raise InputError(f"The model hears {rate} Hz, not {audio.rate} Hz.", fix="Resample the recording.")
        if audio.seconds < SHORTEST or float(np.sqrt(np.mean(np.square(audio.samples)))) < SILENCE:
            raise InputError("There is no voice in the recording to tell an emotion by.")
        size = int(self._options.window_seconds * rate)
        windows = [audio.samples[start : start + size] for start in range(0, len(audio.samples), size)]
        if len(windows) > 1 and len(windows[-1]) < rate:  # too short to be heard alone
            windows[-2:] = [np.concatenate(windows[-2:])]
        total = np.zeros(len(self._labels))
        for number, window in enumerate(windows):
            cancel.check()
            on_progress(number / len(windows), f"heard {number} of {len(windows)} stretches")
            total += self._heard(window) * (len(window) / len(audio.samples))
        on_progress(1.0, "heard")
        return gathered(
            Emotion(label, float(probability), bool(probability >= self._options.threshold))
            for label, probability in zip(self._labels, total, strict=True)
        )

    def close(self) -> None:
        del self._model, self._extractor

    def _heard(self, window: Any) -> Any:
        import torch

        encoded = self._extractor(window, sampling_rate=self._extractor.sampling_rate, return_tensors="pt")
        encoded = encoded.to(self._device, dtype=self._model.dtype)
        with torch.inference_mode():
            return self._model(**encoded).logits[0].float().softmax(-1).cpu().numpy()
