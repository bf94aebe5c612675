"""ElevenLabs, an online service: its voices, and its instant voice cloning. What is spoken and cloned is sent there.

Needs the extra `elevenlabs` and the setting `elevenlabs_key`. A cloned voice exists on the service only while its text
is read: it is deleted in any case, also after a failure or a cancel.
"""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engines.audio.aloud import check_speed, read_aloud, readable, voice_for
from engines.errors import BusyError, EngineError, InputError, MissingSettingError, SensoriumError, UnavailableError
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, ClonedSpeech, Voice
from engines.protocols.sound import OnAudio, ignore_audio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engines.catalog import ModelEntry

_log = logging.getLogger(__name__)

_RATE: Final = 24_000
_FORMAT: Final = "pcm_24000"
"""16 bits, mono, no header: every plan may ask for it."""
_SPEEDS: Final = (0.7, 1.2)
_LONGEST: Final = 2_500
"""Characters per request; the service takes 5,000 or more, by model."""
_REFERENCE_SECONDS: Final = 120.0
"""Of the reference that is sent: the service advises against more than two or three minutes."""
_POLL_SECONDS: Final = 0.2


class _Options(BaseModel):
    """``model``: the service's id. ``send_language``: tell it the language; only some of its models take that."""

    model_config = ConfigDict(extra="forbid")

    base_url: str | None = Field(default=None, pattern=r"^https?://")
    model: str = "eleven_multilingual_v2"
    send_language: bool = False
    timeout_seconds: float = Field(default=60.0, gt=0)


class ElevenLabsVoices:
    """`engines.protocols.TextToSpeech`: the voices of the account."""

    capability: ClassVar[str] = "text-to-speech"

    def __init__(self, context: LoadContext) -> None:
        self._service = _Service(context)
        self._voices = self._service.voices()
        if not self._voices:
            raise EngineError(f"{context.entry.id}: the account has no voices.", fix="Add one at elevenlabs.io.")

    @classmethod
    def voices_of(cls, entry: ModelEntry, folder: Path) -> tuple[Voice, ...]:
        """Only the service knows them."""
        del entry, folder
        return ()

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._voices

    def close(self) -> None:
        self._service.close()

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
        """Each voice speaks every language of the model, which tells the language from the text.

        Raises InputError for an unknown voice or speed; what the service says otherwise is in an UnavailableError,
        MissingSettingError or EngineError.
        """
        chosen = voice_for(self._voices, voice, language)
        return self._service.say(
            text, chosen, language, speed, seed, on_audio=on_audio, on_progress=on_progress, cancel=cancel
        )


class ElevenLabsCloning:
    """`engines.protocols.VoiceCloning` by the service's instant voice cloning."""

    capability: ClassVar[str] = "voice-cloning"

    def __init__(self, context: LoadContext) -> None:
        self._service = _Service(context)

    def close(self) -> None:
        self._service.close()

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
        """Of the reference, the first two minutes are sent. Errors as in `ElevenLabsVoices.speak`."""
        check_speed(speed, *_SPEEDS)
        cancel.check()
        on_progress(None, "sending the reference to ElevenLabs")
        voice, deleted = self._service.create(reference), False
        try:
            sound = self._service.say(text, voice, language, speed, seed, on_progress=on_progress, cancel=cancel)
        finally:
            deleted = self._service.delete(voice)
        note = "" if deleted else f"The voice {voice.name!r} could not be deleted: delete it at elevenlabs.io."
        return ClonedSpeech(sound, "clone", note=note)


