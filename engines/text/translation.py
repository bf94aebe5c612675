"""Translation by the chat model: good for the gist, and labelled so in the catalog."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Chat, ChatRequest, ChatTurn, LanguageIdentification, Translated
from engines.text.languages import language_code, language_name
from engines.text.passages import rewrite

PROMPTS = Path(__file__).with_name("prompts")

#: A part of the text given to the model at once. A small model loses sentences of longer ones.
PART_TOKENS = 120

#: A detected language counts when it is this likely; else the model sees for itself.
SURE = 0.8

#: What a model writes before a translation though it was told not to.
_LABEL = re.compile(r"^(?:here is |this is )?(?:the )?translation(?: in(?:to)? \w+)?\s*:\s*", re.IGNORECASE)

_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»", "「": "」"}


class ChatTranslation:
    """`Translation` through the parts "chat" and "language-identification". Lines, their order and marks are kept."""

    capability: ClassVar[str] = "translation"

    def __init__(self, context: LoadContext) -> None:
        self._chat: Chat = context.parts["chat"]
        self._identifier: LanguageIdentification = context.parts["language-identification"]
        self._languages = context.entry.languages

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes it can translate into."""
        return self._languages

    def offers(self, source: str | None, target: str) -> bool:  # noqa: ARG002 # the model reads any language
        """See `engines.protocols.Translation`."""
        return target in self._languages

    def translate(
        self,
        text: str,
        *,
        target: str,
        source: str | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Translated:
        """See `engines.protocols.Translation`. A text that is in the target language already is given back as it is.

        Raises InputError for a language that is not offered and for a text without words.
        """
        target = language_code(target)
        if target not in self._languages:
            offered = ", ".join(language_name(code) for code in self._languages)
            raise InputError(f"I can't translate into {language_name(target)}.", fix=f"I can into: {offered}.")
        if source is not None:
            code, told = language_code(source), True
        else:
            guess = self._identifier.identify(text)
            code, told = guess.code, guess.probability >= SURE
        if code == target and told:
            return Translated(text, code, target)
        prompt = _prompt(code if told else None, target)
        translated = rewrite(
            text,
            lambda some: [self._part(part, prompt, target, cancel) for part in some],
            fits=self._fits,
            batch=1,
            on_progress=on_progress,
            cancel=cancel,
        )
        return Translated(translated, code, target)

    def close(self) -> None:
        """Its parts are closed by those who made them."""

    def _fits(self, part: str) -> bool:
        return self._chat.count_tokens(part) <= PART_TOKENS

    def _part(self, part: str, prompt: tuple[ChatTurn, ...], target: str, cancel: CancelToken) -> str:
        request = ChatRequest(
            messages=[*prompt, _ask(part, target)],
            # Other scripts take up to four times the tokens; more is a model that repeats itself.
            max_tokens=4 * self._chat.count_tokens(part) + 40,
            stop=["\n"],
            lane="translate",
        )
        answer = _bare(self._chat.complete(request, cancel=cancel).text, part)
        if not answer:
            raise EngineError(f"The model gave no translation of {part[:40]!r}.", fix="Use a larger chat model.")
        return answer


def _bare(answer: str, part: str) -> str:
    """The translation without a label, and without quotes that are not in ``part``."""
    answer = answer.strip()
    if not _LABEL.match(part):
        answer = _LABEL.sub("", answer)
    if part[0] not in _QUOTES and len(answer) > 1 and _QUOTES.get(answer[0]) == answer[-1]:
        answer = answer[1:-1].strip()
    return answer


def _ask(text: str, target: str) -> ChatTurn:
    turn: str = _examples()["turn"]
    return ChatTurn("user", turn.format(target=language_name(target), text=text))


def _prompt(source: str | None, target: str) -> tuple[ChatTurn, ...]:
    """The instruction and the worked examples: the same for every part, so that it is read once."""
    named = language_name(source) if source else "any language"
    system = (PROMPTS / "translate.md").read_text("utf-8").strip()
    turns = [ChatTurn("system", system.format(source=named, target=language_name(target)))]
    for example in _examples()["example"]:
        # A language without worked examples is shown those from English, or into it.
        given = example.get(source, example["en"]) if source != target else example["en"]
        if target in example and given != example[target]:
            turns += [_ask(given, target), ChatTurn("assistant", example[target])]
    return tuple(turns)


@cache
def _examples() -> Mapping[str, Any]:
    return tomllib.loads((PROMPTS / "translate.toml").read_text("utf-8"))
