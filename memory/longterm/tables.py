"""The tables of long-term memory, in the chat database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from memory.tables import Base


class MemoryRow(Base):
    """One thing that is remembered. ``indexed`` names the collection its vectors are in; empty: not yet.

    ``run_id`` and ``thread_id`` say where it was learned. They are plain text, because what a user asked to keep
    outlives the conversation. A picture's memory goes with the picture.
    """

    __tablename__ = "memories"
    __table_args__ = (
        Index("memories_by_time", "owner", "updated_at", "id"),
        Index("memories_by_thread", "owner", "thread_id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    about: Mapped[str] = mapped_column(String(255))
    context: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(String(16))
    pinned: Mapped[bool]
    said_at: Mapped[datetime]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    superseded_by: Mapped[str | None] = mapped_column(String(32))
    superseded_at: Mapped[datetime | None]
    run_id: Mapped[str | None] = mapped_column(String(32))
    thread_id: Mapped[str | None] = mapped_column(String(64))
    artifact_id: Mapped[str | None] = mapped_column(ForeignKey("artifacts.id", ondelete="CASCADE"), index=True)
    features: Mapped[bytes | None] = mapped_column(LargeBinary)
    indexed: Mapped[str] = mapped_column(String(255))


class UnreadTurnRow(Base):
    """A turn that has not been looked through for what is worth keeping. ``tries`` counts looks that failed."""

    __tablename__ = "memory_unread_turns"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255), index=True)
    tries: Mapped[int]
    created_at: Mapped[datetime]