class _Service:
    """The library's client, with errors and cancelling as engines have them. Requests are not repeated."""

    def __init__(self, context: LoadContext) -> None:
        self._entry, self._key = context.entry, context.setting
        try:
            self._options = _Options.model_validate(dict(context.entry.options))
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(
                f"{context.entry.id}: the option {first['loc'][0]} does not fit: {first['msg']}.",
                fix="Correct the catalog entry.",
            ) from error
        try:
            import httpx
            from elevenlabs import ElevenLabs
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        seconds = self._options.timeout_seconds
        self._http = httpx.Client(timeout=seconds)  # its own, so that it can be closed
        self._client = ElevenLabs(
            api_key=self._key, base_url=self._options.base_url, timeout=seconds, httpx_client=self._http
        )
        self._once: Any = {"max_retries": 0}

    def close(self) -> None:
        self._http.close()

    def voices(self) -> tuple[Voice, ...]:
        with self._errors():
            found = self._client.voices.get_all(request_options=self._once).voices
        return tuple(_voice(voice) for voice in found)

    def create(self, reference: Audio) -> Voice:
        name = f"sensorium-{uuid.uuid4().hex[:12]}"  # says nothing about whose voice it is
        try:
            with self._errors():
                made = self._client.voices.ivc.create(
                    name=name, files=[("reference.wav", _wav(reference), "audio/wav")], request_options=self._once
                )
        except (UnavailableError, EngineError):  # the answer may be lost, and the voice be there
            self._delete_called(name)
            raise
        voice = Voice(made.voice_id, name, "")
        if made.requires_verification:
            self.delete(voice)
            raise UnavailableError("ElevenLabs wants this voice to be verified first.", fix="See elevenlabs.io.")
        return voice

    def _delete_called(self, name: str) -> None:
        """Never raises: another error is on its way."""
        try:
            made = [voice for voice in self.voices() if voice.name == name]
        except SensoriumError as error:
            _log.warning("ElevenLabs: nobody knows whether the voice %s was made: %s", name, error.message)
            return
        for voice in made:
            self.delete(voice)

    def delete(self, voice: Voice) -> bool:
        """Twice tried. Never raises: it runs while another error may be on its way."""
        for _ in range(2):
            try:
                with self._errors():
                    self._client.voices.delete(voice.id, request_options=self._once)
            except SensoriumError as error:
                _log.warning("ElevenLabs: the voice %s could not be deleted: %s", voice.name, error.message)
            else:
                return True
        return False

    def say(
        self,
        text: str,
        voice: Voice,
        language: str | None,
        speed: float,
        seed: int | None,
        *,
        on_audio: OnAudio = ignore_audio,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Audio:
        check_speed(speed, *_SPEEDS)
        plain = readable(text, language or "zh", voice)  # its voices read every script

        def say(piece: str) -> Iterator[NDArray[np.float32]]:
            with self._errors():
                yield from self._stream(piece, voice, self._how(language, speed, seed), on_audio, cancel)

        return read_aloud(plain, say, longest=_LONGEST, rate=_RATE, pause=0.0, on_progress=on_progress, cancel=cancel)

    def _how(self, language: str | None, speed: float, seed: int | None) -> dict[str, Any]:
        from elevenlabs import VoiceSettings

        how: dict[str, Any] = {"model_id": self._options.model, "output_format": _FORMAT}
        if speed != 1.0:
            how["voice_settings"] = VoiceSettings(speed=speed)
        if seed is not None:
            how["seed"] = seed % 2**32
        if language and self._options.send_language:
            how["language_code"] = language
        return how

    def _stream(
        self, piece: str, voice: Voice, how: dict[str, Any], on_audio: OnAudio, cancel: CancelToken
    ) -> Iterator[NDArray[np.float32]]:
        chunks = self._client.text_to_speech.stream(voice.id, text=piece, request_options=self._once, **how)
        odd = b""
        for chunk in _cancellable(chunks, cancel):
            whole = odd + chunk  # a sample may be cut in two
            odd = whole[len(whole) - len(whole) % 2 :]
            if len(whole) > 1:
                samples = _floats(whole[: len(whole) - len(odd)])
                on_audio(Audio(samples, _RATE))
                yield samples

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the service or the way to it says, in this project's errors. The key is never part of a message."""
        import httpx
        from elevenlabs.core.api_error import ApiError

        try:
            yield
        except ApiError as error:
            raise self._said(error.status_code or 0, error.body) from None  # its text holds all the answer's headers
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise BusyError(
                f"ElevenLabs can't be reached: {self._without_key(str(error))}.", fix="Check the connection."
            ) from None
        except httpx.TimeoutException:
            raise UnavailableError(
                f"ElevenLabs did not answer within {self._options.timeout_seconds:g} s.", fix="Try again later."
            ) from None
        except httpx.LocalProtocolError:  # quotes the header that can't be sent, which is the key
            raise MissingSettingError(
                "The key of ElevenLabs can't be sent as it is.", fix="Correct SENSORIUM_ELEVENLABS_KEY."
            ) from None
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"ElevenLabs can't be reached: {self._without_key(str(error))}.", fix="Check the connection."
            ) from None
        except ValidationError:
            raise EngineError(
                "ElevenLabs answered with something that is not known.", fix="Update `elevenlabs`."
            ) from None

    def _said(self, code: int, body: object) -> SensoriumError:
        detail = body.get("detail", body) if isinstance(body, dict) else body
        status = str(detail.get("status", "")) if isinstance(detail, dict) else ""
        said = str(detail.get("message", "")) if isinstance(detail, dict) else ""
        said = self._without_key(" ".join(said.split())[:200].rstrip("."))
        if "quota" in status or code == 402:
            return UnavailableError(
                "The ElevenLabs account has used up its quota.", fix="See your plan at elevenlabs.io."
            )
        if code == 401 and "permission" not in status:
            return MissingSettingError("ElevenLabs does not accept the key.", fix="Correct SENSORIUM_ELEVENLABS_KEY.")
        if code in (401, 403):
            return UnavailableError(
                f"The ElevenLabs key may not do this: {said or status}.", fix="See your plan or key."
            )
        if code == 429:
            return BusyError("ElevenLabs has too many requests at once.", fix="Try again in a minute.")
        if code >= 500:
            return UnavailableError(f"ElevenLabs has a problem of its own (HTTP {code}).", fix="Try again later.")
        return InputError(f"ElevenLabs refused this (HTTP {code}): {said or status or 'no reason given'}.")

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "...") if self._key else text


