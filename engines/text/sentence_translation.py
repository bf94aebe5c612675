"""What every translator that works sentence by sentence shares: pairs of languages, and a text's way through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from engines.catalog import ModelEntry
from engines.errors import EngineError, InputError
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Translated
from engines.text.languages import language_code, language_name
from engines.text.passages import rewrite
from engines.text.splitting import sentences


class SentenceTranslation(ABC):
    """`engines.protocols.Translation`, but for the work itself: a subclass translates a batch of sentences."""

    capability: ClassVar[str] = "translation"
    batch: int = 8
    """How many sentences are translated at once, between two looks at the cancel token."""

    def __init__(self, entry: ModelEntry) -> None:
        self._entry = entry

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes it can translate into."""
        return self._entry.languages or tuple(dict.fromkeys(pair.partition("-")[2] for pair in self._entry.pairs))

    def offers(self, source: str | None, target: str) -> bool:
        """See `engines.protocols.Translation`. The catalog entry names the pairs, or the languages."""
        if source is None or source == target:
            return False
        if self._entry.pairs:
            return f"{source}-{target}" in self._entry.pairs
        return source in self._entry.languages and target in self._entry.languages

    def translate(
        self,
        text: str,
        *,
        target: str,
        source: str | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Translated:
        """See `engines.protocols.Translation`."""
        target = language_code(target)
        code = language_code(source) if source else None
        if code == target:
            return Translated(text, target, target)
        if not self.offers(code, target):
            given = f"from {language_name(code)}" if code else "without knowing the source language,"
            raise InputError(f"{self._entry.id} can't translate {given} into {language_name(target)}.", fix=self._fix)
        translated = rewrite(
            text,
            lambda some: self._checked(some, code, target, cancel),
            fits=self._fits,
            batch=self.batch,
            on_progress=on_progress,
            cancel=cancel,
        )
        return Translated(translated, code or "", target)

    @abstractmethod
    def _translate(self, texts: list[str], source: str | None, target: str, cancel: CancelToken) -> list[str]:
        """As many translations as texts, in order."""

    @abstractmethod
    def _short_enough(self, text: str) -> bool:
        """Whether the model takes a text of this length."""

    def _fits(self, text: str) -> bool:
        return len(sentences(text)) <= 1 and self._short_enough(text)

    def _checked(self, texts: list[str], source: str | None, target: str, cancel: CancelToken) -> list[str]:
        cancel.check()
        made = [text.strip() for text in self._translate(texts, source, target, cancel)]
        cancel.check()
        if len(made) != len(texts):
            raise EngineError(f"{self._entry.id} gave {len(made)} translations of {len(texts)} sentences.")
        if lost := next((text for text, translated in zip(texts, made, strict=True) if not translated), None):
            raise EngineError(f"{self._entry.id} gave no translation of {lost[:40]!r}.", fix="Try another model.")
        return made

    @property
    def _fix(self) -> str:
        if self._entry.pairs:
            return f"It knows these pairs: {', '.join(self._entry.pairs)}."
        if self._entry.languages:
            return f"It knows: {', '.join(language_name(code) for code in self._entry.languages)}."
        return "Name the source language, or use another model."
