"""The recording of a voice that others are to be like: what it must hold, and what is used of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engines.errors import InputError
from engines.protocols import Audio, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_SECONDS: Final = 1.0
GOOD_SECONDS: Final = 6.0
MOST_SECONDS: Final = 300.0
_SILENCE: Final = 1e-3
"""-60 dBFS: nothing is louder than the noise of a 16-bit recorder."""
_PAUSE_SECONDS: Final = 0.1


def joined_speech(audio: Audio, spans: Sequence[Span]) -> Audio:
    """The speech alone, without the pauses between ``spans``."""
    import numpy as np

    parts: list[NDArray[np.float32]] = [
        audio.samples[round(span.start * audio.rate) : round(span.end * audio.rate)] for span in spans
    ]
    return Audio(np.concatenate(parts) if parts else audio.samples[:0], audio.rate)


def voice_sample(audio: Audio, spans: Sequence[Span]) -> tuple[Audio, str]:
    """What of a reference is used, its speech with short pauses, at most 5 minutes of it; and a note, or nothing.

    ``spans`` is where somebody speaks. Raises InputError when it is silent, when nobody speaks, and when there is less
    than a second of speech.
    """
    import numpy as np

    if not len(audio.samples) or float(np.abs(audio.samples).max()) < _SILENCE:
        raise InputError("The reference recording is silent.", fix=f"Give {GOOD_SECONDS:g} s or more of one voice.")
    seconds = sum(span.end - span.start for span in spans)
    if not seconds:
        raise InputError(
            "Nobody speaks in the reference recording: it is music or noise.",
            fix=f"Give {GOOD_SECONDS:g} s or more of one person speaking.",
        )
    if seconds < LEAST_SECONDS:
        raise InputError(
            f"There is only {seconds:.1f} s of speech in the reference recording.",
            fix=f"Give at least {LEAST_SECONDS:g} s, better {GOOD_SECONDS:g} s or more, of one person speaking.",
        )
    used, note = list(spans), ""
    if seconds > MOST_SECONDS:
        used, note = _first(used, MOST_SECONDS), f"Only the first {MOST_SECONDS / 60:g} minutes of speech were used."
    elif seconds < GOOD_SECONDS:
        note = f"The reference holds {seconds:.1f} s of speech; {GOOD_SECONDS:g} s or more give a better likeness."
    pause = np.zeros(round(_PAUSE_SECONDS * audio.rate), np.float32)
    parts = [part for span in used for part in (joined_speech(audio, [span]).samples, pause)]
    return Audio(np.concatenate(parts[:-1]).astype(np.float32, copy=False), audio.rate), note


def _first(spans: Sequence[Span], seconds: float) -> list[Span]:
    """The spans, or the beginning of one, up to so many seconds of them."""
    kept: list[Span] = []
    for span in spans:
        if seconds <= 0:
            break
        kept.append(Span(span.start, min(span.end, span.start + seconds)))
        seconds -= span.end - span.start
    return kept
