"""Speech to text with Whisper on faster-whisper (CTranslate2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from engines.audio.read import resample
from engines.errors import EngineError, InputError
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, Segment, Transcript

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_RATE: Final = 16_000
_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
_SHORTEST_SECONDS: Final = 0.1
UNDETERMINED: Final = "und"
"""The language of a transcript without words, when none was named."""


class FasterWhisper:
    """`engines.protocols.SpeechToText`. ``options``: ``compute_type`` (int8, float16 ...), ``beam_size``."""

    capability: ClassVar[str] = "speech-to-text"

    def __init__(self, context: LoadContext) -> None:
        self._id = context.entry.id
        self._beam_size = int(context.entry.options.get("beam_size", 5))
        self._model = _load(context)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes (and a few longer ones) that it understands."""
        return tuple(self._model.supported_languages)

    def close(self) -> None:
        self._model.model.unload_model()

    def transcribe(
        self,
        audio: Audio,
        *,
        language: str | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Transcript:
        """Silence and noise are cut out first, because Whisper makes up words for them.

        Raises InputError for a language that the model doesn't understand.
        """
        code = self._checked(language)
        cancel.check()
        if audio.seconds < _SHORTEST_SECONDS:
            return Transcript("", code or UNDETERMINED, 0.0, ())
        on_progress(0.0, "listening for speech")
        found, info = self._model.transcribe(
            resample(audio, _RATE).samples,
            language=code,
            beam_size=self._beam_size,
            temperature=(0.0, 0.2, 0.4),
            condition_on_previous_text=False,  # a wrong sentence would be repeated to the end
            vad_filter=True,
        )
        segments: list[Segment] = []
        for segment in found:  # each is computed when it is asked for
            cancel.check()
            if text := segment.text.strip():
                segments.append(Segment(segment.start, segment.end, text))
            on_progress(min(1.0, segment.end / audio.seconds), text)
        on_progress(1.0, "")
        if not segments:
            return Transcript("", code or UNDETERMINED, 0.0, ())
        text = " ".join(segment.text for segment in segments)
        return Transcript(text, info.language, float(info.language_probability), tuple(segments))

    def _checked(self, language: str | None) -> str | None:
        if language is None:
            return None
        code = language.lower().replace("_", "-").split("-")[0]
        if code not in self._model.supported_languages:
            raise InputError(
                f"{self._id} does not understand the language {language!r}.",
                fix=f"Leave the language out, or use one of: {', '.join(self.languages)}.",
            )
        return code


def _load(context: LoadContext) -> WhisperModel:
    fix = f"Fetch it again: sensorium models pull {context.entry.id}"
    # Without its tokenizer, faster-whisper would fetch one from the network.
    if missing := [name for name in _FILES if not (context.folder / name).is_file()]:
        raise EngineError(f"{context.entry.id}: its folder lacks {', '.join(missing)}.", fix=fix)
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise missing_extra(context.entry, error) from error
    settings: dict[str, Any] = {"device": context.device, "cpu_threads": context.threads, "local_files_only": True}
    try:
        return WhisperModel(
            str(context.folder), compute_type=context.entry.options.get("compute_type", "default"), **settings
        )
    except (RuntimeError, ValueError) as error:  # what CTranslate2 raises
        raise EngineError(f"{context.entry.id} can't be loaded: {str(error).splitlines()[0]}.", fix=fix) from error
