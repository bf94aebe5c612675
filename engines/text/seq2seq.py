"""Translation by encoder-decoder models in the transformers format: OPUS-MT, M2M100, NLLB-200 and MADLAD-400."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engines.devices import pick_dtype
from engines.errors import EngineError
from engines.loading import LoadContext, missing_extra
from engines.progress import CancelToken
from engines.text.flores import FLORES_200
from engines.text.sentence_translation import SentenceTranslation

#: Longest sentence in tokens: the models were trained on sentences, and lose parts of what is longer.
SENTENCE_TOKENS = 200

Family = Literal["marian", "m2m100", "nllb", "madlad"]


class Seq2SeqOptions(BaseModel):
    """What a catalog entry may say."""

    model_config = ConfigDict(extra="forbid")

    beams: int = Field(default=4, ge=1, le=16)
    dtype: str = "auto"
    target_tokens: Mapping[str, str] = {}
    """Marian models with several target languages: ISO 639-1 code -> the token put first, such as ``>>por<<``."""


class Seq2SeqTranslation(SentenceTranslation):
    """`Translation` with ``AutoModelForSeq2SeqLM``. The family is told by the folder's own configuration.

    Marian models know the pairs that the catalog entry names; the others any pair of the entry's languages that is in
    their vocabulary.
    """

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context.entry)
        self._options = Seq2SeqOptions.model_validate(dict(context.entry.options))
        try:
            from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        context.on_progress(None, f"reading {context.entry.title}")
        dtype = pick_dtype(context.device, self._options.dtype)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(context.folder, local_files_only=True)
        self._model: Any = AutoModelForSeq2SeqLM.from_pretrained(context.folder, dtype=dtype, local_files_only=True)
        self._model.to(context.device).eval()
        self._device = context.device
        self._family = self._told_family()
        self.batch = 8 if context.device == "cpu" else 32

    def offers(self, source: str | None, target: str) -> bool:
        """See `engines.protocols.Translation`."""
        if not super().offers(source, target):
            return False
        needed = [self._token(target)] if self._family in ("marian", "madlad") else map(self._token, (source, target))
        return all(not token or self._knows(token) for token in needed)

    def close(self) -> None:
        del self._model, self._tokenizer

    def _told_family(self) -> Family:
        kind = str(self._model.config.model_type)
        if kind == "m2m_100":  # NLLB is the same network with other codes
            return "nllb" if "Nllb" in type(self._tokenizer).__name__ else "m2m100"
        if kind == "marian":
            return "marian"
        if kind in ("t5", "mt5") and self._knows("<2en>"):
            return "madlad"
        raise EngineError(
            f"{self._entry.id} is a {kind} model, which is not known to translate.",
            fix="Use one of OPUS-MT (Marian), M2M100, NLLB-200 or MADLAD-400.",
        )

    def _token(self, code: str | None) -> str:
        """The token by which the model knows a language; empty: it needs none."""
        if code is None:
            return ""
        match self._family:
            case "marian":
                return self._options.target_tokens.get(code, "")
            case "m2m100":
                return f"__{code}__"
            case "nllb":
                return FLORES_200.get(code, "<unknown>")
            case "madlad":
                return f"<2{code}>"

    def _knows(self, token: str) -> bool:
        found = self._tokenizer.convert_tokens_to_ids(token)
        return found is not None and found != self._tokenizer.unk_token_id

    def _short_enough(self, text: str) -> bool:
        # A token is seldom less than a character, and most have several: few texts have to be counted.
        return len(text) <= SENTENCE_TOKENS or len(self._tokenizer(text)["input_ids"]) <= SENTENCE_TOKENS

    def _translate(self, texts: list[str], source: str | None, target: str, cancel: CancelToken) -> list[str]:
        import torch
        from transformers import StoppingCriteriaList

        def stop(so_far: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:  # called after each token
            cancel.check()
            return torch.zeros(so_far.shape[0], dtype=torch.bool, device=so_far.device)

        given, first = self._prepared(texts, source, target)
        encoded = self._tokenizer(given, return_tensors="pt", padding=True).to(self._device)
        with torch.inference_mode():
            made = self._model.generate(
                input_ids=encoded["input_ids"],
                attention_mask=encoded["attention_mask"],
                forced_bos_token_id=first,
                num_beams=self._options.beams,
                do_sample=False,
                max_length=None,
                max_new_tokens=2 * int(encoded["input_ids"].shape[1]) + 20,
                stopping_criteria=StoppingCriteriaList([stop]),
            )
        decoded: list[str] = self._tokenizer.batch_decode(made, skip_special_tokens=True)
        return [text.removeprefix(self._token(target)) for text in decoded]  # M2M100's codes are not all special tokens

    def _prepared(self, texts: list[str], source: str | None, target: str) -> tuple[list[str], int | None]:
        """What the tokenizer is given, and the id of the token that the translation must begin with."""
        token = self._token(target)
        if self._family in ("marian", "madlad"):
            return ([f"{token} {text}" for text in texts] if token else texts), None
        self._tokenizer.src_lang = source if self._family == "m2m100" else self._token(source)
        return texts, int(self._tokenizer.convert_tokens_to_ids(token))
