"""Names that strangers give: of files, made safe to show, to log and to save under; ids, told from what is none."""

from __future__ import annotations

import re
import unicodedata

#: Zero-width joiners: emoji and several scripts need them.
_JOINERS = "\u200c\u200d"
_RESERVED = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_id(text: str) -> bool:
    """Whether anything can have that id. What can't is not there, and no database need be asked (some break at it)."""
    return _ID.fullmatch(text) is not None


def safe_name(name: str, *, default: str = "file", limit: int = 120) -> str:
    """The base name: no folders, control characters, direction marks or overrides, and at most ``limit`` characters.

    Letters of every script stay, and so does the suffix of a name that is cut. ``default`` when nothing is left.
    """
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(map(_safe_char, name))
    name = name.translate(_RESERVED).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    if len(name) > limit:
        short_suffix = dot + suffix if 0 < len(suffix) <= 16 else ""
        name = name[: limit - len(short_suffix)].rstrip(" .") + short_suffix
    if not name.strip("_" + _JOINERS):
        return default
    return f"_{name}" if (stem or name).split(".")[0].lower() in _DEVICES else name


def _safe_char(char: str) -> str:
    category = unicodedata.category(char)[0]
    if category == "Z":  # the spaces of typography and of other scripts
        return " "
    return "" if category == "C" and char not in _JOINERS else char
