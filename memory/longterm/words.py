"""Finding memories by their words: BM25 by SQLite's FTS5, in this process.

It is made from the rows whenever a process starts, so that it can't disagree with them for long, works with every
chat database, and leaves nothing behind.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path

from memory.longterm.types import MemoryInfo

#: How much a word counts: in the memory itself, in what was said around it, in its date.
WEIGHTS = (1.0, 0.5, 0.5)

_STOPWORDS = frozenset(Path(__file__).with_name("stopwords.txt").read_text("utf-8").split())
#: Scripts without spaces between words: each character is taken as a word.
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]")
_WORD = re.compile(r"\w+")


class Words:
    """An index of one owner's memories. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(
            "CREATE VIRTUAL TABLE memory USING fts5("
            "text, context, said, tokenize='porter unicode61 remove_diacritics 2')"
        )
        self._rows: dict[str, int] = {}
        self._seen: dict[str, datetime] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, memory_id: str) -> bool:
        return memory_id in self._rows

    def is_current(self, memory_id: str, updated_at: datetime) -> bool:
        return self._seen.get(memory_id) == updated_at

    def put(self, memories: Iterable[MemoryInfo]) -> None:
        """Add them, or replace what is there of them."""
        with self._lock:
            for memory in memories:
                self._drop(memory.id)
                said = f"{memory.said_at:%Y-%m-%d %Y %B} {memory.said_at.day}".lower().replace("-", "")
                added = self._database.execute(
                    "INSERT INTO memory (text, context, said) VALUES (?, ?, ?)",
                    (_spaced(f"{memory.about}: {memory.text}"), _spaced(memory.context), said),
                )
                self._rows[memory.id] = added.lastrowid or 0
                self._seen[memory.id] = memory.updated_at

    def keep_only(self, ids: Collection[str]) -> None:
        """Drop all others."""
        with self._lock:
            for memory_id in self._rows.keys() - set(ids):
                self._drop(memory_id)

    def drop(self, ids: Iterable[str]) -> None:
        with self._lock:
            for memory_id in ids:
                self._drop(memory_id)

    def search(self, question: str, limit: int, *, days: Iterable[str] = ()) -> dict[str, float]:
        """Memories that share words with the question, and how well (higher is better). ``days``, as in ``20260131``,
        are days that the question means without naming them.
        """
        words = [*content_words(question), *days]
        if not words:
            return {}
        with self._lock:
            ids = {row: memory_id for memory_id, row in self._rows.items()}
            found = self._database.execute(
                "SELECT rowid, bm25(memory, ?, ?, ?) AS cost FROM memory WHERE memory MATCH ? ORDER BY cost LIMIT ?",
                (*WEIGHTS, " OR ".join(f'"{word}"' for word in words), limit),
            )
            return {ids[row]: -cost for row, cost in found}

    def close(self) -> None:
        self._database.close()

    def _drop(self, memory_id: str) -> None:
        row = self._rows.pop(memory_id, None)
        self._seen.pop(memory_id, None)
        if row is not None:
            self._database.execute("DELETE FROM memory WHERE rowid = ?", (row,))


def content_words(text: str) -> list[str]:
    """The words that say something, each once; all of them where there are no others."""
    words = list(dict.fromkeys(_WORD.findall(_spaced(text).lower())))
    return [word for word in words if word not in _STOPWORDS] or words


def _spaced(text: str) -> str:
    return _UNSPACED.sub(r" \g<0> ", text)
