"""Embeddings, sentiment, language identification and translation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_llm import small_llm

from engines.catalog import Catalog
from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import ChatReply, ChatRequest
from engines.text.embeddings import MiniLM
from engines.text.language import LangId
from engines.text.languages import LANGUAGES, language_code, language_name
from engines.text.llm import LlamaCpp
from engines.text.sentiment import Vader
from engines.text.splitting import parts
from engines.text.translation import PART_TOKENS, ChatTranslation


def context(model: str, folder: Path = Path(), **engines: object) -> LoadContext:
    return LoadContext(entry=Catalog.load().get(model), folder=folder, parts=engines)


class TestLanguageNames:
    @pytest.mark.parametrize(
        "name", ["Spanish", "spanish ", "es", "ES", "Español", "espanol", "castellano", "es-MX", "es_419", "spa"]
    )
    def test_every_usual_way_to_name_a_language(self, name: str) -> None:
        assert language_code(name) == "es"

    @pytest.mark.parametrize(
        ("name", "code"), [("pt-BR", "pt"), ("日本語", "ja"), ("Русский", "ru"), ("zh-Hant", "zh")]
    )
    def test_regions_and_scripts(self, name: str, code: str) -> None:
        assert language_code(name) == code

    @pytest.mark.parametrize("name", ["", "Klingon", "e", "french toast", "xx-FR"])
    def test_what_is_no_language(self, name: str) -> None:
        with pytest.raises(InputError, match="is not a language I know"):
            language_code(name)

    def test_no_two_languages_share_a_name(self) -> None:
        for language in LANGUAGES:
            for name in (language.code, language.english, language.native, *language.others):
                assert language_code(name) == language.code

    def test_names_for_people(self) -> None:
        assert language_name("es") == "Spanish"
        assert language_name("pt-BR") == "Portuguese"
        assert language_name("haw") == "haw"


@pytest.fixture(scope="module")
def vader() -> Vader:
    return Vader(context("vader"))


class TestVader:
    def test_tells_good_from_bad(self, vader: Vader) -> None:
        good, bad = vader.analyze("I love this, it is wonderful!"), vader.analyze("Terrible. I hate it.")
        assert (good.label, bad.label) == ("positive", "negative")
        assert -1 <= bad.score < 0 < good.score <= 1

    def test_minds_negation_and_facts(self, vader: Vader) -> None:
        assert vader.analyze("This is not good.").label == "negative"
        assert vader.analyze("The train leaves at nine.").label == "neutral"

    def test_refuses_nothing(self, vader: Vader) -> None:
        with pytest.raises(InputError):
            vader.analyze("  ")


@pytest.fixture(scope="module")
def langid() -> LangId:
    return LangId(context("py3langid"))


class TestLangId:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("The weather will be fine tomorrow morning.", "en"),
            ("Mañana por la mañana hará buen tiempo.", "es"),
            ("Morgen früh wird das Wetter schön.", "de"),
            ("Il fera beau demain matin.", "fr"),
            ("Завтра утром будет хорошая погода.", "ru"),
            ("明日の朝は天気がいいでしょう。", "ja"),
            ("明天早上天气会很好。", "zh"),
            ("I morgen tidlig bliver vejret godt.", "da"),
        ],
    )
    def test_knows_common_languages(self, langid: LangId, text: str, code: str) -> None:
        guess = langid.identify(text)
        assert guess.code == code
        assert 0 < guess.probability <= 1

    def test_is_surer_of_more_text(self, langid: LangId) -> None:
        sentence = "La bibliothèque ferme à sept heures. "
        assert langid.identify(sentence * 5).probability > langid.identify("table").probability

    @pytest.mark.parametrize("text", ["", "  \n", "12 + 30 = 42"])
    def test_refuses_what_has_no_words(self, langid: LangId, text: str) -> None:
        with pytest.raises(InputError, match="no words"):
            langid.identify(text)

    def test_every_language_it_may_name_has_a_name(self, langid: LangId) -> None:
        assert all(language_name(code) != code for code in langid.languages)


@pytest.fixture(scope="module")
def minilm(weights: Callable[[str], Path]) -> Iterator[MiniLM]:
    engine = MiniLM(context("minilm-l6-v2", weights("minilm-l6-v2")))
    yield engine
    engine.close()


@pytest.mark.models
class TestMiniLM:
    def test_like_meanings_lie_close(self, minilm: MiniLM) -> None:
        asked, close, further, far = minilm.embed(
            [
                "How do I bake bread?",
                "A recipe for a loaf of sourdough",
                "The oven in the kitchen is new",
                "Interest rates rose in March",
            ]
        )
        assert asked @ close > asked @ further > asked @ far

    def test_rows_have_length_one_whatever_the_text(self, minilm: MiniLM) -> None:
        rows = minilm.embed(["", " ", "🦜", "日本語", "word " * 5000])
        assert rows.shape == (5, 384)
        assert rows.dtype == np.float32
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        assert minilm.embed([]).shape == (0, 384)

    def test_a_text_means_the_same_alone_and_among_others(self, minilm: MiniLM) -> None:
        texts = [f"sentence number {number} " + "and more " * (number % 7) for number in range(70)]
        together = minilm.embed(texts)
        for number in (0, 33, 69):
            # The 8-bit model quantizes by what is in the batch, so not to the last digit.
            assert together[number] @ minilm.embed([texts[number]])[0] > 0.98

    def test_what_is_over_the_limit_is_cut(self, minilm: MiniLM) -> None:
        once, more = minilm.embed(["blue " * 400, "blue " * 400 + "economics " * 400])
        assert once @ more > 0.999

    def test_can_be_cancelled(self, minilm: MiniLM) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            minilm.embed(["a"], cancel=cancel)

    def test_damaged_weights_are_an_error(self, tmp_path: Path, weights: Callable[[str], Path]) -> None:
        (tmp_path / "model.onnx").write_bytes(b"no model")
        (tmp_path / "tokenizer.json").write_bytes((weights("minilm-l6-v2") / "tokenizer.json").read_bytes())
        with pytest.raises(EngineError, match="can't be loaded"):
            MiniLM(context("minilm-l6-v2", tmp_path))


class TestSplitting:
    @given(st.text(alphabet="ab .,。、\t", max_size=200), st.integers(1, 30))
    def test_parts_fit_and_join_to_the_text(self, text: str, limit: int) -> None:
        made = list(parts(text, lambda part: len(part) <= limit))
        assert "".join(made) == text
        assert all(len(part) <= limit for part in made)

    def test_prefers_sentences_to_clauses_to_words(self) -> None:
        text = "One two. Three four, five six seven eight. Nine."
        assert list(parts(text, lambda part: len(part) <= 22)) == [
            "One two. ",
            "Three four, ",
            "five six seven eight. ",
            "Nine.",
        ]
        assert list(parts("一。二三。四", lambda part: len(part) <= 3)) == ["一。", "二三。", "四"]


@dataclass
class Shouting:
    """A chat model that answers with what it was asked, in capitals, said in its own way."""

    capability = "chat"
    context_tokens = 1000
    wrap: str = "{}"
    asked: list[str] = field(default_factory=list)
    requests: list[ChatRequest] = field(default_factory=list)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def complete(self, request: ChatRequest, **_: object) -> ChatReply:
        self.requests.append(request)
        self.asked.append(request.messages[-1].content.partition("\n")[2])
        return ChatReply(self.wrap.format(self.asked[-1].upper()), "stop", 1, 1)

    def close(self) -> None: ...


class TestTranslationOfAnyText:
    """What does not depend on the model: a `Shouting` one shows what was given to it."""

    @pytest.fixture
    def chat(self) -> Shouting:
        return Shouting()

    @pytest.fixture
    def translation(self, chat: Shouting) -> ChatTranslation:
        engines = {"chat": chat, "language-identification": LangId(context("py3langid"))}
        return ChatTranslation(context("translate-embedded", **engines))

    def test_keeps_lines_marks_and_what_is_not_language(self, translation: ChatTranslation, chat: Shouting) -> None:
        text = "# The title\n\n  - one thing  \n  - another\n1. first\r\n---\n42\n> quoted\n"
        done = translation.translate(text, source="en", target="es")
        assert done.text == "# THE TITLE\n\n  - ONE THING  \n  - ANOTHER\n1. FIRST\r\n---\n42\n> QUOTED\n"
        assert chat.asked == ["The title", "one thing", "another", "first", "quoted"]

    def test_a_long_text_goes_in_parts_in_order(self, translation: ChatTranslation, chat: Shouting) -> None:
        text = " ".join(f"This is the sentence with number {number}." for number in range(100))
        heard: list[float | None] = []
        done = translation.translate(
            text, source="en", target="de", on_progress=lambda fraction, _: heard.append(fraction)
        )
        assert done.text == text.upper()
        assert len(chat.asked) > 5
        assert all(chat.count_tokens(part) <= PART_TOKENS for part in chat.asked)
        assert all(part.endswith(".") for part in chat.asked)
        assert heard == sorted(heard, key=float)  # type: ignore[arg-type] # fractions are known here
        assert (heard[0], heard[-1]) == (0, 1)

    @pytest.mark.parametrize("wrap", ['"{}"', "Translation: {}", "The translation into Spanish: {}", "  {}\n", "«{}»"])
    def test_strips_what_the_model_adds(self, translation: ChatTranslation, chat: Shouting, wrap: str) -> None:
        chat.wrap = wrap
        assert translation.translate("Good morning", source="en", target="es").text == "GOOD MORNING"

    def test_keeps_quotes_that_were_there(self, translation: ChatTranslation) -> None:
        assert translation.translate('"Good morning"', source="en", target="es").text == '"GOOD MORNING"'

    def test_detects_the_source(self, translation: ChatTranslation) -> None:
        done = translation.translate("Mañana por la mañana hará buen tiempo en la costa.", target="English")
        assert (done.source, done.target) == ("es", "en")

    def test_what_is_in_the_language_already_is_left_alone(self, translation: ChatTranslation, chat: Shouting) -> None:
        text = "Mañana por la mañana hará buen tiempo en la costa."
        assert translation.translate(text, target="es").text == text
        assert not chat.asked

    def test_shows_examples_in_the_two_languages(self, translation: ChatTranslation, chat: Shouting) -> None:
        translation.translate("Guten Morgen", source="de", target="fr")
        [request] = chat.requests
        assert "from German into French" in request.messages[0].content
        assert "Schlüssel" in request.messages[1].content
        assert "les clés" in request.messages[2].content

    def test_an_unknown_language_lists_those_there_are(self, translation: ChatTranslation) -> None:
        with pytest.raises(InputError, match=r"can't translate into Arabic\. I can into: .*Spanish"):
            translation.translate("Hello there", target="ar")
        with pytest.raises(InputError, match="not a language"):
            translation.translate("Hello there", target="Klingon")

    def test_a_model_that_says_nothing_is_an_error(self, translation: ChatTranslation, chat: Shouting) -> None:
        chat.wrap = " "
        with pytest.raises(EngineError, match="gave no translation of 'Good morning'"):
            translation.translate("Good morning", source="en", target="es")

    def test_can_be_cancelled_between_parts(self, translation: ChatTranslation, chat: Shouting) -> None:
        cancel = CancelToken()
        with pytest.raises(Cancelled):
            translation.translate(
                "One line.\nAnother line.\nA third.",
                source="en",
                target="es",
                on_progress=lambda fraction, _: cancel.set() if fraction else None,
                cancel=cancel,
            )
        assert len(chat.asked) == 2


@pytest.mark.models
def test_the_embedded_model_translates_and_does_not_answer(weights: Callable[[str], Path], langid: LangId) -> None:
    chat = LlamaCpp(small_llm(weights))
    engines = {"chat": chat, "language-identification": langid}
    translation = ChatTranslation(context("translate-embedded", **engines))
    try:
        done = translation.translate("Where is the nearest pharmacy?\n\nI drink water.", target="Spanish")
    finally:
        chat.close()
    question, empty, statement = done.text.splitlines()
    assert langid.identify(question).code == "es"
    assert question.endswith("?")
    assert empty == ""
    assert "agua" in statement
