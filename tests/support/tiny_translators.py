"""Translation models small enough to be made in a test: real architectures and tokenizers, taught a few sentences.

Each maker writes a folder in the layout of the library, as the hub would hold it. Nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: The sentences they know.
TAUGHT = {
    "en": ("The house is big.", "I drink water.", "Where is the station?", "Good morning."),
    "es": ("La casa es grande.", "Yo bebo agua.", "¿Dónde está la estación?", "Buenos días."),
    "de": ("Das Haus ist groß.", "Ich trinke Wasser.", "Wo ist der Bahnhof?", "Guten Morgen."),
}

_NETWORK = {
    "d_model": 64,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "max_position_embeddings": 512,
}


def marian(folder: Path, source: str = "en", target: str = "es") -> Path:
    """As Helsinki-NLP/opus-mt-en-es: two SentencePiece files and a vocabulary of their own order."""
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    pieces: dict[str, int] = {"</s>": 0, "<unk>": 1}
    for name, language in (("source.spm", source), ("target.spm", target)):
        for piece in _sentencepiece(folder / name, TAUGHT[language]):
            pieces.setdefault(piece, len(pieces))
    pieces["<pad>"] = len(pieces)
    (folder / "vocab.json").write_text(json.dumps(pieces), "utf-8")
    tokenizer: Any = MarianTokenizer(
        source_spm=str(folder / "source.spm"),
        target_spm=str(folder / "target.spm"),
        vocab=str(folder / "vocab.json"),
        source_lang=source,
        target_lang=target,
    )
    torch.manual_seed(0)
    pad = pieces["<pad>"]
    config = MarianConfig(
        **_NETWORK, vocab_size=len(pieces), pad_token_id=pad, eos_token_id=0, decoder_start_token_id=pad,
        forced_eos_token_id=0, scale_embedding=True, static_position_embeddings=True,
    )  # fmt: skip
    model = MarianMTModel(config)
    given = tokenizer(list(TAUGHT[source]), return_tensors="pt", padding=True)
    wanted = tokenizer(text_target=list(TAUGHT[target]), return_tensors="pt", padding=True)["input_ids"]
    _teach(model, [(given, wanted.masked_fill(wanted == pad, -100))])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def m2m100(folder: Path) -> Path:
    """As facebook/m2m100_418M, from English into Spanish and German: the code put first decides which."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    spm = folder / "sentencepiece.bpe.model"
    pieces = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *_sentencepiece(spm, [line for lines in TAUGHT.values() for line in lines]),
    ]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    tokenizer: Any = M2M100Tokenizer(str(folder / "vocab.json"), str(spm), src_lang="en")
    torch.manual_seed(0)
    config = M2M100Config(
        **_NETWORK, vocab_size=len(vocabulary) + 108, encoder_layerdrop=0.0, decoder_layerdrop=0.0,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2,
    )  # fmt: skip
    model = M2M100ForConditionalGeneration(config)
    _teach(model, _lessons(tokenizer, {"en": "en", "es": "es", "de": "de"}))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def nllb(folder: Path) -> Path:
    """As facebook/nllb-200-distilled-600M, from English into Spanish and German. Its pieces are letters, for which the
    library's tokenizer needs no table of merges.
    """
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for lines in TAUGHT.values() for line in lines]
    letters = _sentencepiece(folder / "sentencepiece.bpe.model", lines, kind="char")
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *letters]
    tokenizer: Any = NllbTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[])
    torch.manual_seed(1)
    config = M2M100Config(
        **_NETWORK, vocab_size=len(tokenizer), pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2
    )
    model = M2M100ForConditionalGeneration(config)
    _teach(model, _lessons(tokenizer, {"en": "eng_Latn", "es": "spa_Latn", "de": "deu_Latn"}))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def madlad(folder: Path) -> Path:
    """As google/madlad400-3b-mt: a T5 whose vocabulary has a token for each target language. It has learned nothing."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    words = sorted({word for lines in TAUGHT.values() for line in lines for word in line.split()})
    pieces = {piece: index for index, piece in enumerate(["<unk>", "<pad>", "</s>", "<2en>", "<2es>", "<2de>", *words])}
    made = Tokenizer(models.WordLevel(pieces, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", eos_token="</s>")
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(pieces), d_model=32, d_kv=8, d_ff=64, num_layers=1, num_decoder_layers=1, num_heads=4,
        pad_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def converted(folder: Path, out: Path) -> Path:
    """The model of a folder as CTranslate2 reads it, by its own converter."""
    from ctranslate2.converters import TransformersConverter

    names = [name for name in ("source.spm", "target.spm", "sentencepiece.bpe.model") if (folder / name).is_file()]
    TransformersConverter(str(folder), copy_files=names).convert(str(out), quantization="int8")
    return out


def _lessons(tokenizer: Any, codes: Mapping[str, str]) -> list[tuple[Any, Any]]:
    """From English into the others. A target sentence has the form of a source sentence: its code first."""
    tokenizer.src_lang = codes["en"]
    given = tokenizer(list(TAUGHT["en"]), return_tensors="pt", padding=True)
    found = []
    for language in ("es", "de"):
        tokenizer.src_lang = codes[language]
        wanted = tokenizer(list(TAUGHT[language]), return_tensors="pt", padding=True)["input_ids"]
        found.append((given, wanted.masked_fill(wanted == tokenizer.pad_token_id, -100)))
    return found


def _sentencepiece(path: Path, lines: Sequence[str], kind: str = "unigram") -> list[str]:
    """Train a model on the lines, write it, and return its pieces without the control ones."""
    import io

    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*lines] * 4),
        model_writer=written,
        model_type=kind,
        vocab_size=60,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
        num_threads=1,
    )
    path.write_bytes(written.getvalue())
    model: Any = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    return [model.id_to_piece(index) for index in range(3, model.get_piece_size())]


def _teach(model: Any, lessons: Sequence[tuple[Any, Any]], steps: int = 120) -> None:
    """Until it knows them by heart. In one thread: for matrices this small more only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    for _ in range(steps):
        loss = sum(model(**given, labels=wanted).loss for given, wanted in lessons)
        adam.zero_grad()
        loss.backward()
        adam.step()
    model.eval()
    torch.set_num_threads(threads)
