"""The power of 40 mel bands over time, as the speaker encoder was trained on: librosa's, without librosa."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE: Final = 16_000
HOP: Final = 160
"""Samples from one frame to the next: 10 ms."""
BANDS: Final = 40
_WINDOW: Final = 400
"""Samples in a frame: 25 ms."""
_BLOCK: Final = 6_000
"""Frames transformed at once: a minute, some 20 MB."""


def mel_power(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shape (1 + n // 160, 40), for ``samples`` of shape (n,) at 16 kHz. Power, not decibels.

    The same as ``librosa.feature.melspectrogram(y=samples, sr=16000, n_fft=400, hop_length=160, n_mels=40).T``: Hann
    windows centred on their frame, silence beyond both ends, bands on Slaney's scale with equal area.
    """
    import numpy as np

    padded = np.pad(samples.astype(np.float32, copy=False), _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP]
    window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    bands = _bands()
    parts = [
        np.abs(np.fft.rfft(frames[start : start + _BLOCK] * window)) ** 2 @ bands
        for start in range(0, len(frames), _BLOCK)
    ]
    return np.concatenate(parts).astype(np.float32)


@cache
def _bands() -> NDArray[np.float64]:
    """Shape (201, 40): how much each frequency counts in each band, a row of triangles."""
    import numpy as np

    edges = _to_hz(np.linspace(0.0, _to_mel(RATE / 2), BANDS + 2))
    frequencies = np.linspace(0.0, RATE / 2, _WINDOW // 2 + 1)
    rising = (frequencies[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - frequencies[:, None]) / np.diff(edges)[1:]
    triangles: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])
    return triangles


# Slaney's scale (Auditory Toolbox, 1998): 15 mel per kHz up to 1 kHz, then 27 mel for each factor of 6.4.
_LINEAR_HZ: Final = 200.0 / 3
_CORNER_MEL: Final = 15.0
_CORNER_HZ: Final = 1000.0
_PER_MEL: Final = 0.06875177742094912  # ln(6.4) / 27


def _to_mel(hz: float) -> float:
    import math

    return _CORNER_MEL + math.log(hz / _CORNER_HZ) / _PER_MEL if hz >= _CORNER_HZ else hz / _LINEAR_HZ


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.where(mel < _CORNER_MEL, mel * _LINEAR_HZ, _CORNER_HZ * np.exp(_PER_MEL * (mel - _CORNER_MEL)))
