"""One owner's long-term memory: what is kept, changed, superseded, found and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from engines.errors import InputError, NotFoundError, UnavailableError
from memory.chats import storable
from memory.database import Database
from memory.longterm.embedding import Embedder
from memory.longterm.index import Index, Score
from memory.longterm.tables import MemoryRow
from memory.longterm.types import MAX_ABOUT, MAX_CHARS, USER, Hit, Kind, MemoryInfo, NewMemory
from memory.longterm.unread import UnreadTurns
from memory.longterm.vectors import Vectors
from memory.longterm.words import content_words
from memory.names import is_id

#: Cosine from which two memories about the same say the same.
SAME = 0.92

#: Cosine from which a new memory may be about the same matter as an old one, and take its place.
SAME_MATTER = 0.45

_EDITABLE = frozenset({"text", "kind", "about", "pinned"})


class Memories:
    """What one owner's memory holds. Other owners' memories raise NotFoundError, as if they were not there.

    Made for one event loop. What changes is stored at once and found at once by its words; vectors follow in
    `catch_up`, which callers may leave to a quiet moment.
    """

    def __init__(self, db: Database, owner: str, vectors: Vectors, embedder: Embedder) -> None:
        if not 0 < len(owner) <= 255:
            raise InputError("An owner's name has 1 to 255 characters.")
        self._db = db
        self._owner = owner
        self._index = Index(db, owner, vectors, embedder)
        self._unread = UnreadTurns(db, owner)
        self._catching_up = asyncio.Lock()

    @property
    def trouble(self) -> str:
        """Why memories are found by their words alone at the moment; empty: by meaning too."""
        return self._index.trouble

    # ----------------------------------------------------------------------------------------------- keep and change

    async def add(self, new: NewMemory) -> MemoryInfo:
        """Keep it. Where the same is known already, that is dated anew and given back instead."""
        new = _clean(new)
        known = await self._same(new)
        async with self._db.transaction() as session:
            return await self._put(session, new, known)

    async def add_from_unread(self, new: NewMemory) -> MemoryInfo | None:
        """As `add`, for what was read out of the turn ``run_id``. None, and nothing is kept, where that turn is not to
        be read any more: its conversation may have been deleted while a model read it.
        """
        new = _clean(new)
        known = await self._same(new)
        async with self._db.transaction() as session:
            if new.run_id is None or not await self._unread.hold(session, new.run_id):
                return None
            return await self._put(session, new, known)

    async def add_all(self, news: Sequence[NewMemory]) -> list[MemoryInfo]:
        """Keep them as they are, without a look at what is known."""
        clean = [_clean(new) for new in news]
        async with self._db.transaction() as session:
            now = datetime.now(UTC)  # not before: it may have waited for others to write, and indexes go by the time
            rows = [self._new_row(new, now) for new in clean]
            session.add_all(rows)
        return [MemoryInfo.model_validate(row) for row in rows]

    async def edit(self, memory_id: str, **changes: str | bool) -> MemoryInfo:
        """Correct ``text``, ``kind``, ``about`` or ``pinned`` in place. What changed in the world is a new memory that
        supersedes. Raises NotFoundError, and InputError for what can't be.
        """
        if unknown := changes.keys() - _EDITABLE:
            raise InputError(
                f"A memory has no {min(unknown)!r} to edit.", fix=f"Known: {', '.join(sorted(_EDITABLE))}."
            )
        async with self._db.transaction() as session:
            row = await self._row(session, memory_id)
            for name, value in changes.items():
                checked = _CHECKS.get(name)
                setattr(row, name, checked(value) if checked and isinstance(value, str) else value)
            row.updated_at = datetime.now(UTC)
            row.indexed = ""
            return MemoryInfo.model_validate(row)

    async def supersede(self, old_id: str, new_id: str) -> MemoryInfo:
        """From now on the new one holds. The old one stays to be read, dated, but is not recalled."""
        async with self._db.transaction() as session:
            old, new = await self._row(session, old_id), await self._row(session, new_id)
            if old.id == new.id or old.superseded_by or new.superseded_by:
                raise InputError("Only what still holds can be superseded, by something else that holds.")
            old.superseded_by, old.superseded_at = new.id, datetime.now(UTC)
            old.updated_at, old.indexed = old.superseded_at, ""
            info = MemoryInfo.model_validate(old)
        await self._index.drop([old_id])
        return info

    async def rivals(self, new: MemoryInfo, limit: int = 4) -> list[MemoryInfo]:
        """Current facts and preferences on the same matter, which it may supersede; the likeliest first."""
        if new.kind not in ("fact", "preference"):
            return []
        close = await self._close_to(new.text, new.about, skip=new.id)
        return [memory for memory, cosine in close if cosine >= SAME_MATTER and memory.kind in ("fact", "preference")][
            :limit
        ]

    # ------------------------------------------------------------------------------------------------------- forget

    async def forget(self, memory_id: str) -> None:
        """Delete it for good. What it superseded stays superseded: it is no truer for that."""
        async with self._db.transaction() as session:
            await session.delete(await self._row(session, memory_id))
        await self._index.drop([memory_id])

    async def forget_all(self) -> int:
        """Delete everything, and read no more of the turns that have not been read yet; how much there was."""
        async with self._db.transaction() as session:
            await self._unread.forget_all(session)
            ids = await self._delete(session, MemoryRow.owner == self._owner)
        await self._index.drop(ids)
        return len(ids)

    async def forget_thread(self, thread_id: str) -> int:
        """Delete what was found in a conversation, and read no more of its turns; what the user asked to keep stays.
        Returns how much there was.
        """
        found_there = (MemoryRow.owner == self._owner, MemoryRow.thread_id == thread_id, MemoryRow.origin == "turn")
        async with self._db.transaction() as session:
            await self._unread.forget_thread(session, thread_id)  # first: it waits for what is being added
            ids = await self._delete(session, *found_there)
        await self._index.drop(ids)
        return len(ids)

    # --------------------------------------------------------------------------------------------------------- look

    async def get(self, memory_id: str) -> MemoryInfo:
        async with self._db.session() as session:
            return MemoryInfo.model_validate(await self._row(session, memory_id))

    async def page(
        self, *, limit: int = 50, before: str | None = None, superseded: bool = False
    ) -> Sequence[MemoryInfo]:
        """The one changed last first. ``before``: go on after that id. ``superseded``: those too."""
        query = select(MemoryRow).where(MemoryRow.owner == self._owner)
        if not superseded:
            query = query.where(MemoryRow.superseded_by.is_(None))
        async with self._db.session() as session:
            if before is not None:
                mark = await self._row(session, before)
                query = query.where(tuple_(MemoryRow.updated_at, MemoryRow.id) < (mark.updated_at, mark.id))
            ordered = query.order_by(MemoryRow.updated_at.desc(), MemoryRow.id.desc()).limit(limit)
            return [MemoryInfo.model_validate(row) for row in await session.scalars(ordered)]

    async def export(self) -> Sequence[MemoryInfo]:
        """Everything, superseded ones too, in the order in which it came."""
        query = select(MemoryRow).where(MemoryRow.owner == self._owner).order_by(MemoryRow.created_at, MemoryRow.id)
        async with self._db.session() as session:
            return [MemoryInfo.model_validate(row) for row in await session.scalars(query)]

    async def count(self) -> int:
        """How many still hold."""
        query = select(func.count()).where(MemoryRow.owner == self._owner, MemoryRow.superseded_by.is_(None))
        async with self._db.session() as session:
            return await session.scalar(query) or 0

    async def pinned(self, limit: int = 20) -> Sequence[MemoryInfo]:
        """What the user wants to be remembered in every turn."""
        mine = (MemoryRow.owner == self._owner, MemoryRow.superseded_by.is_(None), MemoryRow.pinned.is_(True))
        async with self._db.session() as session:
            rows = await session.scalars(select(MemoryRow).where(*mine).order_by(MemoryRow.created_at).limit(limit))
            return [MemoryInfo.model_validate(row) for row in rows]

    # --------------------------------------------------------------------------------------------------------- find

    async def search(
        self, question: str, limit: int = 10, *, kinds: Collection[Kind] = (), now: datetime | None = None
    ) -> list[Hit]:
        """What fits the question best, best first; superseded ones are not found. ``now`` is when it is asked."""
        scores = await self._index.search(question, now=now or datetime.now(UTC))
        hits = await self._hits(scores)
        return [hit for hit in hits if not kinds or hit.memory.kind in kinds][:limit]

    async def pictures_like(self, features: np.ndarray, limit: int = 5) -> list[tuple[MemoryInfo, float]]:
        """Remembered pictures that look like it, and the cosine."""
        cosines = await self._index.alike(features, limit)
        found = await self._current(cosines)
        return sorted(((memory, cosines[memory.id]) for memory in found), key=lambda pair: -pair[1])

    async def about_to_forget(self, words: str) -> Hit | None:
        """The memory that a user means who says what to forget; None when none fits well."""
        hits = await self.search(words, 1)
        if not hits:
            return None
        asked, best = set(content_words(words)), hits[0]
        shared = asked & set(content_words(f"{best.memory.about} {best.memory.text}"))
        is_meant = (best.likeness or 0.0) >= SAME_MATTER or len(shared) * 2 >= len(asked)
        return best if is_meant else None

    # -------------------------------------------------------------------------------------------------------- index

    async def catch_up(self) -> int:
        """Make vectors that are missing, and drop those of what is gone. How many were made; none while they can't be:
        `trouble` says why.
        """
        async with self._catching_up:
            try:
                made = await self._index.catch_up()
                if made:  # otherwise there is no need to open Chroma
                    await self._index.tidy()
            except UnavailableError as error:
                self._index.trouble = str(error)
                return 0
            return made

    async def reindex(self) -> int:
        """Make all vectors again from the rows. How many there are then. Raises UnavailableError."""
        async with self._catching_up:
            return await self._index.start_over()

    def close(self) -> None:
        self._index.close()

    # ------------------------------------------------------------------------------------------------------- inside

    async def _same(self, new: NewMemory) -> MemoryInfo | None:
        if new.kind in ("episode", "picture"):  # what happens twice is two episodes, unless a turn is read twice
            return await self._of_the_same_turn(new)
        close = await self._close_to(new.text, new.about)
        return next((memory for memory, cosine in close if cosine >= SAME and memory.kind == new.kind), None)

    async def _of_the_same_turn(self, new: NewMemory) -> MemoryInfo | None:
        same = (MemoryRow.owner == self._owner, MemoryRow.superseded_by.is_(None), MemoryRow.run_id == new.run_id)
        what = MemoryRow.text == new.text if new.artifact_id is None else MemoryRow.artifact_id == new.artifact_id
        async with self._db.session() as session:
            row = await session.scalar(select(MemoryRow).where(*same, what).limit(1))
            return MemoryInfo.model_validate(row) if row and new.run_id else None

    async def _close_to(self, text: str, about: str, *, skip: str = "") -> list[tuple[MemoryInfo, float]]:
        """Current memories about the same, the closest in meaning first; without the model, by being the same words."""
        hits = await self.search(text, 20)
        others = [hit.memory for hit in hits if hit.memory.about.lower() == about.lower() and hit.memory.id != skip]
        try:
            cosines = await self._index.likeness(text, [other.text for other in others])
        except UnavailableError:
            cosines = [float(content_words(other.text) == content_words(text)) for other in others]
        return sorted(zip(others, cosines, strict=True), key=lambda pair: -pair[1])

    async def _hits(self, scores: dict[str, Score]) -> list[Hit]:
        found = await self._current(scores)
        hits = [Hit(each, scores[each.id].total, scores[each.id].likeness, scores[each.id].words) for each in found]
        return sorted(hits, key=lambda hit: -hit.score)

    async def _current(self, ids: Collection[str]) -> list[MemoryInfo]:
        """Of these, what is the owner's and still holds: an index may lag behind."""
        mine = (MemoryRow.owner == self._owner, MemoryRow.superseded_by.is_(None), MemoryRow.id.in_(ids))
        async with self._db.session() as session:
            return [MemoryInfo.model_validate(row) for row in await session.scalars(select(MemoryRow).where(*mine))]

    async def _delete(self, session: AsyncSession, *which: ColumnElement[bool]) -> list[str]:
        return list(await session.scalars(delete(MemoryRow).where(*which).returning(MemoryRow.id)))

    async def _row(self, session: AsyncSession, memory_id: str) -> MemoryRow:
        query = select(MemoryRow).where(MemoryRow.id == memory_id, MemoryRow.owner == self._owner)
        row = await session.scalar(query) if is_id(memory_id) else None
        if row is None:
            raise NotFoundError(f"There is no memory {memory_id[:80]!r}.", fix="Look at the list of them.")
        return row

    async def _put(self, session: AsyncSession, new: NewMemory, known: MemoryInfo | None) -> MemoryInfo:
        now = datetime.now(UTC)
        if known is None:
            row = self._new_row(new, now)
            session.add(row)
            return MemoryInfo.model_validate(row)
        row = await self._row(session, known.id)
        row.said_at = max(row.said_at, new.said_at or now)
        row.updated_at = now
        row.pinned = row.pinned or new.pinned
        if new.origin != "turn":
            row.origin = new.origin  # what was asked for stays when the conversation goes
        return MemoryInfo.model_validate(row)

    def _new_row(self, new: NewMemory, now: datetime) -> MemoryRow:
        return MemoryRow(
            **new.model_dump(exclude={"said_at"}),
            id=uuid4().hex,
            owner=self._owner,
            said_at=new.said_at or now,
            created_at=now,
            updated_at=now,
            indexed="",
        )


def _clean(new: NewMemory) -> NewMemory:
    clean = {"text": _text(new.text), "about": _about(new.about), "context": storable(new.context)}
    return new.model_copy(update=clean)


def _text(given: str) -> str:
    words = storable(given).strip()
    if not words:
        raise InputError("There is nothing to remember: the text is empty.", fix="Say what to keep.")
    if len(words) > MAX_CHARS:
        raise InputError(f"A memory holds up to {MAX_CHARS:,} characters; this has {len(words):,}.", fix="Shorten it.")
    return words


def _about(given: str) -> str:
    words = storable(given).strip()
    if len(words) > MAX_ABOUT:
        raise InputError(f"What a memory is about has up to {MAX_ABOUT} characters.", fix="Shorten it.")
    return words or USER


_CHECKS = {"text": _text, "about": _about}
