"""Data sets as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines.errors import InputError


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """A row a line; empty lines are passed over. Raises InputError that names the line that is no JSON."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path.name}, line {number}, is not JSON: {error}.") from error
