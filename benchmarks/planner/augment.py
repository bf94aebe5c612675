"""More rows out of the written ones: noise, bystanders, and several requests in one."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

from benchmarks.planner.rows import Row

_JOINTS = (". ", ". Also, ", " and ", ". Then ", "; ", ", and also ", "? ", "\n", ". Besides that, ", ". Next, ", " ")
_EXTRA = (("notes.txt", "text"), ("pic.png", "image"), ("take.wav", "audio"), ("clip.mp4", "video"))
_SPOKEN = ("@answer", "@transcript", "@translation")


def augmented(rows: Sequence[Row], rng: random.Random, *, joins: float = 0.5, noise: bool = True) -> list[Row]:
    """An epoch: the rows with noise, and ``joins`` times as many made by joining two to four."""
    made = [noisy(row, rng) if noise else row for row in rows]
    single = [row for row in rows if len(row.calls) == 1]
    wanted, tries = int(joins * len(rows)), 0
    while single and wanted > 0 and tries < 20 * len(rows):
        tries += 1
        several = joined(rng.sample(single, min(len(single), rng.choice((2, 2, 3, 3, 4)))), rng)
        if several and len(several.request) < 800:
            made.append(noisy(several, rng) if noise and rng.random() < 0.5 else several)
            wanted -= 1
    return made


def noisy(row: Row, rng: random.Random) -> Row:
    """Lower case, lost punctuation, a slip of the finger, and files or earlier results that nobody asks about.

    Arguments that are words of the request change with it.
    """
    if rng.random() < 0.12:
        row = _rewritten(row, str.lower)
    if rng.random() < 0.12:
        row = _rewritten(row, lambda text: re.sub(r"[,;:!?\"]|\.(?=\s|$)", "", text))
    if rng.random() < 0.12:
        row = _slipped(row, rng)
    return _with_bystanders(row, rng)


def _names(row: Row) -> set[str]:
    return {name for name, _ in (*row.files, *row.earlier)}


def _rewritten(row: Row, change: Any) -> Row:
    """``change`` on everything but the names of files."""
    names = sorted(_names(row), key=len, reverse=True)
    pieces = re.split("(" + "|".join(map(re.escape, names)) + ")", row.request) if names else [row.request]
    request = "".join(piece if piece in names else change(piece) for piece in pieces)
    calls = [{key: _changed(key, value, row, change) for key, value in call.items()} for call in row.calls]
    return Row(request, row.files, row.earlier, calls)


_FIXED = ("tool", "control", "part", "subtitles")


def _changed(key: str, value: str, row: Row, change: Any) -> str:
    if key in _FIXED or value.startswith("$") or value in _names(row):
        return value
    if value in row.request:
        return str(change(value))
    return value


def _slipped(row: Row, rng: random.Random) -> Row:
    """One word outside the arguments loses a letter or has two swapped."""
    taken = " ".join(str(value) for call in row.calls for value in call.values()) + " ".join(_names(row))
    words = [word for word in re.findall(r"[A-Za-z]{5,}", row.request) if word not in taken]
    if not words:
        return row
    word = rng.choice(words)
    at = rng.randrange(1, len(word) - 1)
    slip = word[:at] + word[at + 1 :] if rng.random() < 0.5 else word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return Row(row.request.replace(word, slip, 1), row.files, row.earlier, row.calls)


def _with_bystanders(row: Row, rng: random.Random) -> Row:
    earlier = list(row.earlier)
    files = list(row.files)
    taken = {kind for _, kind in (*files, *earlier)}
    if rng.random() < 0.10:
        name, kind = rng.choice(_EXTRA)
        if kind not in taken and name not in _names(row) and (kind != "text" or row.calls):
            files.append((name, kind))
    if rng.random() < 0.15:
        count = rng.randint(1, 3)
        for name, kind in rng.sample((*_EXTRA[1:], *((word, "text") for word in _SPOKEN)), count):
            if kind not in taken and name not in {n for n, _ in (*files, *earlier)}:
                earlier.append((name, kind))
    return Row(row.request, files, earlier, row.calls)


def joined(rows: Sequence[Row], rng: random.Random) -> Row | None:
    """Several requests said in one breath; None where it would not be clear which file is meant."""
    request, files, calls = "", list[tuple[str, str]](), list[dict[str, Any]]()
    for row in rows:
        if row.earlier or not row.calls:
            return None
        renamed = _for_company(row, files)
        if renamed is None:
            return None
        text, mine, theirs = renamed
        shift = len(calls)
        files += [file for file in mine if file not in files]
        calls += [{key: _shifted(value, shift) for key, value in call.items()} for call in theirs]
        if request:
            joint = rng.choice(_JOINTS)
            if joint[0] in ".;,?" or joint.startswith(" and"):
                request = request.rstrip(" .?!")
            if joint.endswith(("and ", "also, ", "that, ", "Next, ", "Then ")) and text.split()[0] != "I":
                text = text[0].lower() + text[1:] if not _starts_an_argument(text, theirs) else text
            request += joint
        request += text
    return Row(request, files, [], calls)


def _starts_an_argument(text: str, calls: Sequence[dict[str, Any]]) -> bool:
    return any(isinstance(value, str) and value and text.startswith(value) for call in calls for value in call.values())


def _shifted(value: str, shift: int) -> str:
    return f"${int(value[1:]) + shift}" if re.fullmatch(r"\$\d+", value) else value


def _for_company(
    row: Row, files: list[tuple[str, str]]
) -> tuple[str, list[tuple[str, str]], list[dict[str, Any]]] | None:
    """The row among others' files: an unnamed one of its files becomes the one of that kind that is already there."""
    calls = [dict(call) for call in row.calls]
    mine = list[tuple[str, str]]()
    for name, kind in row.files:
        others = [other for other, its in files if its == kind]
        if name in row.request:
            if name in others:
                return None
            mine.append((name, kind))
        elif len(others) == 1 and sum(its == kind for _, its in row.files) == 1:
            mine.append((others[0], kind))
            calls = [{key: others[0] if value == name else value for key, value in call.items()} for call in calls]
        elif others:
            return None
        else:
            mine.append((name, kind))
    return row.request, mine, calls
