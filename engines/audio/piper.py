"""Text to speech with Piper voices: an ``.onnx`` file and its ``.onnx.json``.

The runtime `piper-tts` is GPL-3.0. It is an optional extra (`speech`), imported here and nowhere else.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any, ClassVar, Final

from engines.audio.speakable import pieces, speakable
from engines.errors import EngineError, InputError
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, Voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from piper import PiperVoice

_LONGEST: Final = 400
"""Characters per step. A step's memory grows with its length: this much is about 25 s of speech."""
_PAUSE_SECONDS: Final = 0.15
_SPEEDS: Final = (0.25, 4.0)
_OTHER_SCRIPTS: Final = frozenset(
    ("ar", "bg", "el", "fa", "he", "hi", "ja", "ka", "kk", "ko", "ml", "ne", "ru", "sr", "te", "th", "uk", "ur", "zh")
)
"""Languages of Piper voices that are not written in Latin letters."""


class Piper:
    """`engines.protocols.TextToSpeech`, one voice file; a file with several speakers has a voice for each."""

    capability: ClassVar[str] = "text-to-speech"

    def __init__(self, context: LoadContext) -> None:
        self._voice, settings, stem = _load(context)
        language = settings.get("language", {}).get("family") or self._voice.config.espeak_voice.split("-")[0]
        name = settings.get("dataset") or stem
        speakers = self._voice.config.speaker_id_map
        self._speakers: dict[str, int | None] = {f"{stem}/{key}": number for key, number in speakers.items()} or {
            stem: None
        }
        names = list(speakers) or [name]
        self._voices = tuple(Voice(key, name, language) for key, name in zip(self._speakers, names, strict=True))

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._voices

    def close(self) -> None:
        del self._voice

    def speak(
        self,
        text: str,
        *,
        voice: str | None = None,
        language: str | None = None,
        speed: float = 1.0,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Audio:
        """Markup and emoji are left out. Raises InputError when nothing is left, or for an unknown voice or speed.

        ``language`` changes nothing: a voice reads every text by the rules of its own language, which `voices` names.
        """
        # Measured on five Spanish sentences, word error rate of Whisper base listening to the embedded English voice:
        # English pronunciation 58-63 %, espeak-ng's Spanish phonemes as they are 107 %, the same replaced by the
        # nearest English ones 53-91 %. None can be understood well, so the simplest stays; a Spanish voice is the cure.
        del language
        speaker = self._speaker(voice)
        if not _SPEEDS[0] <= speed <= _SPEEDS[1]:
            raise InputError(f"The speed must be between 0.25 and 4, not {speed:g}.", fix="1 is the normal speed.")
        readable = speakable(text)
        if not readable:
            raise InputError("There is nothing in the text to read aloud.", fix="Give at least one word.")
        self._check_script(readable)
        steps = list(pieces(readable, _LONGEST))
        total = sum(map(len, steps))
        spoken: list[NDArray[np.float32]] = []
        done = 0
        for step in steps:
            spoken += self._say(step, speaker, speed, cancel)
            done += len(step)
            on_progress(done / total, step)
        return self._joined(spoken)

    def _say(self, text: str, speaker: int | None, speed: float, cancel: CancelToken) -> list[NDArray[np.float32]]:
        """One array per sentence."""
        from piper import SynthesisConfig

        config = SynthesisConfig(speaker_id=speaker, length_scale=self._voice.config.length_scale / speed)
        cancel.check()
        said: list[NDArray[np.float32]] = []
        for chunk in self._voice.synthesize(text, config):  # each sentence is computed when it is asked for
            said.append(chunk.audio_float_array)
            cancel.check()
        return said

    def _joined(self, sentences: list[NDArray[np.float32]]) -> Audio:
        import numpy as np

        rate = self._voice.config.sample_rate
        if not sentences:
            raise InputError("There is nothing in the text that this voice can pronounce.", fix="Give words.")
        pause = np.zeros(round(_PAUSE_SECONDS * rate), np.float32)
        parts = [part for sentence in sentences for part in (sentence, pause)]
        return Audio(np.concatenate(parts[:-1]).astype(np.float32, copy=False), rate)

    def _speaker(self, voice: str | None) -> int | None:
        if voice is None:
            return None
        if voice not in self._speakers:
            raise InputError(f"No voice is called {voice!r}.", fix=f"Use one of: {', '.join(self._speakers)}.")
        return self._speakers[voice]

    def _check_script(self, text: str) -> None:
        """A voice for Latin letters would spell out "Chinese letter" for each sign of a Chinese text."""
        voice = self._voices[0]
        letters = [character for character in text if character.isalpha()]
        latin = sum("LATIN" in unicodedata.name(character, "") for character in letters)
        if voice.language not in _OTHER_SCRIPTS and latin < len(letters) / 2:
            raise InputError(
                f"The voice {voice.name!r} ({voice.language}) can't read this script.",
                fix="Use a voice of the text's language, or have the text translated first.",
            )


def _load(context: LoadContext) -> tuple[PiperVoice, dict[str, Any], str]:
    """The voice, its settings file and the name of both files."""
    fix = f"Fetch it again: sensorium models pull {context.entry.id}"
    try:
        import onnxruntime
        from piper import PiperVoice
        from piper.config import PiperConfig
    except ImportError as error:
        raise missing_extra(context.entry, error) from error
    files = sorted(context.folder.glob("*.onnx"))
    if len(files) != 1 or not (settings_file := files[0].with_name(files[0].name + ".json")).is_file():
        raise EngineError(
            f"{context.entry.id}: its folder must hold one voice: an .onnx file and its .onnx.json.", fix=fix
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = context.threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting costs other models CPU
    options.log_severity_level = 3
    try:
        settings = json.loads(settings_file.read_text("utf-8"))
        session = onnxruntime.InferenceSession(files[0], options, providers=["CPUExecutionProvider"])
        # Not PiperVoice.load, which leaves the number of threads to chance. Tashkeel is another model, for Arabic.
        voice = PiperVoice(session=session, config=PiperConfig.from_dict(settings), use_tashkeel=False)
    except Exception as error:  # onnxruntime's exceptions share no base class below this one
        raise EngineError(f"{context.entry.id} can't be loaded: {str(error).splitlines()[0]}.", fix=fix) from error
    return voice, settings, files[0].stem
