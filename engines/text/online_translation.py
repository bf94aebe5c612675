"""Translation by a free online service, through deep-translator. Texts leave the machine, in the address asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from engines.errors import EngineError
from engines.loading import LoadContext
from engines.progress import CancelToken
from engines.text.languages import LANGUAGES
from engines.text.sentence_translation import SentenceTranslation
from engines.text.waiting import run_program

_WORKER = Path(__file__).with_name("online_worker.py")

#: The service's names of languages that it calls otherwise than ISO 639-1.
_SERVICES_OWN = {"zh": "zh-CN", "he": "iw", "jv": "jw"}


class OnlineOptions(BaseModel):
    """``base_url`` replaces the service's address. ``timeout_seconds`` is for each part of a text."""

    model_config = ConfigDict(extra="forbid")

    base_url: str = ""
    timeout_seconds: float = Field(default=15, gt=0)
    part_chars: int = Field(default=1_500, ge=100, le=4_500)


class OnlineTranslation(SentenceTranslation):
    """`Translation` with ``deep_translator.GoogleTranslator``, in a process that is ended when it takes too long."""

    batch = 10

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context.entry)
        self._options = OnlineOptions.model_validate(dict(context.entry.options))

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes."""
        return self._entry.languages or tuple(language.code for language in LANGUAGES)

    def offers(self, source: str | None, target: str) -> bool:
        """See `engines.protocols.Translation`. The service detects a source that isn't known."""
        return target in self.languages and source != target

    def close(self) -> None:
        """Each call has a process of its own, which ends with it."""

    def _fits(self, text: str) -> bool:
        return self._short_enough(text)  # the service takes paragraphs: fewer requests, better translations

    def _short_enough(self, text: str) -> bool:
        return len(text) <= self._options.part_chars

    def _translate(self, texts: list[str], source: str | None, target: str, cancel: CancelToken) -> list[str]:
        asked = {
            "texts": texts,
            "source": _SERVICES_OWN.get(source, source) if source else "auto",
            "target": _SERVICES_OWN.get(target, target),
            "base_url": self._options.base_url,
        }
        out = run_program(
            [sys.executable, "-P", str(_WORKER)],
            json.dumps(asked),
            seconds=self._options.timeout_seconds * len(texts),
            what="The online translation service",
            cancel=cancel,
        )
        answers = [json.loads(line) for line in out.splitlines()]
        if failed := next((answer["error"] for answer in answers if "error" in answer), None):
            raise EngineError(f"The online translation service failed: {failed}.", fix=_FIX)
        return [str(answer["text"]) for answer in answers]


_FIX = "Try again later, or use another model."
