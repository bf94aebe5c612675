"""Text to speech with Kokoro-82M: one ONNX model, and a file of style vectors for each voice.

Text becomes phonemes by espeak-ng, which the GPL-3.0 package `piper-tts` carries (extra `speech`), and those become
sound in onnxruntime. The library `kokoro-onnx` would do the same with a second copy of espeak-ng.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from engines.audio.aloud import check_speed, read_aloud, readable, voice_for
from engines.audio.speakable import pieces
from engines.catalog import ModelEntry
from engines.errors import EngineError, InputError
from engines.loading import LoadContext, missing_extra
from engines.onnx import cpu_session
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, OnAudio, Voice, ignore_audio
from engines.text.languages import language_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from piper import PiperVoice

_RATE: Final = 24_000
_SPEEDS: Final = (0.5, 2.0)
_LONGEST: Final = 160
"""Characters per step, about 10 s of speech: a step can't be cancelled, and longer ones are read in a hurry."""
_MOST_PHONEMES: Final = 510
_STYLE: Final = (_MOST_PHONEMES, 256)
"""A voice has a style vector for each number of phonemes."""

_LANGUAGES: Final = {
    "a": ("en", "American"), "b": ("en", "British"), "e": ("es", ""), "f": ("fr", ""), "h": ("hi", ""), "i": ("it", ""),
    "p": ("pt", "Brazilian"), "j": ("ja", ""), "z": ("zh", ""),
}  # fmt: skip
"""First letter of a voice's name -> its language and accent. The second letter is f or m."""
_ESPEAK: Final = {"en": "en-us", "es": "es", "fr": "fr", "hi": "hi", "it": "it", "pt": "pt-br"}
"""Languages it reads -> what espeak-ng calls them. espeak-ng's Chinese and Japanese phonemes are not those that the
model was trained with: Whisper base understands little of the one and nothing of the other.
"""

_VOCABULARY: Final = Path(__file__).parents[1] / "data" / "kokoro" / "vocab.json"
_JOINED: Final = {
    "tʃ": "ʧ", "dʒ": "ʤ", "ts": "ʦ", "dz": "ʣ",
    "aɪ": "I", "aʊ": "W", "eɪ": "A", "oʊ": "O", "əʊ": "Q", "ɔɪ": "Y",  # noqa: RUF001 # phonetic letters
    "ʲ": "",
}  # fmt: skip
"""espeak-ng's phonemes -> those of the model's training: one sign for each affricate and diphthong, no glides."""
_NAME: Final = re.compile(rf"[{''.join(_LANGUAGES)}][fm]_\w+")
_JOIN: Final = re.compile("|".join(_JOINED))


