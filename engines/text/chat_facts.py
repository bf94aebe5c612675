"""What a chat model is good for, as far as that is known before it has said a word."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engines.catalog import ChatFacts

__all__ = ["ChatFacts", "facts_by_name", "is_for_chat"]

#: The size a name tells: ``qwen3:8b``, ``Llama-3.2-3B-Instruct``, ``mixtral:8x7b``.
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)(b|m)(?![a-z0-9])")

#: Of a model nobody knows anything of.
_UNKNOWN = ChatFacts(skill=45)


@dataclass(frozen=True, slots=True)
class _Family:
    name: re.Pattern[str]
    size: float
    """Billions of parameters where the model's name tells none."""
    minus: int
    facts: Mapping[str, Any]


def is_for_chat(name: str) -> bool:
    """Whether a model of that name converses: servers list embedding models beside the others."""
    return not any(sign in name.lower() for sign in _data()["not_chat"])


def facts_by_name(name: str) -> ChatFacts:
    """What the name of a model on a server tells: its family and its size."""
    lower = name.lower()
    size = _size(lower)
    family = next((family for family in _families() if family.name.search(lower)), None)
    if family is None:
        return _UNKNOWN if size is None else ChatFacts(skill=_skill(size))
    skill = _skill(family.size if size is None else size) - family.minus
    return ChatFacts(skill=max(0, skill), **family.facts)


def _size(lower: str) -> float | None:
    """Billions of parameters; None: the name does not tell."""
    found = _SIZE.search(lower)
    if found is None:
        return None
    times, number, unit = found.groups()
    return int(times or 1) * float(number) / (1 if unit == "b" else 1000)


def _skill(size: float) -> int:
    sizes: list[tuple[float, int]] = _data()["sizes"]
    return max((skill for least, skill in sizes if size >= least), default=5)


@cache
def _families() -> tuple[_Family, ...]:
    def family(row: dict[str, Any]) -> _Family:
        facts = {key: value for key, value in row.items() if key not in ("name", "size", "minus")}
        return _Family(re.compile(row["name"]), row["size"], row.get("minus", 0), facts)

    return tuple(family(row) for row in _data()["family"])


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("chat_families.toml").read_text("utf-8"))
