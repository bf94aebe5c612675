"""Pictures for chat models that see. They are in the request only: no state and no log ever holds them."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from PIL.Image import Image

from tools.call import ToolCall

#: Models look at small pictures anyway; more would only be slow.
LONGEST_SIDE = 1024
MOST_PICTURES = 4


async def with_pictures(
    messages: Sequence[BaseMessage], attachments: Sequence[Mapping[str, Any]], call: ToolCall
) -> list[BaseMessage]:
    """The messages with the turn's pictures in the last one. Raises MediaError for one that can't be read."""
    ids = [ref["id"] for ref in attachments if ref["kind"] == "image"][:MOST_PICTURES]
    if not ids:
        return list(messages)
    *before, asked = messages
    blocks: list[str | dict[Any, Any]] = [{"type": "text", "text": str(asked.text)}]
    for artifact_id in ids:
        url = await asyncio.to_thread(_as_url, await call.image(artifact_id))
        blocks.append({"type": "image_url", "image_url": {"url": url}})
    return [*before, HumanMessage(blocks)]


def _as_url(image: Image) -> str:
    small = image.copy()
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    small.convert("RGB").save(buffer, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
