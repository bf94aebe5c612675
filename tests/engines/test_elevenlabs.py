"""ElevenLabs' voices and cloning, over a stand-in on this machine that speaks its API."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from elevenlabs_stand_in import KEY, StandIn, stand_in

from engines.audio.elevenlabs import ElevenLabsCloning, ElevenLabsVoices
from engines.catalog import Catalog
from engines.errors import EngineError, InputError, MissingSettingError, SensoriumError, UnavailableError
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import Audio

pytest.importorskip("elevenlabs", reason="the extra `elevenlabs` is not installed")

REFERENCE = Audio(np.sin(np.arange(48_000) / 20).astype(np.float32) * 0.3, 24_000)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with stand_in() as state:
        yield state


def context(model_id: str, service: StandIn, key: str = KEY, **options: Any) -> LoadContext:
    entry = Catalog.load().get(model_id)
    given = {**entry.options, "base_url": service.url, **options}
    return LoadContext(entry.model_copy(update={"options": given}), folder=None, setting=key)  # type: ignore[arg-type]  # it has no files


class TestSpeaking:
    def test_the_accounts_voices(self, service: StandIn) -> None:
        voices = ElevenLabsVoices(context("elevenlabs", service)).voices
        assert [(voice.id, voice.name, voice.language, voice.gender) for voice in voices] == [
            ("v1", "Alice", "en", "female"),
            ("v2", "Pablo", "es", "male"),
        ]

    def test_sound_comes_as_it_is_made(self, service: StandIn) -> None:
        pieces: list[Audio] = []
        engine = ElevenLabsVoices(context("elevenlabs", service))
        sound = engine.speak("Hello there.", voice="v2", speed=1.1, seed=7, on_audio=pieces.append)
        assert (sound.rate, sound.seconds) == (24_000, 0.5)
        assert 0.3 < np.abs(sound.samples).max() < 0.4
        steps = np.abs(np.diff(sound.samples))
        assert steps.max() < 0.06  # a sample cut in two and joined wrongly would click
        assert len(pieces) > 1
        assert sum(piece.seconds for piece in pieces) == pytest.approx(0.5)
        asked = service.asked[-1][2]
        assert (asked["voice"], asked["model_id"], asked["seed"]) == ("v2", "eleven_multilingual_v2", 7)
        assert asked["voice_settings"] == {"speed": 1.1}
        assert "language_code" not in asked

    def test_the_language_is_sent_to_models_that_take_it(self, service: StandIn) -> None:
        options = {"model": "eleven_flash_v2_5", "send_language": True}
        ElevenLabsVoices(context("elevenlabs", service, **options)).speak("Hola.", language="es")
        asked = service.asked[-1][2]
        assert (asked["voice"], asked["language_code"], asked["model_id"]) == ("v2", "es", "eleven_flash_v2_5")

    def test_bad_input(self, service: StandIn) -> None:
        engine = ElevenLabsVoices(context("elevenlabs", service))
        with pytest.raises(InputError, match="No voice is called 'nobody'"):
            engine.speak("Hello.", voice="nobody")
        with pytest.raises(InputError, match=r"between 0\.7 and 1\.2"):
            engine.speak("Hello.", speed=2.0)
        with pytest.raises(InputError, match="nothing in the text"):
            engine.speak("***")
        assert "speak" not in service.names()

    def test_an_option_that_does_not_fit(self, service: StandIn) -> None:
        with pytest.raises(InputError, match="the option base_url does not fit"):
            ElevenLabsVoices(context("elevenlabs", service, base_url="ftp://example"))

    def test_a_cancel_does_not_wait_for_a_silent_server(self, service: StandIn) -> None:
        service.silent_after = 2
        engine, cancel = ElevenLabsVoices(context("elevenlabs", service)), CancelToken()
        threading.Timer(0.3, cancel.set).start()
        began = time.monotonic()
        with pytest.raises(Cancelled):
            engine.speak("Hello.", cancel=cancel)
        assert time.monotonic() - began < 20  # the request itself would wait for a minute


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "detail", "error", "message"),
        [
            (401, {"status": "quota_exceeded", "message": "Too much."}, UnavailableError, "used up its quota"),
            (401, {"status": "missing_permissions", "message": "No."}, UnavailableError, "may not do this: No"),
            (403, {"status": "can_not_use", "message": "Upgrade your plan."}, UnavailableError, "Upgrade your plan"),
            (402, "Payment required", UnavailableError, "used up its quota"),
            (429, {"status": "system_busy", "message": "busy"}, UnavailableError, "too many requests"),
            (500, "boom", UnavailableError, r"problem of its own \(HTTP 500\)"),
            (400, {"status": "too_long", "message": "Too long."}, InputError, r"refused this \(HTTP 400\): Too"),
            (422, [{"loc": ["body"], "msg": "bad", "type": "x"}], InputError, "HTTP 422"),
        ],
    )  # fmt: skip
    def test_what_the_service_says(
        self, service: StandIn, code: int, detail: Any, error: type[SensoriumError], message: str
    ) -> None:
        engine = ElevenLabsVoices(context("elevenlabs", service))
        service.failures["speak"] = (code, detail)
        with pytest.raises(error, match=message):
            engine.speak("Hello.")
        assert service.names().count("speak") == 1  # a refused request is not repeated: it may have been paid for

    def test_a_wrong_key_is_not_repeated_in_the_message(
        self, service: StandIn, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with pytest.raises(MissingSettingError, match="does not accept the key") as caught:
            ElevenLabsVoices(context("elevenlabs", service, key="sk_wrong_secret"))
        assert "SENSORIUM_ELEVENLABS_KEY" in caught.value.fix
        assert "sk_wrong_secret" not in f"{caught.value} {caught.value.__cause__} {caplog.text}"

    @pytest.mark.parametrize("end", ["\n", " "])
    def test_a_key_that_can_not_be_sent_is_not_quoted(self, service: StandIn, end: str) -> None:
        with pytest.raises(MissingSettingError, match="can't be sent") as caught:
            ElevenLabsVoices(context("elevenlabs", service, key=f"sk_secret{end}"))
        assert "sk_secret" not in f"{caught.value} {caught.value.fix} {caught.value.__cause__}"

    def test_a_key_inside_what_the_service_says_is_taken_out(self, service: StandIn) -> None:
        engine = ElevenLabsVoices(context("elevenlabs", service))
        service.failures["speak"] = (400, {"status": "odd", "message": f"What is {KEY} for?"})
        with pytest.raises(InputError, match=r"What is \.\.\. for"):
            engine.speak("Hello.")

    def test_nobody_there(self, service: StandIn) -> None:
        with pytest.raises(UnavailableError, match="can't be reached"):
            ElevenLabsVoices(context("elevenlabs", service, base_url="http://127.0.0.1:9"))

    def test_no_answer_in_time(self, service: StandIn) -> None:
        service.silent_after = 0
        engine = ElevenLabsVoices(context("elevenlabs", service, timeout_seconds=0.3))
        with pytest.raises(UnavailableError, match=r"did not answer within 0\.3 s"):
            engine.speak("Hello.")

    def test_an_account_without_voices(self, service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("engines.audio.elevenlabs._Service.voices", lambda self: ())
        with pytest.raises(EngineError, match="no voices"):
            ElevenLabsVoices(context("elevenlabs", service))


class TestCloning:
    def clone(self, service: StandIn, cancel: CancelToken | None = None, **options: Any) -> Any:
        engine = ElevenLabsCloning(context("elevenlabs-clone", service, **options))
        return engine.clone("Hello there.", REFERENCE, language="en", cancel=cancel or CancelToken())

    def test_the_voice_is_made_used_and_deleted(self, service: StandIn) -> None:
        made = self.clone(service)
        assert service.names() == ["add", "speak", "delete"]
        assert service.asked[1][2]["voice"] == service.asked[2][2] == "clone0"
        assert (made.kind, made.similarity, made.note, made.audio.seconds) == ("clone", None, "", 0.5)
        assert not service.cloned

    def test_the_reference_is_sent_as_a_sound_file_of_two_minutes_at_most(self, service: StandIn) -> None:
        service.failures["delete"] = (500, "no")  # so that it is still there
        engine = ElevenLabsCloning(context("elevenlabs-clone", service))
        long = Audio(np.zeros(16_000 * 200, np.float32), 16_000)
        engine.clone("Hello.", long)
        (sent,) = service.cloned.values()
        assert sent[:4] == b"RIFF"
        assert len(sent) == 44 + 120 * 16_000 * 2

    @pytest.mark.parametrize("code", [429, 500])
    def test_the_voice_is_deleted_after_a_failure(self, service: StandIn, code: int) -> None:
        service.failures["speak"] = (code, "no")
        with pytest.raises(UnavailableError):
            self.clone(service)
        assert service.names()[-1] == "delete"
        assert not service.cloned

    def test_the_voice_is_deleted_after_a_cancel(self, service: StandIn) -> None:
        service.silent_after, cancel = 1, CancelToken()
        threading.Timer(0.3, cancel.set).start()
        with pytest.raises(Cancelled):
            self.clone(service, cancel)
        assert not service.cloned

    def test_a_voice_is_deleted_whose_making_was_not_confirmed(
        self, service: StandIn, caplog: pytest.LogCaptureFixture
    ) -> None:
        service.loses_answers = True
        with pytest.raises(UnavailableError, match="can't be reached"):
            self.clone(service)
        assert service.names() == ["add", "voices", "delete"]
        assert not service.cloned
        service.failures["voices"] = (500, "no")
        with pytest.raises(UnavailableError, match="can't be reached"):
            self.clone(service)
        assert "nobody knows whether the voice sensorium-" in caplog.text

    def test_a_voice_that_stays_is_named(self, service: StandIn, caplog: pytest.LogCaptureFixture) -> None:
        service.failures["delete"] = (500, "no")
        made = self.clone(service)
        assert service.names().count("delete") == 2
        assert "could not be deleted: delete it at" in made.note
        assert "could not be deleted" in caplog.text
        assert KEY not in caplog.text

    def test_a_voice_that_wants_to_be_verified_is_not_kept(self, service: StandIn) -> None:
        service.verification = True
        with pytest.raises(UnavailableError, match="verified first"):
            self.clone(service)
        assert not service.cloned

    def test_nothing_is_sent_when_it_was_cancelled_before(self, service: StandIn) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            self.clone(service, cancel)
        assert not service.asked