class Kokoro:
    """`engines.protocols.TextToSpeech`: any of its voices reads any of its languages; each is best in its own."""

    capability: ClassVar[str] = "text-to-speech"

    def __init__(self, context: LoadContext) -> None:
        self._ids: dict[str, int] = json.loads(_VOCABULARY.read_text("utf-8"))
        self._session, self._styles = _load(context)
        self._phonemizers: dict[str, PiperVoice] = {}
        self._voices = tuple(_voice(key) for key in self._styles)

    @classmethod
    def voices_of(cls, entry: ModelEntry, folder: Path) -> tuple[Voice, ...]:
        """By the names of the voices' files, those that are there or that the entry would fetch."""
        return tuple(_voice(key) for key in _voice_files(entry, folder))

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._voices

    def close(self) -> None:
        del self._session
        self._phonemizers.clear()

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
        """Markup and emoji are left out, and ``seed`` changes nothing. The text is read by the rules of its
        ``language``, or else of the voice's: an English text is English in a Spanish voice too.

        Raises InputError when nothing is left to read, for an unknown voice or speed, and for a language that it can't
        read unless a voice is named that reads another: that one reads it in its own way.
        """
        del seed  # the model draws no lots
        chosen = voice_for(self._voices, voice, language)
        language = _rules(language, chosen, is_named=voice is not None)
        check_speed(speed, *_SPEEDS)
        plain = readable(text, language, chosen)
        accent = "en-gb-x-rp" if language == "en" and chosen.accent == "British" else _ESPEAK[language]

        def say(piece: str) -> Iterator[NDArray[np.float32]]:
            for phonemes in pieces(self._phonemes(piece, accent), _MOST_PHONEMES):
                yield self._sound(phonemes, self._styles[chosen.id], speed)

        return read_aloud(  # the model leaves a pause at both ends
            plain,
            say,
            longest=_LONGEST,
            rate=_RATE,
            pause=0.0,
            on_audio=on_audio,
            on_progress=on_progress,
            cancel=cancel,
        )

    def _phonemes(self, text: str, accent: str) -> str:
        """Only signs that the model knows; empty when there is no sound to make."""
        sentences = self._phonemizer(accent).phonemize(text)
        joined = unicodedata.normalize("NFC", " ".join("".join(sentence) for sentence in sentences))
        joined = _JOIN.sub(lambda found: _JOINED[found[0]], joined)
        # A vowel and its tilde are two signs for the model, a c and its cedilla one.
        parts = (sign if sign in self._ids else unicodedata.normalize("NFD", sign) for sign in joined)
        known = "".join(sign for part in parts for sign in part if sign in self._ids)
        return known if any(sign.isalpha() for sign in known) else ""

    def _phonemizer(self, accent: str) -> PiperVoice:
        """espeak-ng has one state for the whole process: Piper's own class holds the lock on it."""
        if accent not in self._phonemizers:
            from piper import PiperVoice
            from piper.config import PhonemeType, PiperConfig

            config = PiperConfig(0, 1, _RATE, accent, {}, PhonemeType.ESPEAK)
            self._phonemizers[accent] = PiperVoice(session=self._session, config=config, use_tashkeel=False)
        return self._phonemizers[accent]

    def _sound(self, phonemes: str, style: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
        """Shape (samples,), float32 in -1..1."""
        import numpy as np

        tokens = [0, *(self._ids[sign] for sign in phonemes), 0]
        inputs = {
            "tokens": np.array([tokens], np.int64),
            "style": style[len(phonemes) - 1][None],
            "speed": np.array([speed], np.float32),
        }
        sound: NDArray[np.float32] = np.clip(self._session.run(None, inputs)[0].ravel(), -1.0, 1.0)
        return sound


def _rules(language: str | None, chosen: Voice, *, is_named: bool) -> str:
    """By which language's rules the text is read. Raises InputError."""
    if language is None and chosen.language in _ESPEAK:
        return chosen.language
    if language in _ESPEAK:
        return language
    if is_named and language != chosen.language and chosen.language in _ESPEAK:
        return chosen.language
    raise InputError(
        f"No voice here can read {language_name(language or chosen.language)}.", fix=f"Languages: {', '.join(_ESPEAK)}."
    )


def _voice(key: str) -> Voice:
    """What the name of a voice says: ``bf_emma`` is British, female, Emma."""
    language, accent = _LANGUAGES[key[0]]
    note = "" if language in _ESPEAK else f"Reads {', '.join(_ESPEAK)}; not {language_name(language)} itself."
    return Voice(key, key[3:].capitalize(), language, "female" if key[1] == "f" else "male", accent, note)


def _voice_files(entry: ModelEntry, folder: Path) -> dict[str, Path]:
    """Voice -> its file. In the order of the entry, which names the best of each kind first; others after them."""
    listed = [folder / file.name for file in entry.files if file.name.startswith("voices/")]
    paths = dict.fromkeys([*listed, *sorted(folder.glob("voices/*.bin"))])
    return {path.stem: path for path in paths if _NAME.fullmatch(path.stem)}


def _load(context: LoadContext) -> tuple[Any, dict[str, NDArray[np.float32]]]:
    """The model's session, and each voice's styles of shape `_STYLE`, the best of each kind first."""
    fix = f"Fetch it again: sensorium models pull {context.entry.id}"
    try:
        import numpy as np
        import piper  # noqa: F401 # it is needed for the first word: say so now rather than then
    except ImportError as error:
        raise missing_extra(context.entry, error) from error
    models = sorted(context.folder.glob("*.onnx"))
    voices = {key: path for key, path in _voice_files(context.entry, context.folder).items() if path.is_file()}
    if len(models) != 1 or not voices:
        raise EngineError(f"{context.entry.id}: its folder must hold an .onnx file and voices/*.bin.", fix=fix)
    try:
        styles = {key: np.fromfile(path, "<f4").reshape(_STYLE) for key, path in voices.items()}
        session = cpu_session(models[0], context.threads)
    except Exception as error:  # onnxruntime's exceptions share no base class below this one
        raise EngineError(f"{context.entry.id} can't be loaded: {str(error).splitlines()[0]}.", fix=fix) from error
    return session, styles
