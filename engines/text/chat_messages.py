"""Between LangChain's messages and the plain turns of a `Chat` engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

from engines.errors import InputError
from engines.protocols import ChatReply, ChatTurn, Role


def turns(messages: Sequence[BaseMessage], model: str) -> tuple[ChatTurn, ...]:
    """Raises InputError for anything but text; ``model`` is named in the message."""
    return tuple(_turn(message, model) for message in messages)


def flat_text(content: str | Sequence[Any], model: str) -> str:
    """The text of a message's content; blocks of text are joined."""
    if isinstance(content, str):
        return content
    return "".join(_block_text(block, model) for block in content)


def usage(reply: ChatReply) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=reply.prompt_tokens,
        output_tokens=reply.completion_tokens,
        total_tokens=reply.prompt_tokens + reply.completion_tokens,
        input_token_details=InputTokenDetails(cache_read=reply.cached_tokens),
    )


def _turn(message: BaseMessage, model: str) -> ChatTurn:
    text = flat_text(message.content, model)
    match message:
        case SystemMessage():
            return ChatTurn("system", text)
        case HumanMessage():
            return ChatTurn("user", text)
        case AIMessage():
            calls = [f"Calling {call['name']}: {json.dumps(call['args'])}" for call in message.tool_calls]
            return ChatTurn("assistant", "\n".join([text, *calls] if text else calls))
        case ToolMessage():
            return ChatTurn("user", f"Result of {message.name or 'the tool'}: {text}")
        case ChatMessage():
            return ChatTurn(_role(message.role, model), text)
        case _:
            raise InputError(f"{model} can't take a message of type {message.type!r}.")


def _role(name: str, model: str) -> Role:
    if name in ("system", "user", "assistant"):
        return name  # type: ignore[return-value] # narrowed by the line above, which mypy does not see
    raise InputError(f"{model} knows no role {name!r}.", fix="Use one of: system, user, assistant.")


def _block_text(block: Any, model: str) -> str:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    if kind == "text":
        return str(block["text"])
    if kind in ("image", "image_url"):
        raise InputError(f"{model} can't see pictures.", fix="Let a tool look at the picture, and give its words.")
    raise InputError(f"{model} reads text only, not {kind!r}.")
