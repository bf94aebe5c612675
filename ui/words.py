"""Text for the page: made safe for Streamlit's markdown, and numbers said in few words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def safe_markdown(text: str) -> str:
    """A model's markdown without what Streamlit adds to it, and without pictures from elsewhere.

    A dollar is a dollar (not a formula), and ``![](address)`` becomes a link: a picture that loads by itself would
    tell a stranger what is being read.
    """
    parts = _CODE.split(text)
    for i in range(0, len(parts), 2):  # the odd ones are code
        parts[i] = parts[i].replace("$", r"\$").replace("![", r"\![").replace(":material/", r"\:material/")
    return "".join(parts)


def literal(text: str) -> str:
    """Markdown that shows ``text`` as it is."""
    return _SPECIAL.sub(r"\\\1", text)


def one_line(text: str, longest: int = 240, *, keep_end: bool = False) -> str:
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    return "..." + line[3 - longest :] if keep_end else line[: longest - 3] + "..."


def size(number: int) -> str:
    """``1234567`` -> ``1.2 MB``."""
    if number < 1_000:
        return f"{number} B"
    if number < 1_000_000:
        return f"{number / 1e3:.0f} kB"
    return f"{number / 1e6:.1f} MB" if number < 1_000_000_000 else f"{number / 1e9:.1f} GB"


def duration(seconds: float) -> str:
    """``75.2`` -> ``1 min 15 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def since(when: str, now: datetime | None = None) -> str:
    """An ISO time -> ``just now``, ``5 min ago``, ``3 h ago``, ``12 May``."""
    then = datetime.fromisoformat(when)
    past = ((now or datetime.now(UTC)) - then).total_seconds()
    if past < 60:
        return "just now"
    if past < 3_600:
        return f"{past / 60:.0f} min ago"
    if past < 86_400:
        return f"{past / 3_600:.0f} h ago"
    return f"{then.day} {then:%b}"


def arguments(args: dict[str, Any], names: dict[str, str]) -> str:
    """A call's arguments in a line; ``names`` says what to call an artifact id, ``$1`` becomes ``result of 1``."""
    return ", ".join(f"{key} {_value(value, names)}" for key, value in args.items() if value is not None)


def _value(value: Any, names: dict[str, str]) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item, names) for item in value)
    text = str(value)
    if text in names:
        return names[text]
    if re.fullmatch(r"\$\d+", text):
        return f"result of step {text[1:]}"
    return one_line(text, 60)
