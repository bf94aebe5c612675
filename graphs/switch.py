"""The node that settles which chat model answers."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.state import Turn, TurnContext
from graphs.turn_facts import TurnFacts


async def switch(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Hand what is known of the turn to whoever chooses; the model's id goes into the state."""
    context = runtime.context
    if context.choose is None:
        return {}
    return {"model": await context.choose(_facts(state))}


def _facts(state: Turn) -> TurnFacts:
    files = state["attachments"]
    return TurnFacts(
        message=state["message"],
        kinds=tuple(ref["kind"] for ref in files if ref["id"] != state.get("options", {}).get("voice")),
        language=state.get("noted", {}).get("language"),
        text_chars=sum(ref.get("bytes", 0) for ref in files if ref["kind"] == "text"),
        history_chars=sum(len(str(message.text)) for message in state["messages"][:-1]),
    )
