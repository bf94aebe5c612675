"""Translation by CTranslate2: the same models as `engines.text.seq2seq`, converted, smaller and faster on a CPU.

Convert with ``ct2-transformers-converter --model REPO --output_dir FOLDER --quantization int8 --copy_files ...``, where
the files to copy are ``source.spm target.spm`` for OPUS-MT, ``sentencepiece.bpe.model`` for M2M100 and NLLB-200.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engines.devices import for_ctranslate2
from engines.errors import EngineError
from engines.loading import LoadContext, missing_extra
from engines.progress import CancelToken
from engines.text.flores import FLORES_200
from engines.text.sentence_translation import SentenceTranslation
from engines.text.seq2seq import SENTENCE_TOKENS

_END = "</s>"


class CT2Options(BaseModel):
    """What a catalog entry may say. ``family``: which codes and which tokenizer the converted model has."""

    model_config = ConfigDict(extra="forbid")

    family: Literal["marian", "m2m100", "nllb"]
    beams: int = Field(default=4, ge=1, le=16)
    compute_type: str = "default"
    target_tokens: Mapping[str, str] = {}


class CT2Translation(SentenceTranslation):
    """`Translation` with ``ctranslate2.Translator`` and the model's own SentencePiece files."""

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context.entry)
        self._options = CT2Options.model_validate(dict(context.entry.options))
        try:
            import ctranslate2
            import sentencepiece
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        marian = self._options.family == "marian"
        names = ("source.spm", "target.spm") if marian else ("sentencepiece.bpe.model",) * 2
        for name in ("model.bin", *names):
            if not (context.folder / name).is_file():
                raise EngineError(
                    f"{context.entry.id}: {name} is not in its folder.",
                    fix="Convert it again with --copy_files " + " ".join(dict.fromkeys(names)),
                )
        load: Any = sentencepiece.SentencePieceProcessor
        self._into, self._out_of = (load(model_file=str(context.folder / name)) for name in names)
        self._adds_end = _adds_end(context.folder)
        self._translator: Any = ctranslate2.Translator(
            str(context.folder),
            **for_ctranslate2(context.device),
            intra_threads=context.threads,
            compute_type=self._options.compute_type,
        )

    def close(self) -> None:
        del self._translator, self._into, self._out_of

    def _token(self, code: str) -> str:
        match self._options.family:
            case "marian":
                return self._options.target_tokens.get(code, "")
            case "m2m100":
                return f"__{code}__"
            case "nllb":
                return FLORES_200.get(code, "")

    def _short_enough(self, text: str) -> bool:
        return len(text) <= SENTENCE_TOKENS or len(self._into.encode(text)) <= SENTENCE_TOKENS

    def _translate(self, texts: list[str], source: str | None, target: str, cancel: CancelToken) -> list[str]:
        marian = self._options.family == "marian"
        first = self._token(target if marian else source or "")
        given = [
            [*([first] if first else []), *self._into.encode(text, out_type=str), *([] if self._adds_end else [_END])]
            for text in texts
        ]
        prefix = None if marian else [[self._token(target)]] * len(texts)

        def stop(_: Any) -> bool:  # called for each token of each sentence; only with one beam
            return cancel.is_set()

        made = self._translator.translate_batch(
            given,
            target_prefix=prefix,
            beam_size=self._options.beams,
            max_decoding_length=2 * max(map(len, given)) + 20,
            callback=stop if self._options.beams == 1 else None,
        )
        words = [[token for token in result.hypotheses[0] if token != _END] for result in made]
        return [self._out_of.decode(tokens if marian else tokens[1:]) for tokens in words]


def _adds_end(folder: Path) -> bool:
    """Whether the runtime itself puts the end mark after a sentence."""
    try:
        return bool(json.loads((folder / "config.json").read_text("utf-8")).get("add_source_eos", False))
    except (OSError, ValueError, AttributeError):
        return False
