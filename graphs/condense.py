"""The node that ends a turn: when the history has outgrown its share of the window, its older part is summarised."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import RemoveMessage
from langgraph.runtime import Runtime

from graphs.state import Turn, TurnContext
from graphs.summary import split, summarise
from memory.events import Log


async def condense(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """The answer has been streamed by now. What the summary covers leaves the state; the chat database keeps it."""
    context = runtime.context
    parts = split(state["messages"], context.window())
    if not parts.older:
        return {}
    summary = await summarise(state.get("summary", ""), parts.older, context.chat, context.window())
    context.emit(Log(message=f"Summarised {len(parts.older)} older messages of the conversation."))
    return {
        "summary": summary,
        "messages": [RemoveMessage(id=message.id) for message in parts.older if message.id],
    }
