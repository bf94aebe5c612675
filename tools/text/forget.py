"""Deletes what the user wants to be forgotten."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engines.errors import NotFoundError
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, Text, ToolResult


class Forgotten(ToolResult):
    """``forgotten`` is the text that was deleted."""

    forgotten: str

    def summary(self) -> str:
        return f"Deleted from memory: {self.forgotten}"


@tool(cost=Cost(seconds=0.05), repeatable=False)
async def forget(
    call: ToolCall,
    text: Annotated[Text, Field(description="what to forget, in the user's own words", max_length=2_000)],
) -> Forgotten:
    """Delete one thing from long-term memory, when the user asks to forget it."""
    memories = call.workshop.memories
    meant = await memories.about_to_forget(text)
    if meant is None:
        raise NotFoundError(
            f"Nothing in memory fits {text[:80]!r}, so nothing was forgotten.",
            fix="Look at what there is: sensorium memory list",
        )
    await memories.forget(meant.memory.id)
    return Forgotten(forgotten=meant.memory.text)
