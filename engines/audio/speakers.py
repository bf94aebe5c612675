"""Whose voice it is: Resemblyzer's speaker encoder (GE2E, Wan et al. 2018; Apache-2.0) on onnxruntime.

`benchmarks/convert_resemblyzer.py` makes the model file. A recording becomes the mean over pieces of 1.6 s, as in
Resemblyzer's `VoiceEncoder.embed_utterance`. Pauses are left out by Silero's detector in place of WebRTC's, and every
recording is made equally loud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from engines.audio.mels import BANDS, HOP, RATE, mel_power
from engines.audio.read import resample
from engines.audio.reference import joined_speech
from engines.audio.vad import SileroVad
from engines.errors import EngineError, InputError
from engines.loading import LoadContext, missing_extra
from engines.onnx import cpu_session
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FRAMES: Final = 160
"""In a piece: 1.6 s."""
_STEP: Final = 77
"""Frames from one piece to the next: 1.3 pieces a second, Resemblyzer's own rate."""
_LEAST_COVERED: Final = 0.75
"""How much of the last piece must be sound."""
_BATCH: Final = 32
_LEAST_SECONDS: Final = 0.4
_LOUDNESS: Final = 10 ** (-22 / 20)
"""-22 dBFS. Resemblyzer only makes louder what is below -30 dBFS; but then one recording, played softer, has a cosine
of 0.85 with itself. Measured over the halves of 7 recordings, the second a fifth as loud: one person 0.86 (its way
0.80), two people 0.49 (0.50).
"""


class Resemblyzer:
    """`engines.protocols.SpeakerEmbedding`. Several threads may call it at once."""

    capability: ClassVar[str] = "speaker-embedding"

    def __init__(self, context: LoadContext) -> None:
        self._ears = SileroVad(context)
        try:
            self._session = cpu_session(context.folder / "speaker_encoder.onnx", context.threads)
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        except Exception as error:  # onnxruntime's exceptions share no base class below this one
            raise EngineError(
                f"{context.entry.id} can't be loaded: {str(error).splitlines()[0]}.",
                fix=f"Fetch it again: sensorium models pull {context.entry.id}",
            ) from error

    def close(self) -> None:
        del self._session

    def embed(
        self, audio: Audio, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> NDArray[np.float32]:
        """Nothing in the vector is negative, so cosines are in 0..1. Two recordings of one person have about 0.8 and
        more, of two people 0.5 to 0.7.

        Raises InputError when there is less than 0.4 s of speech.
        """
        import numpy as np

        sound = resample(audio, RATE)
        speech = joined_speech(sound, self._ears.detect(sound, cancel=cancel))
        if speech.seconds < _LEAST_SECONDS:
            raise InputError("Nobody speaks in the recording.", fix="Give one in which somebody talks.")
        pieces = _pieces(_levelled(speech.samples))
        total = np.zeros(256, np.float64)
        for start in range(0, len(pieces), _BATCH):
            cancel.check()
            total += self._session.run(None, {"mels": pieces[start : start + _BATCH]})[0].sum(0)
            on_progress(min(1.0, (start + _BATCH) / len(pieces)), "listening to the voice")
        embedding: NDArray[np.float32] = (total / np.linalg.norm(total)).astype(np.float32)
        return embedding


def _levelled(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    power = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    return samples * np.float32(_LOUDNESS / max(power, 1e-9))


def _pieces(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel bands in pieces that overlap, shape (pieces, 160, 40). There is always one, padded with silence."""
    import numpy as np

    frames = -(-(len(samples) + 1) // HOP)
    starts = list(range(0, max(1, frames - _FRAMES + _STEP + 1), _STEP))
    if len(starts) > 1 and len(samples) - starts[-1] * HOP < _LEAST_COVERED * _FRAMES * HOP:
        starts.pop()
    missing = (starts[-1] + _FRAMES) * HOP - len(samples)
    mels = mel_power(np.pad(samples, (0, max(0, missing))))
    return np.stack([mels[start : start + _FRAMES] for start in starts]).reshape(-1, _FRAMES, BANDS)
