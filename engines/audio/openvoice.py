"""OpenVoice v2's tone colour converter (Qin et al. 2023, MIT) in Coqui's library: the same words in another voice.

The folder is that of the hub's snapshot: `converter/config.json` and `converter/checkpoint.pth`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from engines.audio.coqui import drawing_lots, first_line, loading, tensor_of
from engines.audio.read import resample
from engines.errors import EngineError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, ClonedSpeech, TextToSpeech, VoiceConversion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FILES: Final = ("converter/config.json", "converter/checkpoint.pth")
_PIECE_SECONDS: Final = 4.0
"""A piece can't be cancelled."""
_SEARCH_SECONDS: Final = 1.0
"""A piece ends at the quietest place of its last seconds."""
_MOST_REFERENCE_SECONDS: Final = 60.0
_QUIET_SECONDS: Final = 0.02


class OpenVoice:
    """`engines.protocols.VoiceConversion`."""

    capability: ClassVar[str] = "voice-conversion"

    def __init__(self, context: LoadContext) -> None:
        self._entry = context.entry
        self._device = context.device
        with loading(context, *_FILES):
            from TTS.vc.configs.openvoice_config import OpenVoiceConfig
            from TTS.vc.models.openvoice import OpenVoice as Network

            config = OpenVoiceConfig()
            self._network = Network(config)
            self._network.load_checkpoint(config, context.folder / _FILES[1], eval=True)
            self._network.to(context.device)
        self._rate = int(self._network.config.audio.input_sample_rate)

    def close(self) -> None:
        del self._network

    def convert(
        self,
        source: Audio,
        reference: Audio,
        *,
        seed: int | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Audio:
        """In pieces of 3 to 4 s, cut where it is quiet. Of the reference, the first minute counts."""
        import numpy as np

        most = round(_MOST_REFERENCE_SECONDS * reference.rate)
        target = tensor_of(Audio(reference.samples[:most], reference.rate), self._rate, self._device)
        samples = resample(source, self._rate).samples
        made: list[NDArray[np.float32]] = []
        done = 0
        with drawing_lots(seed):
            for piece in quiet_pieces(samples, self._rate):
                cancel.check()
                made.append(self._converted(piece, target)[: len(piece)])
                done += len(piece)
                on_progress(done / len(samples), f"{done / self._rate:.0f} s converted")
        return Audio(np.concatenate(made), self._rate)

    def _converted(self, piece: NDArray[np.float32], target: object) -> NDArray[np.float32]:
        import numpy as np

        try:
            sound = self._network.voice_conversion(
                tensor_of(Audio(piece, self._rate), self._rate, self._device), [target]
            )
        except Exception as error:  # PyTorch's: out of memory, or a piece too short for the reference encoder
            raise EngineError(f"{self._entry.id} failed: {first_line(error)}.") from error
        return np.clip(np.asarray(sound, np.float32).reshape(-1), -1.0, 1.0)


class ConvertedSpeech:
    """`engines.protocols.VoiceCloning` in two steps: a ready-made voice reads the text, then the voice is converted."""

    capability: ClassVar[str] = "voice-cloning"

    def __init__(self, context: LoadContext) -> None:
        self._speaker: TextToSpeech = context.parts[TextToSpeech.capability]
        self._converter: VoiceConversion = context.parts[VoiceConversion.capability]

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
        """Tone is taken from the reference; accent and rhythm stay the ready-made voice's."""
        spoken = self._speaker.speak(
            text,
            language=language,
            speed=speed,
            on_progress=lambda done, message: on_progress(done and done / 2, message),
            cancel=cancel,
        )
        sound = self._converter.convert(
            spoken,
            reference,
            seed=seed,
            on_progress=lambda done, message: on_progress(done and 0.5 + done / 2, message),
            cancel=cancel,
        )
        return ClonedSpeech(sound, "clone", note="The accent is that of the voice that read the text first.")


def quiet_pieces(samples: NDArray[np.float32], rate: int) -> Iterator[NDArray[np.float32]]:
    """Pieces of at most 4 s that make up the whole, cut at quiet places. The last is never shorter than a second,
    unless it is the only one.
    """
    import numpy as np

    longest, search, quiet = (round(s * rate) for s in (_PIECE_SECONDS, _SEARCH_SECONDS, _QUIET_SECONDS))
    start = 0
    while len(samples) - start > longest:
        tail = samples[start + longest - search : start + longest]
        tail = tail[: len(tail) - len(tail) % quiet].reshape(-1, quiet)
        end = start + longest - search + (int(np.argmin((tail**2).mean(1))) + 1) * quiet
        end = min(end, len(samples) - rate)
        yield samples[start:end]
        start = end
    yield samples[start:]
