"""XTTS v2 (Casanova et al. 2024) in Coqui's library: it speaks 17 languages in the voice of a short recording.

The weights are under the Coqui Public Model License: not for commercial use. The folder is that of the hub's snapshot:
`config.json`, `model.pth`, `vocab.json`, and `speakers_xtts.pth` with ready-made voices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from engines.audio.aloud import check_speed, read_aloud, readable, voice_for
from engines.audio.coqui import SPEEDS, drawing_lots, first_line, loading, tensor_of
from engines.errors import EngineError, InputError, MissingExtraError
from engines.loading import LoadContext
from engines.progress import NEVER, Cancelled, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, ClonedSpeech, Voice
from engines.protocols.sound import OnAudio, ignore_audio
from engines.text.languages import language_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engines.catalog import ModelEntry

_FILES: Final = ("config.json", "model.pth", "vocab.json")
_RATE: Final = 22_050
"""Of what the model listens to, in Hz."""
_LONGEST: Final = 160
"""Characters per step: the model loses words in longer ones. Its own limit is 82 or more, by language."""
_LONGEST_SIGNS: Final = 60
"""The same where a character is a syllable or a word: the limit is 71 to 95 there."""
_PAUSE_SECONDS: Final = 0.15


class Xtts:
    """`engines.protocols.VoiceCloning`. Sampling can be stopped at each token."""

    capability: ClassVar[str] = "voice-cloning"

    def __init__(self, context: LoadContext) -> None:
        self._voice_maker = _Model(context)

    def close(self) -> None:
        del self._voice_maker

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
        """``language`` None: English. ``reference`` needs a third of a second; of a long one, the first 30 s count.

        Raises InputError for a language the model doesn't speak, an unknown speed, or when nothing is left to read.
        """
        maker = self._voice_maker
        maker.check(language, speed)
        on_progress(None, "listening to the voice")
        voice = maker.voice_of(reference)
        cancel.check()
        sound = maker.say(
            text, voice, language or "en", speed, seed, ignore_audio, on_progress=on_progress, cancel=cancel
        )
        return ClonedSpeech(sound, "clone")


class XttsSpeech:
    """`engines.protocols.TextToSpeech`: the voices that come with the model, each of which speaks all its languages."""

    capability: ClassVar[str] = "text-to-speech"

    def __init__(self, context: LoadContext) -> None:
        self._voice_maker = _Model(context)
        self._speakers = self._voice_maker.speakers()
        if not self._speakers:
            raise EngineError(
                f"{context.entry.id}: there are no voices in its folder.", fix="Put speakers_xtts.pth into it."
            )
        self._voices = tuple(Voice(name, name, "en", note="speaks all its languages") for name in self._speakers)

    @classmethod
    def voices_of(cls, entry: ModelEntry, folder: Path) -> tuple[Voice, ...]:
        """Only the loaded model knows them."""
        del entry, folder
        return ()

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._voices

    def close(self) -> None:
        del self._voice_maker

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
        """``language`` None: English. Raises InputError as `Xtts.clone` does, and for an unknown voice."""
        chosen = voice_for(self._voices, voice, language)
        self._voice_maker.check(language, speed)
        return self._voice_maker.say(
            text,
            self._speakers[chosen.id],
            language or "en",
            speed,
            seed,
            on_audio,
            on_progress=on_progress,
            cancel=cancel,
        )


class _Model:
    """The network, and what both engines do with it."""

    def __init__(self, context: LoadContext) -> None:
        self._entry = context.entry
        self._device = context.device
        with loading(context, *_FILES):
            from TTS.config import load_config
            from TTS.tts.models.xtts import Xtts as Network

            config = load_config(context.folder / "config.json")
            context.cancel.check()
            self._network = Network(config)
            self._network.load_checkpoint(config, checkpoint_dir=context.folder, eval=True)
            self._network.to(context.device)
        self._config = config
        self._languages = tuple(dict.fromkeys(language.split("-")[0] for language in config.languages))
        self._rate = int(config.audio.output_sample_rate)

    def check(self, language: str | None, speed: float) -> None:
        """Raises InputError."""
        if language is not None and language not in self._languages:
            names = ", ".join(language_name(each) for each in self._languages)
            raise InputError(f"{self._entry.id} doesn't speak {language_name(language)}.", fix=f"Languages: {names}.")
        check_speed(speed, *SPEEDS)

    def speakers(self) -> dict[str, tuple[Any, Any]]:
        """The ready-made voices by name, as `voice_of` gives them."""
        manager = self._network.speaker_manager
        return {name: tuple(voice.values()) for name, voice in manager.speakers.items()} if manager else {}

    def voice_of(self, reference: Audio) -> tuple[Any, Any]:
        """What the model must know of a voice. Done by `Xtts.get_conditioning_latents` too, but only for files."""
        sound = tensor_of(reference, _RATE, self._device)[:, : _RATE * self._config.max_ref_len]
        try:
            embedding = self._network.get_speaker_embedding(sound, _RATE)
            latents = self._network.get_gpt_cond_latents(
                sound, _RATE, length=self._config.gpt_cond_len, chunk_length=self._config.gpt_cond_chunk_len
            )
        except RuntimeError as error:
            raise EngineError(f"{self._entry.id} can't use this reference: {first_line(error)}.") from error
        return latents, embedding

    def say(
        self,
        text: str,
        voice: tuple[Any, Any],
        language: str,
        speed: float,
        seed: int | None,
        on_audio: OnAudio,
        *,
        on_progress: OnProgress,
        cancel: CancelToken,
    ) -> Audio:
        plain = readable(text, language, Voice(self._entry.id, self._entry.title, language))
        signs = language in ("zh", "ja", "ko")

        def say(piece: str) -> Iterator[NDArray[np.float32]]:
            sound = self._sample(piece, voice, language, speed, cancel)
            on_audio(Audio(sound, self._rate))
            yield sound

        with drawing_lots(seed):
            return read_aloud(
                plain,
                say,
                longest=_LONGEST_SIGNS if signs else _LONGEST,
                rate=self._rate,
                pause=_PAUSE_SECONDS,
                on_progress=on_progress,
                cancel=cancel,
            )

    def _sample(
        self, piece: str, voice: tuple[Any, Any], language: str, speed: float, cancel: CancelToken
    ) -> NDArray[np.float32]:
        import numpy as np

        config = self._config
        try:
            made = self._network.inference(
                piece,
                language,
                *voice,
                speed=speed,
                temperature=config.temperature,
                length_penalty=config.length_penalty,
                repetition_penalty=config.repetition_penalty,
                top_k=config.top_k,
                top_p=config.top_p,
                stopping_criteria=_stop_when(cancel.check),
            )
        except (Cancelled, EngineError):
            raise
        except ImportError as error:  # Chinese, Japanese and Korean are written in Latin letters by other packages
            raise MissingExtraError(
                f"{self._entry.id} can't read {language_name(language)} here: {first_line(error)}.",
                fix=f"Run: pip install 'coqui-tts[{language}]'",
            ) from error
        except Exception as error:
            raise EngineError(f"{self._entry.id} failed: {first_line(error)}.") from error
        return np.clip(np.asarray(made["wav"], np.float32).reshape(-1), -1.0, 1.0)


def _stop_when(check: Callable[[], None]) -> Any:
    """For transformers' ``generate``: a stopping criterion that never stops, but raises what ``check`` does."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Check(StoppingCriteria):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **more: Any) -> torch.Tensor:
            del scores, more
            check()
            return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    return StoppingCriteriaList([Check()])
