"""The request parser on its real weights: what it reads, how it decides, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from engines.catalog import Catalog
from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.protocols.parsing import Options, Symbol, Word
from engines.text.pointer_network import read_tensor
from engines.text.pointer_parser import MOST_PIECES, PointerParser, lay_out
from graphs.parser import RequestReader
from graphs.plan import Offer
from tools.builtin import BUILT_IN

TOOLS = {spec.name: spec for spec in BUILT_IN}
CHOICES = {
    "translation-languages": ["Spanish", "French"],
    "object-labels": ["person", "dog"],
    "voice-styles": ["female"],
}
PHOTO = Offer("IMG_7.jpg", "image", "id-1", is_file=True)
MEMO = Offer("memo.wav", "audio", "id-2", is_file=True)


@pytest.fixture(scope="module")
def minilm(models_dir: Path) -> Path:
    folder = models_dir / "minilm-l6-v2"
    if not (folder / "model.onnx").exists():
        pytest.skip("minilm-l6-v2 is not on this disk")
    return folder


def context(minilm: Path, folder: Path) -> LoadContext:
    entry = Catalog.load().get("planner-parser")
    return LoadContext(entry, folder, folders={"minilm-l6-v2": minilm})


@pytest.fixture(scope="module")
def parser(minilm: Path) -> PointerParser:
    return PointerParser(context(minilm, Path("engines/data/planner").absolute()))


def steps(parser: PointerParser, message: str, *offers: Offer) -> list[tuple[str, dict[str, object]]]:
    best = RequestReader(TOOLS, CHOICES).guesses(parser, message, offers)[0]
    return [(step.tool, step.args) for step in best.steps]


def test_a_request_becomes_a_plan_whose_arguments_are_its_words(parser: PointerParser) -> None:
    assert steps(parser, "Count the dogs in IMG_7.jpg", PHOTO) == [
        ("detect_objects", {"image": "IMG_7.jpg", "target": "dog"})
    ]
    assert steps(parser, 'Please translate "see you at noon" into French') == [
        ("translate", {"text": "see you at noon", "target_language": "French"})
    ]


def test_a_chain_refers_to_its_results(parser: PointerParser) -> None:
    found = steps(parser, "Write down what is said, translate it into Spanish and read it aloud", MEMO)
    assert found == [
        ("transcribe_audio", {"audio": "memo.wav"}),
        ("translate", {"text": "$1", "target_language": "Spanish"}),
        ("speak", {"text": "$2"}),
    ]


def test_talk_needs_no_tool(parser: PointerParser) -> None:
    assert steps(parser, "Good morning! How are you today?") == []


def test_it_says_how_sure_it_is_of_each_plan(parser: PointerParser) -> None:
    guesses = RequestReader(TOOLS, CHOICES).guesses(parser, "What is in IMG_7.jpg?", [PHOTO])
    assert len(guesses) > 1
    assert all(0 < guess.certainty <= 1 for guess in guesses)


def test_it_says_which_tools_it_has_not_learned(parser: PointerParser) -> None:
    guesses = RequestReader(TOOLS, CHOICES).guesses(parser, "Hello there", [])
    assert guesses[0].unknown == frozenset(TOOLS) - {
        symbol.removeprefix("use ") for symbol in parser.slots if symbol.startswith("use ")
    }


@pytest.mark.parametrize("message", ["word " * 3_000, "\u4f60\u597d\u5417", "?!" * 400, "\u0301\u0301", "a" * 5_000])
def test_any_text_is_read(parser: PointerParser, message: str) -> None:
    RequestReader(TOOLS, CHOICES).guesses(parser, message, [PHOTO])


def test_a_request_without_words_is_refused(parser: PointerParser) -> None:
    with pytest.raises(InputError, match="no words"):
        parser.parse([], [], lambda _: None)


def test_only_what_is_allowed_is_decided(parser: PointerParser) -> None:
    def following(symbols: tuple[Symbol, ...]) -> Options | None:
        return None if symbols else Options("until", (), words_from=2)

    for parsed in parser.parse(["one", "two", "three", "four"], [], following):
        assert parsed.symbols in ((Word(2),), (Word(3),))


def test_of_a_long_request_beginning_and_end_are_read(minilm: Path) -> None:
    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    laid = lay_out(tokenizer, ["word"] * 1_000, [["image1"]])
    assert len(laid.ids) <= MOST_PIECES
    assert laid.words[0] is not None
    assert laid.words[500] is None
    assert laid.words[-1] is not None
    assert laid.items[0] is not None


def test_damaged_weights_are_said(minilm: Path, tmp_path: Path) -> None:
    (tmp_path / "symbols.json").write_text('{"symbols": [], "slots": []}', "utf-8")
    (tmp_path / "parser.npz").write_bytes(b"no archive")
    with pytest.raises(EngineError, match="can't be loaded"):
        PointerParser(context(minilm, tmp_path))


def test_a_tensor_that_is_not_there_or_has_another_shape_is_refused(minilm: Path) -> None:
    with pytest.raises(ValueError, match="no tensor"):
        read_tensor(minilm / "model.onnx", "nobody", np.int8, (1, 1))
    with pytest.raises(ValueError, match="bytes"):
        read_tensor(minilm / "model.onnx", "inner.embeddings.word_embeddings.weight_q", np.int8, (1, 384))
