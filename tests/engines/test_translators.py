"""Translators: neural models (tiny ones, taught a few sentences), servers (stand-ins), and programs."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from translation_stand_ins import StandIn, stand_in

from engines.catalog import Catalog, ModelEntry
from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import NEVER, Cancelled, CancelToken
from engines.text.apertium import Apertium, _modes
from engines.text.ct2_translation import CT2Translation
from engines.text.libretranslate import LibreTranslate
from engines.text.online_translation import OnlineTranslation
from engines.text.sentence_translation import SentenceTranslation
from engines.text.seq2seq import Seq2SeqTranslation
from engines.text.waiting import run_program, within

TEXT = "# The house is big.\r\n\n  - Good morning. I drink water.\n```\nI drink water.\n```\n"


def entry(**more: Any) -> ModelEntry:
    return ModelEntry(id="tiny", title="Tiny", capability="translation", engine="a:b", licence="MIT", **more)


class Loud(SentenceTranslation):
    """Translates into capitals, and remembers what it was given at once."""

    batch = 2

    def __init__(self, made: ModelEntry) -> None:
        super().__init__(made)
        self.given: list[list[str]] = []

    def _short_enough(self, text: str) -> bool:
        return len(text) <= 60

    def _translate(self, texts: list[str], source: str | None, target: str, cancel: CancelToken) -> list[str]:
        self.given.append(texts)
        return [text.upper() for text in texts]


class TestSentenceBySentence:
    @pytest.fixture
    def loud(self) -> Loud:
        return Loud(entry(pairs=["en-es"]))

    def test_sentences_go_in_batches_and_all_else_stays_in_its_place(self, loud: Loud) -> None:
        done = loud.translate(TEXT, source="en", target="Spanish")
        assert done.text == "# THE HOUSE IS BIG.\r\n\n  - GOOD MORNING. I DRINK WATER.\n```\nI drink water.\n```\n"
        assert (done.source, done.target) == ("en", "es")
        assert loud.given == [["The house is big.", "Good morning."], ["I drink water."]]

    def test_a_long_sentence_is_cut_at_clauses(self, loud: Loud) -> None:
        text = "one two three four, " * 30 + "and the end."
        assert loud.translate(text, source="en", target="es").text == text.upper()
        assert all(len(part) <= 60 for parts in loud.given for part in parts)

    def test_titles_and_initials_end_no_sentence(self, loud: Loud) -> None:
        loud.translate("Mr. Smith met J. R. Tolkien. They ate.", source="en", target="es")
        assert loud.given == [["Mr. Smith met J. R. Tolkien.", "They ate."]]

    def test_addresses_and_code_come_back_as_they_were(self, loud: Loud) -> None:
        text = "See https://example.org/a_b?c=d, or write to Ann.Lee@example.org about `rm -r`. Thanks!"
        done = loud.translate(text, source="en", target="es").text
        assert done == "SEE https://example.org/a_b?c=d, OR WRITE TO Ann.Lee@example.org ABOUT `rm -r`. THANKS!"

    def test_a_text_of_twenty_thousand_characters_keeps_its_order(self, loud: Loud) -> None:
        text = "\n\n".join(f"{number}. Sentence one of part {number}. Sentence two." for number in range(400))
        assert len(text) > 18_000
        heard: list[float | None] = []
        done = loud.translate(text, source="en", target="es", on_progress=lambda part, _: heard.append(part))
        assert done.text == text.upper()
        assert heard == sorted(heard, key=float)  # type: ignore[arg-type] # fractions are known here
        assert heard[-1] == 1

    def test_a_text_that_is_in_the_language_already_is_left_alone(self, loud: Loud) -> None:
        assert loud.translate("Hola.", source="es", target="es").text == "Hola."
        assert loud.given == []

    def test_says_which_pairs_it_knows(self, loud: Loud) -> None:
        with pytest.raises(InputError, match=r"from German into Spanish\. It knows these pairs: en-es\."):
            loud.translate("Guten Tag.", source="de", target="es")
        with pytest.raises(InputError, match="without knowing the source language"):
            loud.translate("Hello.", target="es")

    def test_too_few_or_empty_translations_are_an_error(self, loud: Loud, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loud, "_translate", lambda texts, *_: texts[:1])
        with pytest.raises(EngineError, match="gave 1 translations of 2 sentences"):
            loud.translate("One. Two.", source="en", target="es")
        monkeypatch.setattr(loud, "_translate", lambda texts, *_: [" " for _ in texts])
        with pytest.raises(EngineError, match=r"gave no translation of 'One\.'"):
            loud.translate("One. Two.", source="en", target="es")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers", reason="the extra `transformers` is not installed")
    pytest.importorskip("sentencepiece", reason="the extra `transformers` is not installed")
    return tmp_path_factory.mktemp("translators")


@pytest.fixture(scope="module")
def marian_folder(folders: Path) -> Path:
    from tiny_translators import marian

    return marian(folders / "marian")


@pytest.fixture(scope="module")
def nllb_folder(folders: Path) -> Path:
    from tiny_translators import nllb

    return nllb(folders / "nllb")


@pytest.fixture(scope="module")
def model(marian_folder: Path) -> Seq2SeqTranslation:
    return Seq2SeqTranslation(LoadContext(entry(pairs=["en-es"]), marian_folder))


class TestMarian:
    def test_translates_a_text(self, model: Seq2SeqTranslation) -> None:
        done = model.translate(TEXT, source="en", target="es").text
        assert done == "# La casa es grande.\r\n\n  - Buenos días. Yo bebo agua.\n```\nI drink water.\n```\n"
        assert model.languages == ("es",)

    def test_knows_its_pair_only(self, model: Seq2SeqTranslation) -> None:
        assert model.offers("en", "es")
        assert not model.offers("es", "en")
        assert not model.offers(None, "es")

    def test_can_be_cancelled_while_it_generates(self, model: Seq2SeqTranslation) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            model._translate(["Good morning."], "en", "es", cancel)
        assert model.translate("Good morning.", source="en", target="es").text == "Buenos días."

    def test_letters_it_has_never_seen_are_no_crash(self, model: Seq2SeqTranslation) -> None:
        assert model._translate(["Доброе утро 🦜 日本"], "en", "es", NEVER)

    def test_a_target_token_it_does_not_have_is_not_offered(self, marian_folder: Path) -> None:
        made = entry(pairs=["en-es", "en-pt"], options={"target_tokens": {"pt": ">>pt<<"}})
        model = Seq2SeqTranslation(LoadContext(made, marian_folder))
        assert model.offers("en", "es")
        assert not model.offers("en", "pt")

    def test_converted_to_ctranslate2_it_says_the_same(self, marian_folder: Path, tmp_path: Path) -> None:
        from tiny_translators import converted

        folder = converted(marian_folder, tmp_path / "ct2")
        model = CT2Translation(LoadContext(entry(pairs=["en-es"], options={"family": "marian"}), folder))
        assert model.translate("The house is big. I drink water.", source="en", target="es").text == (
            "La casa es grande. Yo bebo agua."
        )
        model.close()
        (folder / "target.spm").unlink()
        with pytest.raises(EngineError, match=r"target\.spm is not in its folder\. Convert it again with --copy_files"):
            CT2Translation(LoadContext(entry(pairs=["en-es"], options={"family": "marian"}), folder))


class TestManyLanguages:
    def test_nllb_translates_into_the_language_that_is_asked_for(self, nllb_folder: Path) -> None:
        model = Seq2SeqTranslation(LoadContext(entry(languages=["en", "es", "de", "la"]), nllb_folder))
        for target, said in (("es", "Yo bebo agua."), ("de", "Ich trinke Wasser.")):
            assert model.translate("I drink water.", source="en", target=target).text == said
        assert not model.offers("en", "la"), "NLLB has no Latin"

    def test_nllb_in_ctranslate2(self, nllb_folder: Path, tmp_path: Path) -> None:
        from tiny_translators import converted

        folder = converted(nllb_folder, tmp_path / "ct2")
        made = entry(languages=["en", "es", "de"], options={"family": "nllb"})
        model = CT2Translation(LoadContext(made, folder))
        for target, said in (("es", "Buenos días."), ("de", "Guten Morgen.")):
            assert model.translate("Good morning.", source="en", target=target).text == said

    def test_m2m100(self, folders: Path) -> None:
        from tiny_translators import m2m100

        model = Seq2SeqTranslation(LoadContext(entry(languages=["en", "es", "de", "te"]), m2m100(folders / "m2m100")))
        for target, said in (("es", "La casa es grande."), ("de", "Das Haus ist groß.")):
            assert model.translate("The house is big.", source="en", target=target).text == said
        assert not model.offers("en", "te"), "M2M100 has no Telugu"

    def test_madlad_is_given_the_target_as_its_first_word(self, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from tiny_translators import madlad

        made = entry(languages=["en", "es", "de", "fr"], options={"beams": 1})
        model = Seq2SeqTranslation(LoadContext(made, madlad(folders / "madlad")))
        assert model.offers("en", "de")
        assert not model.offers("en", "fr")
        seen: list[list[int]] = []
        generate = model._model.generate
        monkeypatch.setattr(
            model._model, "generate", lambda **given: seen.append(given["input_ids"][0].tolist()) or generate(**given)
        )
        model._translate(["Good morning."], "en", "de", NEVER)
        assert model._tokenizer.convert_ids_to_tokens(seen[0]) == ["<2de>", "Good", "morning.", "</s>"]

    def test_a_model_that_does_not_translate_is_refused(self, folders: Path) -> None:
        from tiny_translators import madlad

        folder = madlad(folders / "plain-t5")
        (folder / "tokenizer.json").write_text(
            (folder / "tokenizer.json").read_text("utf-8").replace("<2", "<3"), "utf-8"
        )
        with pytest.raises(EngineError, match="is a t5 model, which is not known to translate"):
            Seq2SeqTranslation(LoadContext(entry(languages=["en", "es"]), folder))


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as state:
        yield state


def libre(server: StandIn, key: str = "", **options: Any) -> LibreTranslate:
    made = entry(remote=True, setting="libretranslate_url", options=options)
    return LibreTranslate(LoadContext(made, Path(), setting=server.url + "/", optional_setting=key))


class TestLibreTranslate:
    """Against the stand-in."""

    def test_translates_sentence_by_sentence(self, server: StandIn) -> None:
        done = libre(server).translate("# Hi.\n\nOne. Two.", source="en", target="es")
        assert done.text == "# es: HI.\n\nes: ONE. es: TWO."
        assert server.asked == [{"q": ["Hi.", "One.", "Two."], "source": "en", "target": "es", "format": "text"}]

    def test_offers_what_the_server_has_by_the_servers_own_codes(self, server: StandIn) -> None:
        model = libre(server)
        assert set(model.languages) == {"en", "es", "de", "no", "zh"}
        assert model.offers("en", "no")
        assert not model.offers("de", "es")
        assert not model.offers("en", "fr")
        assert model.offers(None, "es")
        model.translate("Good day.", target="zh")
        assert (server.asked[0]["source"], server.asked[0]["target"]) == ("auto", "zh-Hans")

    def test_sends_the_key_and_says_why_it_was_refused(self, server: StandIn) -> None:
        server.key = "sesame"
        assert libre(server, key="sesame").translate("Hi.", source="en", target="es").text == "es: HI."
        with pytest.raises(EngineError, match=r"refused: 403, Invalid API key\. Check SENSORIUM_LIBRETRANSLATE_URL"):
            libre(server).translate("Hi.", source="en", target="es")

    @pytest.mark.parametrize(("status", "said"), [(429, "refused: 429, Slow down"), (500, "refused: 500")])
    def test_refusals(self, server: StandIn, status: int, said: str) -> None:
        server.status = status
        with pytest.raises(EngineError, match=said):
            libre(server).translate("Hi.", source="en", target="es")

    def test_nonsense_is_an_error(self, server: StandIn) -> None:
        model = libre(server)
        model.offers("en", "es")
        server.broken = True
        with pytest.raises(EngineError, match="is no JSON"):
            model.translate("Hi.", source="en", target="es")
        with pytest.raises(EngineError, match="does not say which languages it has"):
            libre(server).offers("en", "es")

    def test_a_server_that_is_down(self, server: StandIn) -> None:
        gone = StandIn(url="http://127.0.0.1:9")
        with pytest.raises(EngineError, match="can't be reached"):
            libre(gone).offers("en", "es")

    def test_a_server_that_hangs_is_given_up(self, server: StandIn) -> None:
        server.hangs = True
        with pytest.raises(EngineError, match=r"(did not answer within 0\.3 s|timed out)"):
            libre(server, timeout_seconds=0.3).translate("Hi.", source="en", target="es")

    def test_a_cancel_does_not_wait_for_the_server(self, server: StandIn) -> None:
        server.hangs = True
        cancel = CancelToken()
        threading.Timer(0.2, cancel.set).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            libre(server, timeout_seconds=60).translate("Hi.", source="en", target="es", cancel=cancel)
        assert time.monotonic() - started < 30


class TestOnlineTranslation:
    """deep-translator itself, against the stand-in."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("deep_translator", reason="the extra `online` is not installed")

    @staticmethod
    def online(server: StandIn, **options: Any) -> OnlineTranslation:
        made = entry(remote=True, setting="online_translation", options={"base_url": server.url, **options})
        return OnlineTranslation(LoadContext(made, Path(), setting="yes"))

    def test_translates_and_says_nothing_else(self, server: StandIn) -> None:
        done = self.online(server).translate("Good day. How are you?\n\n- Fine.", source="en", target="zh")
        assert done.text == "zh-CN: GOOD DAY. HOW ARE YOU?\n\n- zh-CN: FINE."
        assert [asked["q"] for asked in server.asked] == ["Good day. How are you?", "Fine."]
        assert {asked["sl"] for asked in server.asked} == {"en"}

    def test_leaves_the_source_to_the_service_when_nobody_knows_it(self, server: StandIn) -> None:
        self.online(server).translate("Good day.", target="es")
        assert server.asked[0]["sl"] == "auto"

    @pytest.mark.parametrize(("status", "said"), [(429, "TooManyRequests"), (500, "RequestError")])
    def test_refusals(self, server: StandIn, status: int, said: str) -> None:
        server.status = status
        with pytest.raises(EngineError, match=f"service failed: {said}"):
            self.online(server).translate("Good day.", source="en", target="es")

    def test_errors_do_not_repeat_the_text(self, server: StandIn) -> None:
        server.broken = True
        with pytest.raises(EngineError, match="TranslationNotFound") as caught:
            self.online(server).translate("My secret.", source="en", target="es")
        assert "secret" not in str(caught.value)

    def test_a_service_that_hangs_is_cut_off(self, server: StandIn) -> None:
        server.hangs = True
        with pytest.raises(EngineError, match="did not answer within 8 s"):
            self.online(server, timeout_seconds=8).translate("Good day.", source="en", target="es")
        assert server.asked, "it was asked, and did not answer"


