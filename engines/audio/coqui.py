"""What the engines on Coqui's library share, and its VITS voices.

The library is `coqui-tts` (MPL-2.0, extra `coqui`), the maintained fork of `TTS`. Models come from a folder on this
machine: its own downloader, and the question about a licence that it asks on the terminal, are never used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from engines.audio.aloud import check_speed, read_aloud, readable, voice_for
from engines.errors import EngineError, MissingExtraError, SensoriumError
from engines.loading import LoadContext, how_to_get, how_to_install
from engines.progress import NEVER, Cancelled, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, Voice
from engines.protocols.sound import OnAudio, ignore_audio

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from engines.catalog import ModelEntry

SPEEDS: Final = (0.5, 2.0)
_LONGEST: Final = 160
"""Characters per step, about 10 s of speech: a step can't be cancelled."""
_PAUSE_SECONDS: Final = 0.2
_WEIGHTS: Final = ("model.pth", "model_file.pth", "best_model.pth")


@contextmanager
def loading(context: LoadContext, *files: str) -> Iterator[None]:
    """Say what is wrong when ``files`` are not in the folder, and when the library or the model can't be loaded.

    Raises EngineError or MissingExtraError.
    """
    entry = context.entry
    if missing := [name for name in files if not (context.folder / name).is_file()]:
        raise EngineError(f"{entry.id}: its folder lacks {', '.join(missing)}.", fix=f"Run or do: {how_to_get(entry)}")
    try:
        yield
    except (SensoriumError, Cancelled):
        raise
    except ImportError as error:  # also what the library raises itself, over several lines, where torchaudio is missing
        raise MissingExtraError(
            f"{entry.id}: Coqui's library can't be loaded: {first_line(error)}.", fix=f"Run: {how_to_install(entry)}"
        ) from error
    except Exception as error:  # broken weights raise whatever PyTorch, json or the library happen to raise
        raise EngineError(
            f"{entry.id} can't be loaded: {first_line(error)}.", fix=f"Get it again: {how_to_get(entry)}"
        ) from error


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


@contextmanager
def drawing_lots(seed: int | None) -> Iterator[None]:
    """PyTorch draws the same lots for the same seed inside, and goes on as before outside."""
    import torch

    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def tensor_of(audio: Audio, rate: int, device: str) -> torch.Tensor:
    """Shape (1, n), float32, at ``rate`` Hz."""
    import numpy as np
    import torch

    from engines.audio.read import resample

    samples = np.ascontiguousarray(resample(audio, rate).samples, np.float32)
    return torch.from_numpy(samples)[None].to(device)


class CoquiVits:
    """`engines.protocols.TextToSpeech`: a VITS model of Coqui's, with a voice for each of its speakers.

    The folder holds `config.json`, the weights, and what the config names, such as `speakers.pth`.
    """

    capability: ClassVar[str] = "text-to-speech"

    def __init__(self, context: LoadContext) -> None:
        with loading(context, "config.json"):
            self._model = _load_vits(context)
        self._entry = context.entry
        self._voices = _voices(context.entry, _speakers(self._model), self._model.config.languages)
        self._rate = int(self._model.config.audio.sample_rate)
        self._scale = float(self._model.length_scale)

    @classmethod
    def voices_of(cls, entry: ModelEntry, folder: Path) -> tuple[Voice, ...]:
        try:
            config = json.loads((folder / "config.json").read_text("utf-8"))
        except (OSError, ValueError):
            return ()
        several = config.get("model_args", {}).get("use_speaker_embedding") or config.get("use_speaker_embedding")
        names = config.get("speakers") or []
        return () if several and not names else _voices(entry, list(names), config.get("languages") or [])

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._voices

    def close(self) -> None:
        del self._model

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
        """Raises InputError for an unknown voice or speed, and when nothing is left to read; EngineError when the
        library fails, as it does without the espeak-ng that some models want.
        """
        chosen = voice_for(self._voices, voice, language)
        check_speed(speed, *SPEEDS)
        plain = readable(text, chosen.language, chosen)
        several = self._model.num_speakers > 1
        languages = list(self._model.language_manager.language_names)
        self._model.length_scale = self._scale / speed

        def say(piece: str) -> Iterator[NDArray[np.float32]]:
            made = self._synthesize(
                piece,
                speaker=chosen.id if several else None,
                language=language if len(languages) > 1 and language in languages else None,
            )
            on_audio(Audio(made, self._rate))
            yield made

        with drawing_lots(seed):
            return read_aloud(
                plain,
                say,
                longest=_LONGEST,
                rate=self._rate,
                pause=_PAUSE_SECONDS,
                on_progress=on_progress,
                cancel=cancel,
            )

    def _synthesize(self, piece: str, **how: str | None) -> NDArray[np.float32]:
        import numpy as np

        try:
            wav = self._model.synthesize(piece, **how)["wav"]
        except Exception as error:  # the library raises what its text front ends raise
            raise EngineError(f"{self._entry.id} can't read this text: {first_line(error)}.") from error
        return np.clip(np.asarray(wav, np.float32).reshape(-1), -1.0, 1.0)


def _load_vits(context: LoadContext) -> Any:
    from TTS.config import load_config
    from TTS.tts.models import setup_model

    config = load_config(context.folder / "config.json")
    if config.model != "vits":
        raise EngineError(f"{context.entry.id} is a {config.model} model.", fix="Only VITS models can be used here.")
    weights = _weights(context)
    for settings in (config, config.model_args):
        _point_into(context.folder, settings)
    model = setup_model(config)
    model.load_checkpoint(config, weights, eval=True)
    return model.to(context.device)


def _weights(context: LoadContext) -> Path:
    """The one of the usual names, or the only file of its kind beside those that the config may name."""
    there = sorted(path for path in context.folder.glob("*.pth") if path.stem not in ("speakers", "language_ids"))
    named = [path for path in there if path.name in _WEIGHTS] or there
    if not named or len(named) > 1:
        raise EngineError(
            f"{context.entry.id}: its folder must hold one file of weights (.pth); it holds {len(named)}.",
            fix=f"Call it {_WEIGHTS[0]}.",
        )
    return named[0]


def _point_into(folder: Path, settings: Any) -> None:
    """A config names files where they lay on the machine that trained the model: here they lie in its folder."""
    for key in ("speakers_file", "speaker_file", "d_vector_file", "language_ids_file"):
        named = settings.get(key)
        if isinstance(named, str) and named:
            settings[key] = str(folder / Path(named).name)
    for key in ("speaker_encoder_model_path", "speaker_encoder_config_path"):  # it is for training
        if settings.get(key):
            settings[key] = ""


def _speakers(model: Any) -> list[str]:
    return list(model.speaker_manager.speaker_names) if model.speaker_manager and model.num_speakers > 1 else []


def _voices(entry: ModelEntry, speakers: list[str], languages: list[str]) -> tuple[Voice, ...]:
    """``languages`` are the config's: ``en-us`` is ``en`` here; many configs name none."""
    named = [*entry.languages, *(language for language in languages if language)] or ["en"]
    language = named[0].split("-")[0].split("_")[0].lower()
    if not speakers:
        return (Voice(entry.id, entry.title, language),)
    return tuple(Voice(name, name.strip(), language) for name in speakers)
