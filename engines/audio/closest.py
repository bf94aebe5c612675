"""A stand-in for voice cloning: the ready-made voice that sounds most like the reference reads the text.

What the speaker encoder makes of each of Kokoro's voices was computed once, by ``benchmarks/speakers.py voices``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, ClonedSpeech, SpeakerEmbedding, TextToSpeech, Voice
from engines.text.languages import language_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KNOWN: Final = Path(__file__).parents[1] / "data" / "resemblyzer" / "kokoro_voices.npz"


class ClosestVoice:
    """`engines.protocols.VoiceCloning` that clones nothing: it chooses among the voices of a `TextToSpeech`."""

    capability: ClassVar[str] = "voice-cloning"

    def __init__(self, context: LoadContext) -> None:
        self._encoder: SpeakerEmbedding = context.parts[SpeakerEmbedding.capability]
        self._speaker: TextToSpeech = context.parts[TextToSpeech.capability]
        self._known = voice_embeddings()
        spoken = context.entry.languages  # Kokoro has voices of languages that it can't read here
        fitting = (voice for voice in self._speaker.voices if not spoken or voice.language in spoken)
        self._voices = tuple(voice for voice in fitting if voice.id in self._known)
        if not self._voices:
            raise EngineError(
                f"{context.entry.id}: what its voices sound like is known for Kokoro's voices only.",
                fix=f"Set its part {TextToSpeech.capability} to kokoro-82m.",
            )

    def close(self) -> None:
        """The engines it works through are not its own."""

    def clone(
        self,
        text: str,
        reference: Audio,
        *,
        language: str | None = None,
        speed: float = 1.0,
        seed: int | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> ClonedSpeech:
        """``language`` None: any voice, which reads by the rules of its own language.

        Raises InputError for a language that no voice speaks, and what the encoder and the speaker raise.
        """
        del seed  # Kokoro draws no lots
        wanted = self._encoder.embed(reference, cancel=cancel)
        voice = self.closest(wanted, language)
        on_progress(None, f"the closest voice is {voice.name}")
        sound = self._speaker.speak(
            text, voice=voice.id, language=voice.language, speed=speed, on_progress=on_progress, cancel=cancel
        )
        note = f"Closest available voice ({voice.name}), not a clone."
        return ClonedSpeech(sound, "closest-voice", float(wanted @ self._heard(sound, voice, cancel)), note)

    def closest(self, wanted: NDArray[np.float32], language: str | None) -> Voice:
        """The voice of that language whose embedding has the highest cosine with ``wanted``. Raises InputError."""
        fitting = [voice for voice in self._voices if language in (None, voice.language)]
        if not fitting:
            spoken = ", ".join(sorted({language_name(voice.language) for voice in self._voices}))
            raise InputError(
                f"No voice here speaks {language_name(language or '')}.",
                fix=f"Languages: {spoken}. A cloning model speaks more: sensorium models list",
            )
        best: Voice = max(fitting, key=lambda voice: float(wanted @ self._known[voice.id]))
        return best

    def _heard(self, sound: Audio, voice: Voice, cancel: CancelToken) -> NDArray[np.float32]:
        """What the encoder makes of the result; of the voice itself, where the text was a word or less."""
        try:
            return self._encoder.embed(sound, cancel=cancel)
        except InputError:
            return self._known[voice.id]


def voice_embeddings() -> dict[str, NDArray[np.float32]]:
    """Kokoro's voices by id, as the embedded speaker encoder hears them: unit vectors of shape (256,)."""
    import numpy as np

    with np.load(_KNOWN) as stored:
        vectors = stored["embeddings"].astype(np.float32)
        return dict(
            zip(stored["names"].tolist(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True), strict=True)
        )
