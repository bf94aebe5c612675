"""Text to speech with Suno's Bark through transformers. It laughs and hesitates, and never says it twice the same way.

Source: `transformers.BarkModel`. Three language models make codes one after the other, which EnCodec turns into sound.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from engines.audio.aloud import check_speed, read_aloud, readable, voice_for
from engines.audio.coqui import drawing_lots
from engines.audio.tempo import at_speed
from engines.catalog import ModelEntry
from engines.loading import LoadContext, missing_extra
from engines.pretrained import load_model, load_processor
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, OnAudio, Voice, ignore_audio
from engines.stopping import stoppable
from engines.text.languages import language_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SPEEDS: Final = (0.5, 2.0)
_LONGEST: Final = 140
"""Characters per step: it makes at most 14 seconds at a time, and rambles when there is more room than text."""
_PAUSE_SECONDS: Final = 0.2
_INDEX: Final = "speaker_embeddings_path.json"
_WOMEN: Final = frozenset(("v2/en_speaker_9",))
"""Suno names one English preset a woman's; what the others sound like is not written down."""
_LANGUAGES: Final = ("en", "de", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh")
_ANY: Final = Voice("any", "Any", "en", note="Another voice for each sentence.")


class Options(BaseModel):
    """``options`` of a catalog entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: str = "auto"


class Bark:
    """`engines.protocols.TextToSpeech` with the voice presets that lie beside the model, or with any voice."""

    capability: ClassVar[str] = "text-to-speech"

    def __init__(self, context: LoadContext) -> None:
        self._device = context.device
        self._model, self._processor = _load(context)
        self._rate = int(self._model.generation_config.sample_rate)
        self._voices = _presets(context.folder)

    @classmethod
    def voices_of(cls, entry: ModelEntry, folder: Path) -> tuple[Voice, ...]:
        """The presets that lie in the folder; while it isn't there, those that Suno published."""
        if (folder / "config.json").is_file():
            return _presets(folder)
        languages = entry.languages or _LANGUAGES
        return tuple(_voice(f"v2/{language}_speaker_{number}") for language in languages for number in range(10))

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._voices

    def close(self) -> None:
        del self._model, self._processor

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
        """The model tells the language by the text itself. A cancel is noticed at each step of each model.

        Raises InputError when nothing is left to read, and for an unknown voice or speed.
        """
        chosen = voice_for(self._voices, voice, language)
        check_speed(speed, *_SPEEDS)
        plain = readable(text, language or chosen.language, chosen)

        def say(piece: str) -> Iterator[NDArray[np.float32]]:
            sound = Audio(self._sound(piece, None if chosen == _ANY else chosen.id), self._rate)
            if len(sound.samples):
                yield at_speed(sound, speed).samples

        # A StoppingCriteria would not reach the third model, and the others would go on with what there is.
        with drawing_lots(seed), stoppable(self._model, cancel, ignore_progress, ""):
            return read_aloud(
                plain,
                say,
                longest=_LONGEST,
                rate=self._rate,
                pause=_PAUSE_SECONDS,
                on_audio=on_audio,
                on_progress=on_progress,
                cancel=cancel,
            )

    def _sound(self, text: str, preset: str | None) -> NDArray[np.float32]:
        """Shape (samples,), float32 in -1..1."""
        import numpy as np

        inputs = self._processor(text, voice_preset=preset).to(self._device)
        if preset is not None:
            inputs["history_prompt"] = inputs["history_prompt"].to(self._device)
        waves = self._model.generate(**inputs)
        sound: NDArray[np.float32] = np.clip(waves[0].float().cpu().numpy(), -1.0, 1.0)
        return sound


def _presets(folder: Path) -> tuple[Voice, ...]:
    """The index also names presets whose files were left out: only those that are whole count."""
    try:
        index: dict[str, Any] = json.loads((folder / _INDEX).read_text("utf-8"))
    except (OSError, ValueError):
        return (_ANY,)
    whole = [
        key
        for key, files in index.items()
        if isinstance(files, dict) and all((folder / name).is_file() for name in files.values())
    ]
    return tuple(_voice(key) for key in sorted(whole, key=_best_first)) or (_ANY,)


def _best_first(key: str) -> tuple[bool, str]:
    """Suno's own examples speak with this one."""
    return (key != "v2/en_speaker_6", key)


def _voice(key: str) -> Voice:
    """``v2/en_speaker_6`` or the older ``en_speaker_6``."""
    language, _, number = key.rpartition("/")[2].partition("_speaker_")
    return Voice(key, f"{language_name(language)} {number}", language, "female" if key in _WOMEN else "")


def _load(context: LoadContext) -> tuple[Any, Any]:
    try:
        from transformers import BarkModel, BarkProcessor
    except ImportError as error:
        raise missing_extra(context.entry, error) from error
    options = Options.model_validate(dict(context.entry.options))
    model = load_model(context, BarkModel, dtype=options.dtype)
    config = model.generation_config
    for name in ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config"):
        part = getattr(config, name, None)
        if part is not None and not isinstance(part, dict):
            setattr(config, name, part.to_dict())  # `generate` wants the dictionaries that it was loaded from
    return model, load_processor(context, BarkProcessor)
