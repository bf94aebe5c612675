"""Translation through the chain of models; sentiment, emotion and language as tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from homes import scripted_app
from translation_stand_ins import stand_in

from agent.app import App
from engines.audio.read import write_wav
from engines.errors import EngineError, InputError, NotFoundError, SensoriumError, UnavailableError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, LanguageGuess, Sentiment, Translated
from engines.text.mixed import stretches
from memory.artifact_types import Lineage
from memory.events import EventBody, ToolProgress
from tools.text.analyze_sentiment import SentimentFound
from tools.text.detect_emotion import EmotionFound
from tools.text.detect_language import LanguageFound
from tools.text.translate import TranslationResult

SPANISH = "Mañana por la mañana hará buen tiempo en toda la costa."
ENGLISH = "Tomorrow morning the weather will be fine all along the coast."
GERMAN = "Morgen früh wird das Wetter an der ganzen Küste schön sein."


class Scribe:
    """A `Translation` that writes down who translated what. ``options``: ``pairs``, ``fails``, ``slow``."""

    capability: ClassVar[str] = "translation"
    languages: tuple[str, ...] = ()

    def __init__(self, context: LoadContext) -> None:
        self._entry = context.entry
        if context.entry.options.get("fails") == "loading":
            raise EngineError("It would not start.")

    def offers(self, source: str | None, target: str) -> bool:
        if self._entry.options.get("fails") == "offers":
            raise EngineError("The server is down.")
        return f"{source}-{target}" in self._entry.options.get("knows", [f"{source}-{target}"])

    def translate(
        self,
        text: str,
        *,
        target: str,
        source: str | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Translated:
        if self._entry.options.get("fails") == "working":
            raise EngineError("It broke.")
        if self._entry.options.get("slow"):
            while True:
                cancel.check()
                threading_pause()
        on_progress(0.5, "half way")
        return Translated(f"<{self._entry.id} {source}-{target}: {text}>", source or "", target)

    def close(self) -> None:
        """Nothing to free."""


def threading_pause() -> None:
    import time

    time.sleep(0.01)


class Optimist:
    """A `SentimentAnalysis` for Spanish to which all is good."""

    capability: ClassVar[str] = "sentiment"

    def __init__(self, context: LoadContext) -> None:
        del context

    def analyze(self, text: str, *, cancel: CancelToken = NEVER) -> Sentiment:
        del text, cancel
        return Sentiment("positive", 1.0)

    def close(self) -> None:
        """Nothing to free."""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # no apertium here


def scribe(name: str, **more: Any) -> str:
    """A catalog entry."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in more.items() if key != "options"]
    options = ", ".join(f"{key} = {json.dumps(value)}" for key, value in more.get("options", {}).items())
    return "\n".join(
        [
            "[[model]]",
            f'id = "{name}"\ntitle = "{name}"\ncapability = "translation"\nlicence = "MIT"',
            'engine = "test_text_tools:Scribe"',
            *lines,
            f"options = {{ {options} }}",
            "",
        ]
    )


#: The embedded translator is replaced: it needs a chat model.
STAND_BY = scribe("translate-embedded", default=True, fallback=True, languages=["en", "es", "de", "fr"])
FAILING = scribe("translate-embedded", default=True, fallback=True, languages=["en"], options={"fails": "working"})


@dataclass
class Bench:
    """An app, and what its tools said."""

    app: App
    heard: list[EventBody] = field(default_factory=list)

    async def run(self, tool: str, **args: Any) -> Any:
        return (await self.app.tools.run(tool, args, call_id="1", emit=self.heard.append)).result


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Any]:
    """``async with bench(entry, ...) as b``."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened(*entries: str, stand_by: str = STAND_BY) -> Any:
        (tmp_path / "more.toml").write_text("\n".join([*entries, stand_by]))
        async with scripted_app(tmp_path, []) as app:
            yield Bench(app)

    return opened


@pytest.fixture(autouse=True)
def _more_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script's catalog is the user's own; the tests' entries are read after it."""
    from agent.settings import Settings

    both = property(lambda _: (tmp_path / "catalog.toml", tmp_path / "more.toml"))
    monkeypatch.setattr(Settings, "catalog_files", both)


