"""Answering in a tone that heeds the user's mood: a line more in the system prompt."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_TONE = Path(__file__).with_name("prompts") / "tone.toml"


def tone_line(noted: Mapping[str, Any]) -> str:
    """For what was noted of the message (`graphs.noting.note`); empty where no mood is strong enough to matter."""
    tone = _tone()
    if abs(noted.get("score", 0.0)) < tone["least"]:
        return ""
    return str(tone.get(noted.get("sentiment", ""), ""))


@cache
def _tone() -> dict[str, Any]:
    return tomllib.loads(_TONE.read_text("utf-8"))
