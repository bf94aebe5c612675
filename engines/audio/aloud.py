"""What every voice does alike: the voice is chosen, the text is checked and cut, and the sound is joined."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from engines.audio.speakable import sentences, speakable
from engines.errors import InputError
from engines.progress import CancelToken, OnProgress
from engines.protocols import Audio, OnAudio, Voice, ignore_audio
from engines.text.languages import language_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OTHER_SCRIPTS: Final = frozenset(
    ("ar", "bg", "el", "fa", "he", "hi", "ja", "ka", "kk", "ko", "ml", "ne", "ru", "sr", "te", "th", "uk", "ur", "zh")
)
"""Languages of voices that are not written in Latin letters."""


def voice_for(voices: Sequence[Voice], wanted: str | None, language: str | None) -> Voice:
    """The voice called ``wanted``; without one, the first of the language, or the first. Raises InputError."""
    if wanted is None:
        return next((voice for voice in voices if voice.language == language), voices[0])
    for voice in voices:
        if voice.id == wanted:
            return voice
    near = difflib.get_close_matches(wanted, [voice.id for voice in voices], n=5, cutoff=0.4)
    names = near or [voice.id for voice in voices[:12]]
    raise InputError(f"No voice is called {wanted!r}.", fix=f"Use one of: {', '.join(names)} ...")


def check_speed(speed: float, slowest: float, fastest: float) -> None:
    """Raises InputError."""
    if not slowest <= speed <= fastest:
        raise InputError(
            f"The speed must be between {slowest:g} and {fastest:g}, not {speed:g}.", fix="1 is the normal speed."
        )


def readable(text: str, language: str, voice: Voice) -> str:
    """What is left of the text without markup and emoji.

    Raises InputError when nothing is, or when it is in a script that the rules of ``language`` can't read: a voice for
    Latin letters would spell out "Chinese letter" for each sign of a Chinese text.
    """
    plain = speakable(text)
    if not plain:
        raise InputError("There is nothing in the text to read aloud.", fix="Give at least one word.")
    letters = [character for character in plain if character.isalpha()]
    latin = sum("LATIN" in unicodedata.name(character, "") for character in letters)
    if language not in _OTHER_SCRIPTS and latin < len(letters) / 2:
        raise InputError(
            f"The voice {voice.name!r} ({language_name(language)}) can't read this script.",
            fix="Use a voice of the text's language, or have the text translated first.",
        )
    return plain


def read_aloud(
    text: str,
    say: Callable[[str], Iterable[NDArray[np.float32]]],
    *,
    longest: int,
    rate: int,
    pause: float,
    on_audio: OnAudio = ignore_audio,
    on_progress: OnProgress,
    cancel: CancelToken,
) -> Audio:
    """Say the text sentence by sentence, in pieces of at most ``longest`` characters, with ``pause`` seconds between
    sounds. ``on_audio`` gets each piece's sound as soon as it is there, with the pause before it.

    ``say`` gives the sounds of a piece, float32 in -1..1 at ``rate`` Hz; each may be computed when it is asked for.
    Raises InputError when there is no sound at all, Cancelled between two of them.
    """
    import numpy as np

    steps = list(sentences(text, longest))
    total = sum(map(len, steps))
    silence = np.zeros(round(pause * rate), np.float32)
    spoken: list[NDArray[np.float32]] = []
    done = 0
    for number, step in enumerate(steps, 1):
        cancel.check()
        on_progress(done / total, f"sentence {number} of {len(steps)}" if len(steps) > 1 else "")
        for sound in say(step):
            heard = np.concatenate([silence, sound]) if spoken else np.asarray(sound)
            spoken.append(heard.astype(np.float32, copy=False))
            on_audio(Audio(spoken[-1], rate))
            cancel.check()
        done += len(step)
    if not spoken:
        raise InputError("There is nothing in the text that this voice can pronounce.", fix="Give words.")
    on_progress(1.0, "")
    return Audio(np.concatenate(spoken), rate)