def _cancellable(chunks: Iterable[bytes], cancel: CancelToken) -> Iterator[bytes]:
    """The chunks, read in a thread of their own: a silent server then doesn't keep a cancel waiting."""
    came: queue.Queue[bytes | Exception | None] = queue.Queue()
    given_up = threading.Event()

    def read() -> None:
        try:
            for chunk in chunks:
                if given_up.is_set():
                    return
                came.put(chunk)
            came.put(None)
        except Exception as error:  # handed to the thread that waits
            came.put(error)

    threading.Thread(target=read, name="elevenlabs", daemon=True).start()
    try:
        while True:
            cancel.check()
            try:
                got = came.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if got is None:
                return
            if isinstance(got, Exception):
                raise got
            yield got
    finally:
        given_up.set()


def _voice(voice: Any) -> Voice:
    labels = {key: value for key, value in (voice.labels or {}).items() if value}
    languages = [labels.get("language"), *(each.language for each in voice.verified_languages or ())]
    gender = labels.get("gender", "")
    return Voice(
        voice.voice_id,
        voice.name or voice.voice_id,
        next((language for language in languages if language), "en")[:2].lower(),
        gender=gender if gender in ("female", "male") else "",
        accent=labels.get("accent", "").title(),
        note="speaks every language of its model",
    )


def _floats(pcm: bytes) -> NDArray[np.float32]:
    import numpy as np

    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)


def _wav(reference: Audio) -> bytes:
    """The first two minutes as a WAV file."""
    import tempfile

    from engines.audio.read import write_wav

    cut = Audio(reference.samples[: round(_REFERENCE_SECONDS * reference.rate)], reference.rate)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reference.wav")
        write_wav(cut, path)
        return path.read_bytes()
