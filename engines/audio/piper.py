"""Text to speech with Piper voices: an ``.onnx`` file and its ``.onnx.json``.

The runtime `piper-tts` is GPL-3.0. It is an optional extra (`speech`), imported here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict

from engines.audio.aloud import check_speed, read_aloud, readable, voice_for
from engines.audio.voices import ACCENTS
from engines.catalog import ModelEntry
from engines.errors import EngineError
from engines.loading import LoadContext, missing_extra
from engines.onnx import cpu_session
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, OnAudio, Voice, ignore_audio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from piper import PiperVoice, SynthesisConfig

_LONGEST: Final = 400
"""Characters per step. A step's memory grows with its length: this much is about 25 s of speech."""
_PAUSE_SECONDS: Final = 0.15
_SPEEDS: Final = (0.25, 4.0)


class Options(BaseModel):
    """``options`` of a catalog entry: what a voice file doesn't say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gender: Literal["female", "male", ""] = ""


class Piper:
    """`engines.protocols.TextToSpeech`, one voice file; a file with several speakers has a voice for each."""

    capability: ClassVar[str] = "text-to-speech"

    def __init__(self, context: LoadContext) -> None:
        self._voice, settings, stem = _load(context)
        self._voices = _voices(context.entry, stem, settings)
        self._speakers = dict(zip((voice.id for voice in self._voices), _speakers(settings).values(), strict=True))

    @classmethod
    def voices_of(cls, entry: ModelEntry, folder: Path) -> tuple[Voice, ...]:
        """By the settings file of the voice; by the name of the voice alone while it isn't there."""
        files = sorted(folder.rglob("*.onnx.json"))
        if len(files) == 1:
            try:
                settings = json.loads(files[0].read_text("utf-8"))
            except (OSError, ValueError):
                return ()  # loading it says what is wrong
            return _voices(entry, files[0].name.removesuffix(".onnx.json"), settings)
        stems = [Path(file.name).stem for file in entry.files if file.name.endswith(".onnx")]
        return tuple(voice for stem in stems for voice in _voices(entry, stem, {}))

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
        seed: int | None = None,
        on_audio: OnAudio = ignore_audio,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Audio:
        """Markup and emoji are left out. Raises InputError when nothing is left, or for an unknown voice or speed.

        ``language`` changes nothing: a voice reads every text by the rules of its own language, which `voices` names.
        Nor does ``seed``: the model draws its lots inside onnxruntime.
        """
        # Measured on five Spanish sentences, word error rate of Whisper base listening to the embedded English voice:
        # English pronunciation 58-63 %, espeak-ng's Spanish phonemes as they are 107 %, the same replaced by the
        # nearest English ones 53-91 %. None can be understood well, so the simplest stays; a Spanish voice is the cure.
        del language, seed
        chosen = voice_for(self._voices, voice, None)
        check_speed(speed, *_SPEEDS)
        plain = readable(text, chosen.language, chosen)
        config = self._config(None if voice is None else self._speakers[chosen.id], speed)
        return read_aloud(
            plain,
            lambda piece: self._say(piece, config),
            longest=_LONGEST,
            rate=self._voice.config.sample_rate,
            pause=_PAUSE_SECONDS,
            on_audio=on_audio,
            on_progress=on_progress,
            cancel=cancel,
        )

    def _config(self, speaker: int | None, speed: float) -> SynthesisConfig:
        from piper import SynthesisConfig

        return SynthesisConfig(speaker_id=speaker, length_scale=self._voice.config.length_scale / speed)

    def _say(self, text: str, config: SynthesisConfig) -> Iterator[NDArray[np.float32]]:
        """One array per sentence, computed when it is asked for."""
        return (chunk.audio_float_array for chunk in self._voice.synthesize(text, config))


def _voices(entry: ModelEntry, stem: str, settings: dict[str, Any]) -> tuple[Voice, ...]:
    """``settings`` are those of the voice file; ``stem`` is its name, such as en_US-joe-medium."""
    locale, _, rest = stem.partition("-")
    said = settings.get("language", {})
    espeak = settings.get("espeak", {}).get("voice", "").split("-")[0]
    language = said.get("family") or espeak or locale.partition("_")[0]
    accent = ACCENTS.get(said.get("region") or locale.partition("_")[2], "")
    gender = Options.model_validate(dict(entry.options)).gender
    name = settings.get("dataset") or rest.partition("-")[0] or stem
    speakers = _speakers(settings)
    if len(speakers) == 1:
        return (Voice(stem, name, language, gender, accent),)
    return tuple(Voice(f"{stem}/{key}", f"{name} {key}", language, gender, accent) for key in speakers)


def _speakers(settings: dict[str, Any]) -> dict[str, int | None]:
    """Speaker -> number; one without a number where the file has only one."""
    speakers: dict[str, int | None] = dict(settings.get("speaker_id_map") or {})
    return speakers if len(speakers) > 1 else {"": None}


def _load(context: LoadContext) -> tuple[PiperVoice, dict[str, Any], str]:
    """The voice, its settings file and the name of both files."""
    fix = f"Fetch it again: sensorium models pull {context.entry.id}"
    try:
        from piper import PiperVoice
        from piper.config import PiperConfig
    except ImportError as error:
        raise missing_extra(context.entry, error) from error
    files = sorted(context.folder.rglob("*.onnx"))
    if len(files) != 1 or not (settings_file := files[0].with_name(files[0].name + ".json")).is_file():
        raise EngineError(
            f"{context.entry.id}: its folder must hold one voice: an .onnx file and its .onnx.json.", fix=fix
        )
    try:
        settings = json.loads(settings_file.read_text("utf-8"))
        session = cpu_session(files[0], context.threads)
        # Not PiperVoice.load, which leaves the number of threads to chance. Tashkeel is another model, for Arabic.
        voice = PiperVoice(session=session, config=PiperConfig.from_dict(settings), use_tashkeel=False)
    except Exception as error:  # onnxruntime's exceptions share no base class below this one
        raise EngineError(f"{context.entry.id} can't be loaded: {str(error).splitlines()[0]}.", fix=fix) from error
    return voice, settings, files[0].stem
