"""The rolling summary: what a conversation's older turns come to when the model's window has no room for them.

The chat model writes it; when it can't, it is made of the first sentences of what was said.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, SystemMessage

from graphs.budget import Budget, cut, fit, newest, tokens
from graphs.context import history_of, size, system_prompt

logger = logging.getLogger(__name__)

_CONDENSE = Path(__file__).with_name("prompts") / "condense.md"

#: How much of the history's share stays as it was said when the rest is summarised. The less, the seldomer it is done.
STAYS = 0.5

#: Also where Chinese, Hindi and Arabic sentences end.
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s|$)|[\u3002\uff01\uff1f\u0964\u061f]|\n|$)", re.DOTALL)
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")
_FIRST_CHARS = 240

#: How often the model is asked for one summary.
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Split:
    """A conversation cut in two: what the summary is to take in, and what stays as it was said."""

    older: Sequence[AnyMessage]
    newer: Sequence[AnyMessage]


def split(messages: Sequence[AnyMessage], window: int) -> Split:
    """Nothing is older while the history fits into its share of the window. The last turn always stays."""
    limit = _usual(window).history
    shown = history_of(messages)
    if size(shown) <= limit:
        return Split((), messages)
    stays = newest((size([message]) for message in reversed(shown)), int(limit * STAYS))
    first = max(len(messages) - max(stays, 2), 0)
    while first < len(messages) and not isinstance(messages[first], HumanMessage):
        first += 1
    if first == len(messages):
        first = max(index for index, message in enumerate(messages) if isinstance(message, HumanMessage))
    return Split(messages[:first], messages[first:])


async def summarise(summary: str, older: Sequence[AnyMessage], chat: BaseChatModel, window: int) -> str:
    """The summary with the older turns taken into it. A model that fails costs wording, not the conversation.

    As a rule that is one look at them. After a change to a model with a small window it takes several; then the oldest
    are taken in by their first sentences.
    """
    limit = _usual(window).summary
    portions = _portions(older, window)
    for portion in portions[:-ROUNDS]:
        summary = extract(summary, portion, limit)
    for portion in portions[-ROUNDS:]:
        summary = await _take_in(summary, portion, chat, window)
    return summary


async def _take_in(summary: str, older: Sequence[AnyMessage], chat: BaseChatModel, window: int) -> str:
    limit = _usual(window).summary
    try:
        reply = await chat.bind(lane="condense", shared=1, max_tokens=limit).ainvoke(_request(summary, older, window))
        written = _tidy(str(reply.text))
    except Exception:  # whatever a model or its server can raise: the turn has its answer already
        logger.warning("the chat model could not summarise; first sentences are kept instead", exc_info=True)
        written = ""
    return cut(written, limit) if written else extract(summary, older, limit)


def extract(summary: str, older: Sequence[AnyMessage], limit: int) -> str:
    """First sentences, within ``limit`` tokens and in the order in which they were said.

    When there are too many, what the user stated goes last: of that the oldest and the newest stay.
    """
    lines = summary.splitlines()
    for message in older:
        who = "user" if isinstance(message, HumanMessage) else "assistant"
        if first := _first_sentence(str(message.text)):
            lines.append(f"- {who}: {first}")
        lines += [f"- found: {_first_sentence(fact)}" for fact in message.additional_kwargs.get("facts", [])]
    lines = list(dict.fromkeys(lines))
    ranks = sorted(range(len(lines)), key=lambda index: (_rank(lines[index]), min(index, 2 * (len(lines) - index))))
    kept = newest((tokens(lines[index]) + 1 for index in ranks), limit)
    return "\n".join(lines[index] for index in sorted(ranks[:kept]))


def _usual(window: int) -> Budget:
    """What an answer's prompt has room for when the message is not a long one."""
    return Budget.divide(window, size([system_prompt()]) + window // 16)


def _rank(line: str) -> int:
    is_question = line.rstrip().endswith(_QUESTION_MARKS)
    if line.startswith("- assistant:"):
        return 3
    return 2 if is_question else 1 if line.startswith("- found:") else 0


def _portions(older: Sequence[AnyMessage], window: int) -> list[list[AnyMessage]]:
    """Messages that a model can be shown at once; a long one is cut then."""
    limit = _room(window)
    portions: list[list[AnyMessage]] = [[]]
    left = limit
    for message, shown in zip(older, history_of(older), strict=True):
        needed = min(size([shown]), limit // 2)
        if needed > left and portions[-1]:
            portions.append([])
            left = limit
        portions[-1].append(message)
        left -= needed
    return portions


def _room(window: int) -> int:
    """Tokens of what was said that fit into a request beside the longest summary."""
    budget = Budget.divide(window, size([_instructions()]) + _usual(window).summary)
    return budget.results + budget.history


def _request(summary: str, older: Sequence[AnyMessage], window: int) -> list[BaseMessage]:
    said = [
        f"{'user' if isinstance(message, HumanMessage) else 'assistant'}: {message.text}"
        for message in history_of(older)
    ]
    shown = "\n".join(fit(said, _room(window)))
    return [_instructions(), HumanMessage(f"Notes so far:\n{summary or '(none)'}\n\nSaid since:\n{shown}")]


def _instructions() -> SystemMessage:
    return SystemMessage(_CONDENSE.read_text("utf-8").strip())


def _first_sentence(text: str) -> str:
    found = _SENTENCE.match(text.strip())
    return " ".join(found.group().split())[:_FIRST_CHARS] if found else ""


def _tidy(text: str) -> str:
    """Without blank lines, and without a fence around it."""
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("```"))
