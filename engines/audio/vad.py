"""Silero's voice activity detector (MIT), whose weights come inside faster-whisper. It needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from engines.audio.read import resample
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RATE: Final = 16_000  # the detector's own
_PIECE_SECONDS: Final = 300
"""Long recordings go piece by piece, which bounds memory and lets them be cancelled."""

_SETTINGS: Final = {
    "threshold": 0.5,
    "min_speech_duration_ms": 200,
    "min_silence_duration_ms": 500,  # people pause for less inside a sentence
    "speech_pad_ms": 100,
}


class SileroVad:
    """`engines.protocols.VoiceActivity`. Several threads may call it at once."""

    capability: ClassVar[str] = "voice-activity"

    def __init__(self, context: LoadContext) -> None:
        try:
            from faster_whisper.vad import get_vad_model
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        get_vad_model()

    def close(self) -> None:
        """faster-whisper keeps one detector (2 MB) for the whole process; its own filter uses it too."""

    def detect(
        self, audio: Audio, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> tuple[Span, ...]:
        """Spans in order, at least half a second apart."""
        return speech_spans(resample(audio, _RATE).samples, on_progress=on_progress, cancel=cancel)


def speech_spans(
    samples: NDArray[np.float32], *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
) -> tuple[Span, ...]:
    """Where somebody speaks. ``samples`` is float32 of shape (n,) in -1..1 at 16 kHz."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(**_SETTINGS)
    spans: list[Span] = []
    for start in range(0, len(samples), _PIECE_SECONDS * _RATE):
        cancel.check()
        piece = samples[start : start + _PIECE_SECONDS * _RATE]
        found = get_speech_timestamps(piece, options)
        spans += [Span((start + span["start"]) / _RATE, (start + span["end"]) / _RATE) for span in found]
        done = min(1.0, (start + len(piece)) / len(samples))
        on_progress(done, f"{sum(span.end - span.start for span in spans):.0f} s of speech")
    return _joined(spans)


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Speech that runs across the cut between two pieces is one span."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.start - joined[-1].end < 0.25:
            joined[-1] = Span(joined[-1].start, span.end)
        else:
            joined.append(span)
    return tuple(joined)
