"""The node that looks into memory before anything is planned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from langgraph.runtime import Runtime

from graphs.offers import free_name
from graphs.plan import Offer
from graphs.state import Turn, TurnContext
from memory.events import MemoryRecalled
from memory.longterm.types import USER, Hit, MemoryInfo

#: What is recalled may take so much of the prompts: about 300 tokens.
RECALLED_CHARS = 1_200

#: Looked at; what does not matter is left out.
LOOKED_AT = 10

#: Of a long message, the words that memory is asked with.
ASKED_CHARS = 1_000

#: Cosines from which a memory matters by its meaning alone, or when it shares words with the message.
BY_MEANING, WITH_WORDS = 0.35, 0.2

#: Pictures of a message that are compared with those in memory.
MOST_SHOWN = 3

_LIKE = "The picture shown now looks like an earlier one: "
_PICTURE = re.compile(r"\b(photos?|pictures?|images?|pics?|screenshots?|drawings?|bilds?|fotos?)\b", re.IGNORECASE)


_AGAIN = re.compile(
    r"\b(again|already|before|earlier|familiar|know|recogni[sz]e|remember|same|seen|showed|shown)\b", re.IGNORECASE
)
"""Words that ask whether something was there before."""


async def recall(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """What memory holds that may matter here: what is pinned, pictures like those that are shown where it is asked for
    them, then what fits the message, within a budget.
    """
    context = runtime.context
    hits = await context.memories.search(state["message"][:ASKED_CHARS], LOOKED_AT)
    mattering = [hit.memory for hit in hits if _matters(hit)]
    alike = await _alike(state, context)
    chosen = _within_budget([*await context.memories.pinned(), *alike, *mattering])
    seen = {memory.id for memory in alike}
    recalled = [f"{_LIKE if memory.id in seen else ''}{as_line(memory)}" for memory in chosen]
    if recalled:
        context.emit(MemoryRecalled(items=tuple(recalled)))
    pictures = [memory for memory in chosen if memory.artifact_id and _PICTURE.search(state["message"])]
    return {"recalled": recalled, "offers": [*state["offers"], *_offers(pictures, state["offers"])]}


async def _alike(state: Turn, context: TurnContext) -> list[MemoryInfo]:
    shown = [ref["id"] for ref in state["attachments"] if ref["kind"] == "image"]
    if context.familiar is None or not shown or not _AGAIN.search(state["message"]):
        return []
    return [memory for id_ in shown[:MOST_SHOWN] for memory in await context.familiar(id_)]


def as_line(memory: MemoryInfo) -> str:
    """``The user is allergic to nuts. (told on 2026-05-03)``"""
    who = "" if memory.about.lower() in (USER, "") else f"{memory.about}: "
    shown = memory.text if memory.text.lower().startswith(memory.about.lower()) else f"{who}{memory.text}"
    return f"{shown} (told on {memory.said_at:%Y-%m-%d})"


def _matters(hit: Hit) -> bool:
    if hit.likeness is None:
        return hit.words > 0
    return hit.likeness >= (WITH_WORDS if hit.words > 0 else BY_MEANING)


def _within_budget(memories: Iterable[MemoryInfo]) -> list[MemoryInfo]:
    left = RECALLED_CHARS
    chosen: dict[str, MemoryInfo] = {}
    for memory in memories:
        length = len(as_line(memory))
        if memory.id not in chosen and length <= left:
            chosen[memory.id] = memory
            left -= length
    return list(chosen.values())


def _offers(pictures: Sequence[MemoryInfo], taken: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remembered pictures that the message may mean, for the plan to work on, each by a name of its own."""
    names = {offer["name"] for offer in taken}
    values = {offer["value"] for offer in taken}
    found = []
    for memory in pictures:
        if memory.artifact_id and memory.artifact_id not in values:
            name = free_name(picture_name(memory), names)
            names.add(name)
            values.add(memory.artifact_id)
            found.append(asdict(Offer(name, "image", memory.artifact_id, earlier=True, is_file=True)))
    return found


def picture_name(memory: MemoryInfo) -> str:
    """The file's name: a picture's memory begins with it (see `graphs.pictures`)."""
    return memory.text.partition(":")[0].lstrip("$@") or "picture"
