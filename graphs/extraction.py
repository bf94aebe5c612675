"""What the chat model reads out of a turn, by constrained decoding: facts to keep, and how two of them stand."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from engines.text.structured import structured

Relation = Literal["same", "replaces", "both"]

_PROMPTS = Path(__file__).with_name("prompts")

#: Of a long message, as much is read.
READ_CHARS = 4_000

FACTS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "memories": {
            "type": "array",
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": {
                    "fact": {"type": "string", "minLength": 5, "maxLength": 200},
                    "kind": {"enum": ["fact", "preference", "episode"]},
                    "about": {"type": "string", "minLength": 1, "maxLength": 40},
                },
                "required": ["fact", "kind", "about"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["memories"],
    "additionalProperties": False,
}

RELATION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"relation": {"enum": ["same", "replaces", "both"]}},
    "required": ["relation"],
    "additionalProperties": False,
}


async def facts_of(message: str, chat: BaseChatModel) -> Sequence[Mapping[str, str]]:
    """``{"fact", "kind", "about"}`` each. Raises OutputParserException when the answer was cut off."""
    prefix = _prefix("remember", "{said}")
    found = await structured(chat, FACTS_SCHEMA, lane="remember", shared=len(prefix), max_tokens=600).ainvoke(
        [*prefix, HumanMessage(message[:READ_CHARS])]
    )
    facts: list[Mapping[str, str]] = found["memories"]
    return facts


async def relation_of(old: str, new: str, chat: BaseChatModel) -> Relation:
    """What a new note does to an old one about the same."""
    prefix = _prefix("supersede", "Old: {old}\nNew: {new}")
    asked = HumanMessage(f"Old: {old}\nNew: {new}")
    found = await structured(chat, RELATION_SCHEMA, lane="remember", shared=len(prefix), max_tokens=20).ainvoke(
        [*prefix, asked]
    )
    relation: Relation = found["relation"]
    return relation


@cache
def _prefix(name: str, form: str) -> tuple[BaseMessage, ...]:
    """The instructions and the worked examples, as a conversation."""
    messages: list[BaseMessage] = [SystemMessage((_PROMPTS / f"{name}.md").read_text("utf-8").strip())]
    for example in tomllib.loads((_PROMPTS / f"{name}.toml").read_text("utf-8"))["example"]:
        messages += [HumanMessage(form.format(**example)), AIMessage(example["reply"])]
    return tuple(messages)
