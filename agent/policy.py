"""The switcher's policy: numbers and words in `switcher.toml`, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def policy() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("switcher.toml").read_text("utf-8"))
