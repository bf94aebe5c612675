"""Speech to text with Whisper on faster-whisper (CTranslate2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from engines.audio.read import resample
from engines.audio.vad import speech_spans
from engines.devices import for_ctranslate2
from engines.errors import EngineError, InputError
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, OnSegment, Segment, Span, SpeechTask, Transcript, Word, ignore_segment

if TYPE_CHECKING:
    import numpy as np
    from faster_whisper import WhisperModel
    from numpy.typing import NDArray

_RATE: Final = 16_000
_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
_SHORTEST_SECONDS: Final = 0.1
_PART_SECONDS: Final = 240.0
"""Long recordings go part by part, cut where nobody speaks: the features of a part take memory, and are computed before
its first word."""
UNDETERMINED: Final = "und"
"""The language of a transcript without words, when none was named."""


class Options(BaseModel):
    """``options`` of a catalog entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    compute_type: str = "auto"
    """CTranslate2's name of a precision (int8, float16, int8_float16 ...); auto: int8 on the CPU, else float16."""
    beam_size: int = Field(default=5, ge=1, le=20)


class FasterWhisper:
    """`engines.protocols.SpeechToText`. On CUDA where CTranslate2 finds it, else on the CPU."""

    capability: ClassVar[str] = "speech-to-text"

    def __init__(self, context: LoadContext) -> None:
        self._id = context.entry.id
        self._options = Options.model_validate(dict(context.entry.options))
        self._model = _load(context, self._options)

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
        task: SpeechTask = "transcribe",
        words: bool = False,
        prompt: str = "",
        on_segment: OnSegment = ignore_segment,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Transcript:
        """Silence and noise are cut out first, because Whisper makes up words for them. A cancel is noticed between
        the model's steps, each of which covers at most 30 seconds of sound.

        Raises InputError for a language that the model doesn't understand, and for a translation by a model that knows
        English only.
        """
        code = self._checked(language)
        if task == "translate" and not self._model.model.is_multilingual:
            raise InputError(f"{self._id} knows English only, so it can't translate.", fix="Use a multilingual model.")
        cancel.check()
        if audio.seconds < _SHORTEST_SECONDS:
            return Transcript("", code or UNDETERMINED, 0.0, ())
        on_progress(0.0, "listening for speech")
        samples = resample(audio, _RATE).samples
        segments: list[Segment] = []
        spoken, probability = code, 1.0 if code else 0.0
        for part in _parts(samples, cancel):
            cancel.check()
            found, info = self._model.transcribe(
                samples[round(part.start * _RATE) : round(part.end * _RATE)],
                language=spoken,
                task=task,
                beam_size=self._options.beam_size,
                temperature=(0.0, 0.2, 0.4),
                condition_on_previous_text=False,  # a wrong sentence would be repeated to the end
                initial_prompt=prompt or None,
                word_timestamps=words,
                vad_filter=True,
            )
            if spoken is None:
                spoken, probability = info.language, float(info.language_probability)
            for segment in found:  # each is computed when it is asked for
                cancel.check()
                if written := _segment(segment, part.start):
                    segments.append(written)
                    on_segment(written)
                end = min(part.start + segment.end, audio.seconds)
                on_progress(end / audio.seconds, f"{end:.0f} of {audio.seconds:.0f} s")
        on_progress(1.0, "")
        if not segments:
            return Transcript("", code or UNDETERMINED, 0.0, ())
        text = " ".join(segment.text for segment in segments)
        return Transcript(text, spoken or UNDETERMINED, probability, tuple(segments))

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


def _parts(samples: NDArray[np.float32], cancel: CancelToken) -> Iterator[Span]:
    """The whole, if it is short. Else stretches with speech in them of about `_PART_SECONDS`, cut in its pauses, or
    where there is none in the middle of it.
    """
    seconds = len(samples) / _RATE
    if seconds <= 2 * _PART_SECONDS:
        yield Span(0.0, seconds)
        return
    start = end = -1.0
    for span in speech_spans(samples, cancel=cancel):
        if start >= 0 and span.end - start > _PART_SECONDS:
            yield from _halved(start, end)
            start = -1.0
        start = span.start if start < 0 else start
        end = span.end
    if start >= 0:
        yield from _halved(start, end)


def _halved(start: float, end: float) -> Iterator[Span]:
    while end - start > 2 * _PART_SECONDS:
        yield Span(start, start + _PART_SECONDS)
        start += _PART_SECONDS
    yield Span(start, end)


def _segment(found: Any, offset: float) -> Segment | None:
    """None: there are no words in it."""
    text = found.text.strip()
    if not text:
        return None
    words = tuple(
        Word(offset + word.start, offset + word.end, word.word, float(word.probability)) for word in found.words or ()
    )
    return Segment(offset + found.start, offset + found.end, text, words)


def _load(context: LoadContext, options: Options) -> WhisperModel:
    fix = f"Fetch it again: sensorium models pull {context.entry.id}"
    # Without its tokenizer, faster-whisper would fetch one from the network.
    if missing := [name for name in _FILES if not (context.folder / name).is_file()]:
        raise EngineError(f"{context.entry.id}: its folder lacks {', '.join(missing)}.", fix=fix)
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise missing_extra(context.entry, error) from error
    settings = for_ctranslate2(context.device) | {"cpu_threads": context.threads, "local_files_only": True}
    compute_type = options.compute_type
    if compute_type == "auto":
        compute_type = "int8" if settings["device"] == "cpu" else "float16"
    try:
        return WhisperModel(str(context.folder), compute_type=compute_type, **settings)
    except (RuntimeError, ValueError) as error:  # what CTranslate2 raises
        raise EngineError(f"{context.entry.id} can't be loaded: {str(error).splitlines()[0]}.", fix=fix) from error