class TestTheChain:
    async def test_the_embedded_model_stands_in(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            done: TranslationResult = await b.run("translate", text=ENGLISH, target_language="Spanish")
        assert done.text == f"<translate-embedded en-es: {ENGLISH}>"
        assert (done.source_language, done.target_language, done.by) == ("en", "es", ("translate-embedded",))
        assert done.skipped == ()

    async def test_a_ready_model_for_the_pair_goes_first(self, bench: Callable[..., Any]) -> None:
        async with bench(scribe("other", pairs=["en-de"]), scribe("mine", pairs=["en-es"])) as b:
            assert (await b.run("translate", text=ENGLISH, target_language="es")).by == ("mine",)
            assert (await b.run("translate", text=ENGLISH, target_language="de")).by == ("other",)
            assert (await b.run("translate", text=ENGLISH, target_language="fr")).by == ("translate-embedded",)

    async def test_what_runs_here_goes_before_servers_and_those_before_stand_ins(
        self, bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SENSORIUM_ONLINE_TRANSLATION", "true")
        remote = scribe("remote", remote=True, setting="online_translation")
        async with bench(remote, scribe("local", languages=["es"], options={"knows": ["de-es"]})) as b:
            assert (await b.run("translate", text=GERMAN, target_language="es")).by == ("local",)

    async def test_servers_take_part_only_when_they_are_set_up(self, bench: Callable[..., Any]) -> None:
        async with bench(scribe("remote", remote=True, setting="online_translation")) as b:
            done = await b.run("translate", text=ENGLISH, target_language="es")
        assert done.by == ("translate-embedded",)
        assert done.skipped == ()

    @pytest.mark.parametrize(
        ("fails", "why"), [("loading", "It would not start."), ("offers", "is down."), ("working", "It broke.")]
    )
    async def test_when_one_fails_the_next_does_it_and_the_result_says_so(
        self, bench: Callable[..., Any], fails: str, why: str
    ) -> None:
        async with bench(scribe("bad", options={"fails": fails}), scribe("good")) as b:
            done = await b.run("translate", text=ENGLISH, target_language="es")
        assert done.by == ("good",)
        assert [skipped.model for skipped in done.skipped] == ["bad"]
        assert why in done.skipped[0].why
        assert "(bad was passed over: " in done.summary()

    async def test_a_real_server_that_hangs_or_is_down_is_passed_over(
        self, bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with stand_in() as server:
            monkeypatch.setenv("SENSORIUM_LIBRETRANSLATE_URL", server.url)
            async with bench() as b:
                done = await b.run("translate", text=ENGLISH, target_language="es")
                assert (done.by, done.text) == (("libretranslate",), f"es: {ENGLISH.upper()}")
                server.status = 500
                done = await b.run("translate", text=ENGLISH, target_language="es")
                assert done.by == ("translate-embedded",)
                assert done.skipped[0].model == "libretranslate"
                assert "500" in done.skipped[0].why

    async def test_when_all_fail_every_reason_is_named(self, bench: Callable[..., Any]) -> None:
        bad = {"fails": "working"}
        async with bench(scribe("one", options=bad), scribe("two", options=bad)) as b:
            with pytest.raises(EngineError, match=r"into Japanese\. one: It broke\. two: It broke\."):
                await b.run("translate", text=ENGLISH, target_language="ja")

    async def test_when_nothing_knows_the_pair_it_says_what_would(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            with pytest.raises(UnavailableError) as caught:
                await b.run("translate", text=ENGLISH, target_language="Arabic")
        assert caught.value.message == "No model that is ready translates from English into Arabic."
        assert "opus-mt-en-ar (sensorium models pull opus-mt-en-ar" in caught.value.fix or (
            "opus-mt-en-ar (pip install 'sensorium[transformers]'" in caught.value.fix
        )

    async def test_a_named_model_is_the_only_one(self, bench: Callable[..., Any]) -> None:
        async with bench(scribe("mine"), scribe("bad", options={"fails": "working"})) as b:
            assert (await b.run("translate", text=ENGLISH, target_language="es", model="mine")).by == ("mine",)
            with pytest.raises(EngineError, match="It broke"):
                await b.run("translate", text=ENGLISH, target_language="es", model="bad")
            with pytest.raises(NotFoundError, match="vader does sentiment, not translation"):
                await b.run("translate", text=ENGLISH, target_language="es", model="vader")
            with pytest.raises(SensoriumError, match="online_translation is not set"):
                await b.run("translate", text=ENGLISH, target_language="es", model="online-translation")

    async def test_can_be_cancelled(self, bench: Callable[..., Any]) -> None:
        async with bench(scribe("slow", options={"slow": True})) as b:
            task = asyncio.create_task(b.run("translate", text=ENGLISH, target_language="es"))
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


class TestTexts:
    async def test_what_is_in_the_language_already_is_said_to_be(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            done = await b.run("translate", text=SPANISH, target_language="es")
        assert (done.text, done.by) == (SPANISH, ())
        assert done.summary() == f"It is in Spanish already: “{SPANISH}”"

    async def test_each_language_of_a_mixed_text_is_translated_from_itself(self, bench: Callable[..., Any]) -> None:
        text = f"{ENGLISH} {GERMAN}\n\n{SPANISH}\n- {ENGLISH}\n"
        async with bench() as b:
            done = await b.run("translate", text=text, target_language="es")
        assert f"en-es: {ENGLISH}" in done.text
        assert f"de-es: {GERMAN}" in done.text
        assert f">{SPANISH}\n" in done.text, "Spanish is left as it is"
        assert done.text.index("de-es") < done.text.index(SPANISH) < done.text.rindex("en-es")

    async def test_a_source_that_is_named_is_not_doubted(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            done = await b.run("translate", text="Pain", target_language="en", source_language="French")
        assert (done.text, done.source_language) == ("<translate-embedded fr-en: Pain>", "fr")

    async def test_a_word_or_two_in_who_knows_what_language_is_translated_all_the_same(
        self, bench: Callable[..., Any]
    ) -> None:
        async with bench(scribe("picky", languages=["ar"], options={"knows": ["en-ar", "sv-ar", "da-ar"]})) as b:
            assert (await b.run("translate", text="hola", target_language="es")).by == ("translate-embedded",)
            guessed = await b.run("translate", text="hola", target_language="ar")
        assert guessed.by == ("picky",), "it wants a source language, and is given the likeliest"

    async def test_progress_covers_the_whole_text(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            await b.run("translate", text=f"{ENGLISH} {GERMAN}", target_language="es")
        heard = [body.fraction for body in b.heard if isinstance(body, ToolProgress) and body.message == "half way"]
        assert len(heard) == 2
        assert 0.2 < heard[0] < 0.5 < heard[1] < 0.9

    @pytest.mark.parametrize("text", ["12.50 + 3", "  \n ", "https://example.org/a"])
    async def test_without_words_there_is_nothing_to_translate(self, bench: Callable[..., Any], text: str) -> None:
        async with bench() as b:
            with pytest.raises(InputError, match="no words to translate"):
                await b.run("translate", text=text, target_language="es")

    async def test_languages_and_lengths_are_checked(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            with pytest.raises(InputError, match="'Klingon' is not a language I know"):
                await b.run("translate", text=ENGLISH, target_language="Klingon")
            with pytest.raises(InputError, match="at most 20000 characters"):
                await b.run("translate", text="a" * 20_001, target_language="es")


class TestStretches:
    class Sure:
        """Tells the language by its first word."""

        capability: ClassVar[str] = "language-identification"

        def identify(self, text: str) -> LanguageGuess:
            if not any(char.isalpha() for char in text):
                raise InputError("no words")
            return LanguageGuess(text.split(maxsplit=1)[0][:2].lower(), 0.99 if len(text) < 60 else 0.3)

        def rank(self, text: str, count: int = 3) -> tuple[LanguageGuess, ...]:
            return (self.identify(text),) * count

        def close(self) -> None: ...

    def test_joined_they_are_the_text(self) -> None:
        code = "```\nen = code_that_is_long_enough()\n```"
        last = "en, and the last sentence of them."
        text = f"en, a sentence of some length. es, another that is longer yet. \n{code}\n\n42\n{last}"
        found = stretches(text, self.Sure())
        assert "".join(stretch.text for stretch in found) == text
        assert [stretch.language for stretch in found] == ["en", "es", "en"]
        assert code in found[1].text

    def test_short_sentences_go_with_the_text(self) -> None:
        (only,) = stretches("en, a sentence of some length. OK es! en, and another long sentence.", self.Sure())
        assert only.language == "en"

    @pytest.mark.parametrize("text", ["", "42", "\n\n"])
    def test_nothing_to_tell(self, text: str) -> None:
        assert not any(stretch.words for stretch in stretches(text, self.Sure()))


class TestSentiment:
    async def test_english_is_judged_by_the_lexicon(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            found: SentimentFound = await b.run("analyze_sentiment", text="I love this film, it is wonderful.")
        assert (found.sentiment, found.language, found.reliable) == ("positive", "en", True)

    async def test_other_languages_are_said_to_be_unknown_to_it(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            found = await b.run("analyze_sentiment", text="Qué película tan horrible, no la soporto.")
        assert (found.language, found.reliable) == ("es", False)
        assert "It is in Spanish, which the model does not know: don't rely on it." in found.summary()

    async def test_a_ready_model_that_knows_the_language_is_taken(self, bench: Callable[..., Any]) -> None:
        spanish = (
            '[[model]]\nid = "optimist"\ntitle = "o"\ncapability = "sentiment"\nlicence = "MIT"\n'
            'engine = "test_text_tools:Optimist"\nlanguages = ["es"]\nfallback = true\n'
        )
        async with bench(spanish) as b:
            found = await b.run("analyze_sentiment", text="Qué película tan horrible, no la soporto.")
            assert (found.sentiment, found.reliable) == ("positive", True)
            assert (await b.run("analyze_sentiment", text="What a terrible film, I hate it.")).sentiment == "negative"
            named = await b.run("analyze_sentiment", text="What a terrible film, I hate it.", model="optimist")
            assert (named.sentiment, named.reliable) == ("positive", False)


class TestLanguage:
    async def test_names_the_three_likeliest(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            found: LanguageFound = await b.run("detect_language", text=SPANISH)
        assert (found.language, found.name) == ("es", "Spanish")
        assert len(found.candidates) == 3
        assert found.candidates[0].probability == found.probability > 0.9
        assert found.summary().startswith("The text is in Spanish (")

    @pytest.mark.parametrize("text", ["12345", " ?! ", "🦜🦜", "https://example.org/one/two", "kkkz", "xq"])
    async def test_does_not_guess_where_nothing_tells(self, bench: Callable[..., Any], text: str) -> None:
        async with bench() as b:
            found = await b.run("detect_language", text=text)
        assert found.language == "unknown"
        assert found.summary().startswith("The language can't be told")

    async def test_scripts_tell_even_short_texts(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            assert (await b.run("detect_language", text="こんにちは")).language == "ja"
            assert (await b.run("detect_language", text="ขอบคุณ")).language == "th"


class TestEmotion:
    @pytest.fixture(autouse=True)
    def _models(
        self, weights: Callable[[str], Path], models_dir: Path, monkeypatch: pytest.MonkeyPatch, _home: None
    ) -> None:
        weights("minilm-l6-v2")
        monkeypatch.setenv("SENSORIUM_MODELS_DIR", str(models_dir))

    @pytest.mark.models
    async def test_words(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            found: EmotionFound = await b.run("detect_emotion", text="Thank you so much, you saved my day!")
        assert (found.emotion, found.heard_in, found.reliable) == ("joy", "words", True)
        assert found.labels[0].emotion == "gratitude"
        assert found.summary().startswith("The words show joy (gratitude ")

    @pytest.mark.models
    async def test_another_language_is_translated_first(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            found = await b.run("detect_emotion", text=f"{GERMAN} Ich habe große Angst vor dem Sturm.")
        assert found.translated_from == "de"
        assert found.reliable

    @pytest.mark.models
    async def test_no_server_gets_a_text_whose_translation_nobody_asked_for(
        self, bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SENSORIUM_ONLINE_TRANSLATION", "true")
        text = "Ich habe große Angst vor dem Sturm von morgen."
        async with bench(scribe("remote", remote=True, setting="online_translation"), stand_by=FAILING) as b:
            assert (await b.run("translate", text=text, target_language="en")).by == ("remote",)
            assert (await b.run("detect_emotion", text=text)).translated_from == ""

    @pytest.mark.models
    async def test_a_language_nobody_translates_is_said_to_be_doubtful(self, bench: Callable[..., Any]) -> None:
        async with bench(stand_by=FAILING) as b:
            found = await b.run("detect_emotion", text="Ich habe große Angst vor dem Sturm von morgen.")
        assert (found.reliable, found.translated_from) == (False, "")
        assert "does not know the text's language" in found.summary()

    async def test_one_of_words_and_voice(self, bench: Callable[..., Any]) -> None:
        async with bench() as b:
            with pytest.raises(InputError, match="works on one of audio or text, and nothing was given"):
                await b.run("detect_emotion")
            with pytest.raises(InputError, match="not both"):
                await b.run("detect_emotion", text="a", audio="b")

    async def test_without_a_model_for_voices_it_says_what_to_do(
        self, bench: Callable[..., Any], tmp_path: Path
    ) -> None:
        samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
        write_wav(Audio(samples, 16_000), tmp_path / "voice.wav")
        async with bench() as b:
            ref = await b.app.artifacts.add_file(
                tmp_path / "voice.wav", name="voice.wav", lineage=Lineage(tool="upload")
            )
            with pytest.raises(UnavailableError) as caught:
                await b.run("detect_emotion", audio=ref.id)
        assert "wav2vec2-superb-er" in caught.value.message
        assert caught.value.fix.endswith("Or transcribe the recording, and judge the emotion of its words.")

    async def test_a_voice_is_heard_by_a_model_of_the_users_own(
        self, bench: Callable[..., Any], tmp_path: Path
    ) -> None:
        pytest.importorskip("transformers", reason="the extra `transformers` is not installed")
        from tiny_classifiers import wav2vec2

        wav2vec2(tmp_path / "voice", ["neu", "hap", "ang", "sad"])
        mine = (
            '[[model]]\nid = "my-voice"\ntitle = "v"\ncapability = "voice-emotion"\nlicence = "MIT"\n'
            'engine = "engines.audio.voice_emotion:TransformersVoiceEmotion"\nextra = "transformers"\ndefault = true\n'
            'snapshot = { folder = "voice" }\noptions = { threshold = 0.0 }\n'
        )
        samples = np.random.default_rng(0).normal(0, 0.1, 40_000).astype(np.float32)
        write_wav(Audio(samples, 16_000), tmp_path / "voice.wav")
        async with bench(mine) as b:
            ref = await b.app.artifacts.add_file(
                tmp_path / "voice.wav", name="voice.wav", lineage=Lineage(tool="upload")
            )
            found = await b.run("detect_emotion", audio=ref.id)
        assert found.heard_in == "voice"
        assert {each.emotion for each in found.labels} == {"neutral", "joy", "anger", "sadness"}