class TestApertium:
    def test_reads_the_programs_list_of_pairs(self) -> None:
        assert _modes("  eng-spa\n  spa-eng\n  spa-eng_US\n  cat-oci_aran\n  xyz-eng\n fr-es\n") == {
            ("en", "es"): "eng-spa",
            ("es", "en"): "spa-eng",
            ("fr", "es"): "fr-es",
        }

    @pytest.fixture
    def apertium(self) -> Apertium:
        if (
            not shutil.which("apertium")
            or "eng-spa" not in subprocess.run(["apertium", "-l"], capture_output=True, text=True, check=False).stdout
        ):
            pytest.skip("apertium with the pair eng-spa is not installed: apt install apertium apertium-en-es")
        return Apertium(LoadContext(Catalog.load().get("apertium"), Path()))

    def test_the_program_translates(self, apertium: Apertium) -> None:
        done = apertium.translate("# The house is big.\n\n- I see `ls`.\n", source="en", target="es")
        assert done.text.startswith("# La casa es grande.\n\n- ")
        assert "`ls`" in done.text
        assert apertium.offers("en", "es")
        assert not apertium.offers("en", "ja")


class TestWaiting:
    def test_what_a_program_says_when_it_fails_is_passed_on(self) -> None:
        with pytest.raises(EngineError, match=r"the shell failed: no such pair\."):
            run_program(["sh", "-c", "echo no such pair >&2; exit 3"], "", seconds=20, what="the shell", cancel=NEVER)

    def test_a_program_that_hangs_is_ended_with_its_children(self, tmp_path: Path) -> None:
        note = tmp_path / "pid"
        with pytest.raises(EngineError, match="did not answer within 1 s"):
            run_program(
                ["sh", "-c", f"sleep 100 & echo $! > {note}; wait"], "", seconds=1, what="the shell", cancel=NEVER
            )
        for _ in range(100):
            if _ended(int(note.read_text())):
                return
            time.sleep(0.05)
        pytest.fail("the program's child still runs")

    def test_work_that_takes_too_long_is_left(self) -> None:
        over = threading.Event()
        with pytest.raises(EngineError, match=r"The server did not answer within 0\.2 s"):
            within(0.2, over.wait, what="The server", cancel=NEVER)
        over.set()

    def test_errors_of_the_work_are_raised(self) -> None:
        def work() -> None:
            raise TimeoutError("its own")

        with pytest.raises(TimeoutError, match="its own"):
            within(5, work, what="The server", cancel=NEVER)


def _ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"
