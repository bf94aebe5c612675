"""The node that notes a turn for memory. Reading it takes a chat model seconds, so `graphs.keeper` does that later."""

from __future__ import annotations

import re
from typing import Any

from langgraph.runtime import Runtime

from graphs.plan import Plan
from graphs.state import Turn, TurnContext

#: Words for oneself, in the languages most spoken here. A message without any is hardly about its author.
_ONESELF = re.compile(
    r"\b(i|i'm|i've|i'd|i'll|me|my|mine|myself|we|us|our|ours|call me"
    r"|ich|mir|mich|mein\w*|wir|uns\w*|je|j'\w+|moi|mon|ma|mes|nous|notre|nos"
    r"|yo|mi|mis|nosotr[oa]s|nuestr[oa]s?|eu|meus?|minhas?|n[oó]s|io|mio|mia|miei|noi|nostr[oaie]|ik|mij|mijn|wij)\b",
    re.IGNORECASE,
)
_OTHER_SCRIPTS = re.compile(r"[^\W\d_a-zA-ZÀ-ɏ]")
_QUOTED = re.compile(r"""(?<!\w)["'„“«][^"'“”»]{2,}["'“”»](?!\w)""")
_SHORTEST = 8


async def remember(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Note the turn if it may hold something to keep. What a replay says was said before."""
    if runtime.context.preset is None and worth_reading(state):
        await runtime.context.unread.note(state["run_id"])
    return {}


def worth_reading(state: Turn) -> bool:
    """A cheap test: the user speaks of themselves, showed or had made a picture, or asked to remember something."""
    shown = [ref for ref in state["attachments"] if ref["kind"] == "image"]
    made = [
        ref for result in state.get("results", {}).values() for ref in result["artifacts"] if ref["kind"] == "image"
    ]
    asked = any(step.tool == "remember" for step in Plan(**state["plan"]).steps)
    return bool(shown or made or asked) or is_personal(state["message"])


def is_personal(message: str) -> bool:
    """Whether somebody may be speaking of themselves. Of scripts whose words it does not know it says yes."""
    message = _QUOTED.sub(" ", message)  # somebody else's words, to translate or to speak
    if len(message.strip()) < _SHORTEST and not _OTHER_SCRIPTS.search(message):
        return False
    return bool(_ONESELF.search(message) or _OTHER_SCRIPTS.search(message))
