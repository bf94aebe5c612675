"""Finding memories: by meaning (vectors), by words (BM25), and both together.

The two scores are brought to 0..1 within a search and added. That keeps what ranks alone lose: how far ahead the best
one is. docs/memory.md says what each part was measured to bring.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from engines.errors import EngineError, UnavailableError
from memory.database import Database
from memory.longterm.embedding import Embedder
from memory.longterm.tables import MemoryRow
from memory.longterm.times import days_meant
from memory.longterm.types import USER, MemoryInfo
from memory.longterm.vectors import Vectors
from memory.longterm.words import Words

log = logging.getLogger(__name__)

#: Looked at by each of the two ways, before they are put together.
DEPTH = 100

#: The share of words in the score; the rest is the meaning's.
WORDS_SHARE = 0.6

#: What a memory about somebody gains when the question names them.
NAMED = 0.4

#: A row of another process may be stored a little after its time.
_SLACK = timedelta(seconds=5)

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Score:
    """As in `memory.longterm.types.Hit`."""

    total: float
    likeness: float | None
    words: float


class Index:
    """One owner's index. It follows the rows by itself; `catch_up` makes the vectors that are missing."""

    def __init__(self, db: Database, owner: str, vectors: Vectors, embedder: Embedder) -> None:
        self._db = db
        self._owner = owner
        self._vectors = vectors
        self._embedder = embedder
        self._words = Words()
        self._abouts: dict[str, frozenset[str]] = {}
        self._read_up_to = datetime.min.replace(tzinfo=UTC)
        self._tidy = False
        self.trouble = ""
        """Why meanings are not searched at the moment; empty: they are."""

    async def search(self, question: str, *, now: datetime, depth: int = DEPTH) -> dict[str, Score]:
        """The ids of current memories, and how well each fits. Searches by words alone when vectors can't be had."""
        await self.follow()
        if not len(self._words):
            return {}
        words = self._words.search(question, depth, days=days_meant(question, now.date()))
        likeness = await self._near(question, depth)
        found = _together(words, likeness)
        asked = frozenset(re.findall(r"\w+", question.lower()))
        named = {id_ for id_ in found if (about := self._abouts.get(id_)) and about <= asked}
        if len(named) < len(found):
            found = {id_: score * (1 + NAMED * (id_ in named)) for id_, score in found.items()}
        return {
            id_: Score(score, likeness.get(id_) if likeness is not None else None, words.get(id_, 0.0))
            for id_, score in found.items()
        }

    async def alike(self, features: np.ndarray, limit: int) -> dict[str, float]:
        """Pictures that look like one with these features: ids and cosines."""
        try:
            return await self._vectors.near(_pictures(len(features)), self._owner, features, limit)
        except UnavailableError as error:
            self._say(error)
            return {}

    async def likeness(self, text: str, others: Sequence[str]) -> list[float]:
        """The cosines of what ``text`` and each of the others mean. Raises UnavailableError without the model."""
        if not others:
            return []
        rows = await self._embedder.embed([text, *others])
        return [float(cosine) for cosine in rows[1:] @ rows[0]]

    async def catch_up(self) -> int:
        """Make the vectors that are missing; how many were made. Raises UnavailableError when they can't be now."""
        made = 0
        while rows := await self._without_vectors():
            await self._put_pictures(rows)  # their features are there, whether the texts' model is or not
            vectors = await self._embedder.embed([_embedded(row) for row in rows])
            await self._vectors.put(self._collection, self._owner, [row.id for row in rows], vectors)
            await self._mark(rows)
            made += len(rows)
        self.trouble = ""
        return made

    async def tidy(self) -> int:
        """Drop vectors whose memory is gone or superseded, if there may be any; how many there were."""
        if self._tidy:
            return 0
        lost = await self._vectors.ids(self._owner) - set(await self._current_ids())
        if lost:
            await self._vectors.drop(self._owner, sorted(lost))
        self._tidy = True
        return len(lost)

    async def drop(self, ids: Sequence[str]) -> None:
        """They are not to be found any more. A vector that can't be dropped now is dropped by the next `tidy`."""
        if not ids:  # Chroma need not be opened
            return
        self._words.drop(ids)
        try:
            await self._vectors.drop(self._owner, ids)
        except UnavailableError as error:
            self._tidy = False
            self._say(error)

    async def start_over(self) -> int:
        """Make everything again from the rows; how many vectors there are then. Raises as `catch_up` does."""
        await self._vectors.start_over(self._owner)
        async with self._db.transaction() as session:
            await session.execute(update(MemoryRow).where(MemoryRow.owner == self._owner).values(indexed=""))
        return await self.catch_up()

    async def follow(self) -> None:
        """Take up what this or another process has changed since the last look."""
        mine = (MemoryRow.owner == self._owner) & MemoryRow.superseded_by.is_(None)
        async with self._db.session() as session:
            newest, count = (
                await session.execute(select(func.max(MemoryRow.updated_at), func.count()).where(mine))
            ).one()
            since = self._read_up_to - _SLACK if self._read_up_to.year > 1 else self._read_up_to
            stamps = (
                await session.execute(
                    select(MemoryRow.id, MemoryRow.updated_at).where(mine, MemoryRow.updated_at >= since)
                )
            ).all()
            fresh = [id_ for id_, at in stamps if not self._words.is_current(id_, at)]
            await self._load(session, fresh)
            if len(self._words) != count:  # something is gone, or was stored long after its time
                there = set(await session.scalars(select(MemoryRow.id).where(mine)))
                self._words.keep_only(there)
                await self._load(session, [id_ for id_ in there if id_ not in self._words])
        self._read_up_to = newest or self._read_up_to

    def close(self) -> None:
        self._words.close()

    async def _load(self, session: AsyncSession, ids: Sequence[str]) -> None:
        for page in _pages(ids):
            rows = await session.scalars(select(MemoryRow).where(MemoryRow.id.in_(page)))
            self._take([MemoryInfo.model_validate(row) for row in rows])

    def _take(self, memories: Sequence[MemoryInfo]) -> None:
        self._words.put(memories)
        for memory in memories:
            names = frozenset(re.findall(r"\w+", memory.about.lower()))
            self._abouts[memory.id] = frozenset() if memory.about == USER else names

    async def _near(self, text: str, limit: int) -> dict[str, float] | None:
        """None: meanings can't be searched now."""
        try:
            (vector,) = await self._embedder.embed([text])
            return await self._vectors.near(self._collection, self._owner, vector, limit)
        except (UnavailableError, EngineError) as error:
            self._say(error)
            return None

    async def _without_vectors(self) -> list[MemoryRow]:
        missing = (
            MemoryRow.owner == self._owner,
            MemoryRow.superseded_by.is_(None),
            MemoryRow.indexed != self._collection,
        )
        async with self._db.session() as session:
            return list(
                await session.scalars(select(MemoryRow).where(*missing).order_by(MemoryRow.created_at).limit(_BATCH))
            )

    async def _put_pictures(self, rows: Sequence[MemoryRow]) -> None:
        for row in rows:
            if row.features:
                features = np.frombuffer(row.features, np.float16).astype(np.float32)
                await self._vectors.put(_pictures(len(features)), self._owner, [row.id], features[None, :])

    async def _mark(self, rows: Sequence[MemoryRow]) -> None:
        """A row that was changed meanwhile stays to be indexed again."""
        async with self._db.transaction() as session:
            for row in rows:
                same = (MemoryRow.id == row.id, MemoryRow.updated_at == row.updated_at)
                await session.execute(update(MemoryRow).where(*same).values(indexed=self._collection))

    async def _current_ids(self) -> Collection[str]:
        query = select(MemoryRow.id).where(MemoryRow.owner == self._owner, MemoryRow.superseded_by.is_(None))
        async with self._db.session() as session:
            return set(await session.scalars(query))

    @property
    def _collection(self) -> str:
        """One for each model. Chroma allows letters, digits, dots, hyphens and underscores."""
        return re.sub(r"[^a-zA-Z0-9._-]", "-", f"texts-{self._embedder.name}")

    def _say(self, error: Exception) -> None:
        """Once for each trouble: it may last, and every turn searches."""
        if str(error) != self.trouble:
            self.trouble = str(error)
            log.warning("Memory is searched by words alone: %s", error)


def _together(words: Mapping[str, float], likeness: Mapping[str, float] | None) -> dict[str, float]:
    best = max(words.values(), default=0.0)
    by_words = {id_: score / best for id_, score in words.items()} if best > 0 else {}
    if not likeness:
        return by_words
    low, high = min(likeness.values()), max(likeness.values())
    by_meaning = {id_: (cosine - low) / (high - low) if high > low else 1.0 for id_, cosine in likeness.items()}
    return {
        id_: WORDS_SHARE * by_words.get(id_, 0.0) + (1 - WORDS_SHARE) * by_meaning.get(id_, 0.0)
        for id_ in {**by_words, **by_meaning}
    }


def _embedded(row: MemoryRow) -> str:
    """The text whose vector is searched: the memory, then what was said around it."""
    return f"{row.about}: {row.text}\n{row.context}".strip()


def _pictures(dimensions: int) -> str:
    return f"pictures-{dimensions}"


def _pages(ids: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]
