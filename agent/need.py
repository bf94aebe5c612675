"""What a turn asks of a chat model: judged by rules on the request, never by a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from agent.policy import policy
from graphs.turn_facts import TurnFacts

Difficulty = Literal["easy", "normal", "hard"]

#: Characters of text that a token stands for, roughly: scripts without spaces take more tokens.
_CHARS_PER_TOKEN = 3.5
_DENSE_LANGUAGES = frozenset(("zh", "ja", "ko", "th", "hi", "bn", "ar", "fa", "ur", "he"))

_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)
_LISTED = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+\S", re.MULTILINE)
_QUESTION = re.compile(r"[?\uff1f]")


@dataclass(frozen=True, slots=True)
class Need:
    """``context_tokens`` is a rough count of what the model has to read and write. ``tools``: the plan may take several
    steps. ``code``: it is about a program.
    """

    difficulty: Difficulty = "normal"
    vision: bool = False
    language: str | None = None
    context_tokens: int = 0
    tools: bool = False
    code: bool = False

    @property
    def skill(self) -> int:
        """How skilled a model should be, 0-100 (`engines.catalog.ChatFacts.skill`)."""
        wanted: int = policy()["skill"][self.difficulty]
        planning: int = policy()["skill"]["tools"]
        return max(wanted, planning) if self.tools else wanted


def need_of(turn: TurnFacts) -> Need:
    """What the turn asks for."""
    words = " ".join(turn.message.lower().split())
    code = bool(_FENCE.search(turn.message)) or _has(words, "code")
    by_tools = "image" in turn.kinds and _is_for_tools(words)
    steps = _count(words, "tool") if turn.kinds or _has(words, "tool") else 0
    return Need(
        difficulty=_difficulty(turn.message, words, code=code, by_tools=by_tools),
        vision="image" in turn.kinds and not by_tools,
        language=turn.language,
        context_tokens=_tokens(turn),
        tools=steps >= 2 or (steps >= 1 and _has(words, "then")),
        code=code,
    )


def _difficulty(message: str, words: str, *, code: bool, by_tools: bool) -> Difficulty:
    """Points for what makes a request hard: what is asked for, how much of it, and how long it is. A request of which
    the rules know nothing is of normal difficulty.
    """
    rules = policy()["difficulty"]
    points = rules["start"] + rules["hard_word"] * min(2, _count(words, "hard"))
    points += rules["thinking_word"] * min(2, _count(words, "thinking"))
    points += rules["code"] if code else 0
    points += rules["constraint"] * min(3, _count(words, "constraint"))
    points += rules["many_parts"] if len(_LISTED.findall(message)) + len(_QUESTION.findall(message)) >= 3 else 0
    points += sum(rules["length"] for least in rules["lengths"] if len(words) >= least)
    is_easy = by_tools or _has(words, "easy") or words.count(" ") < rules["few_words"]
    if is_easy and points < rules["hard_at"]:
        points += rules["easy_word"]
    if points >= rules["hard_at"]:
        return "hard"
    return "normal" if points >= rules["normal_at"] else "easy"


def _is_for_tools(words: str) -> bool:
    """Whether a tool does all that is asked of a picture: changing, counting, cutting out, reading its letters."""
    return _has(words, "picture_tool") and not _has(words, "look")


def _tokens(turn: TurnFacts) -> int:
    """Roughly what is to be read, and room for the answer."""
    per_token = 1.5 if turn.language in _DENSE_LANGUAGES else _CHARS_PER_TOKEN
    chars = len(turn.message) + turn.text_chars + min(turn.history_chars, policy()["context"]["history_chars"])
    overhead: int = policy()["context"]["overhead_tokens"]
    return int(chars / per_token) + overhead


def _has(words: str, name: str) -> bool:
    return any(True for _ in _found(words, name))


def _count(words: str, name: str) -> int:
    """How many different words of a list stand in the request."""
    return len({match.group(0) for match in _found(words, name)})


def _found(words: str, name: str) -> Iterable[re.Match[str]]:
    return _patterns()[name].finditer(words)


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    lists: dict[str, list[str]] = policy()["words"]
    return {name: re.compile(_either(parts)) for name, parts in lists.items()}


def _either(parts: Iterable[Any]) -> str:
    """Words and phrases as one pattern. Those in scripts without spaces stand anywhere."""
    return "|".join(rf"\b(?:{part})\b" if str(part).isascii() else f"(?:{part})" for part in parts)
