"""Keeps what the user asks to be remembered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from memory.longterm.types import MAX_CHARS, NewMemory
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, Text, ToolResult


class Remembered(ToolResult):
    """``memory`` is its id; ``known``: it was known already, and is dated anew."""

    memory: str
    kept: str
    known: bool

    def summary(self) -> str:
        return f"{'Known already, and kept' if self.known else 'Kept in memory'}: {self.kept}"


@tool(cost=Cost(seconds=0.01), repeatable=False)
async def remember(
    call: ToolCall,
    text: Annotated[Text, Field(description="what to keep, in the user's own words", max_length=MAX_CHARS)],
) -> Remembered:
    """Keep a fact or a wish in long-term memory, when the user asks to remember it."""
    memories = call.workshop.memories
    run_id, _, step = call.call_id.rpartition(":")
    before = await memories.count()
    kept = await memories.add(NewMemory(text=text, origin="asked", run_id=run_id if step else None))
    return Remembered(memory=kept.id, kept=kept.text, known=await memories.count() == before)
