"""What engines that know people's voices promise. Using them on a person's voice takes that person's permission."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols.engine import Engine
from engines.protocols.sound import Audio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ClonedSpeech:
    """``similarity`` is how alike the reference and ``audio`` sound to the speaker encoder: their cosine in 0..1;
    None: not measured. ``note`` says what a listener should know, such as which ready-made voice was taken.
    """

    audio: Audio
    kind: Literal["clone", "closest-voice"]
    similarity: float | None = None
    note: str = ""


class VoiceCloning(Engine, Protocol):
    capability: ClassVar[str] = "voice-cloning"

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
        """Read ``text`` aloud in the voice of ``reference``. ``language`` is the text's (ISO 639-1).

        The same ``seed`` makes a model that draws lots say it the same way again.
        """
        ...


class VoiceConversion(Engine, Protocol):
    capability: ClassVar[str] = "voice-conversion"

    def convert(
        self,
        source: Audio,
        reference: Audio,
        *,
        seed: int | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Audio:
        """What is said in ``source``, as it is said there, in the voice of ``reference``.

        ``seed`` is as in `VoiceCloning`.
        """
        ...


class SpeakerEmbedding(Engine, Protocol):
    capability: ClassVar[str] = "speaker-embedding"

    def embed(
        self, audio: Audio, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> NDArray[np.float32]:
        """Whose voice it is: a unit vector of shape (256,). The cosine of two says how alike they sound."""
        ...
