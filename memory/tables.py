"""The tables of the chat database. Every row has an owner: its own, or for an event that of its run.

Ids of runs and artifacts are UUID4 in hex (they appear in addresses, so nobody may guess them); a thread's id is a
word its owner may choose, unique for that owner; messages are numbered, and the numbers are their order.

A change here needs a revision in `memory/migrations/versions`, which existing databases are brought up by.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone, kept in UTC. SQLite knows no zones; what comes back has one all the same."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain attribute
        datetime: UtcDateTime,
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
    }


class ThreadRow(Base):
    """``forked_at``: of a fork, the run of another conversation before which it was made; it may have been deleted
    since.
    """

    __tablename__ = "threads"
    __table_args__ = (
        Index("threads_by_time", "owner", "updated_at", "id"),
        Index("threads_by_fork", "forked_at"),
    )

    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(255))
    forked_at: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RunRow(Base):
    """``pid`` and ``process_started`` (seconds since 1970) say which process does the work, or did before it waited.

    ``parent_run`` is the run that this one repeats or goes on from; it may have been deleted since.
    """

    __tablename__ = "runs"
    __table_args__ = (
        ForeignKeyConstraint(["owner", "thread_id"], ["threads.owner", "threads.id"], ondelete="CASCADE"),
        Index("runs_by_thread", "owner", "thread_id", "created_at"),
        Index("runs_by_status", "owner", "status"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    thread_id: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(String(255))
    message: Mapped[str] = mapped_column(Text)
    attachments: Mapped[list[str]]
    error: Mapped[dict[str, Any] | None]
    pid: Mapped[int]
    process_started: Mapped[float] = mapped_column(Float(53))
    parent_run: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class MessageRow(Base):
    __tablename__ = "messages"
    __table_args__ = (
        ForeignKeyConstraint(["owner", "thread_id"], ["threads.owner", "threads.id"], ondelete="CASCADE"),
        Index("messages_by_thread", "owner", "thread_id", "id"),
        {"sqlite_autoincrement": True},  # a number is never used twice
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    thread_id: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    artifacts: Mapped[list[str]]
    created_at: Mapped[datetime]


class EventRow(Base):
    """``body`` is the event's body without its type."""

    __tablename__ = "events"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(32))
    body: Mapped[dict[str, Any]]


class ArtifactRow(Base):
    __tablename__ = "artifacts"
    __table_args__ = (Index("artifacts_by_time", "owner", "created_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))
    mime: Mapped[str] = mapped_column(String(127))
    name: Mapped[str] = mapped_column(String(255))
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    width: Mapped[int | None]
    height: Mapped[int | None]
    seconds: Mapped[float | None]
    lineage: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class LineageRow(Base):
    """``child`` was made from ``parent``, which may have been deleted since."""

    __tablename__ = "lineage"
    __table_args__ = (Index("lineage_by_parent", "parent"),)

    child: Mapped[str] = mapped_column(ForeignKey("artifacts.id", ondelete="CASCADE"), primary_key=True)
    parent: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))


class UserRow(Base):
    """``id`` is what the rows of a user have as their owner."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    settings: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class FeedbackRow(Base):
    """``rating`` is ``up`` or ``down``."""

    __tablename__ = "feedback"
    __table_args__ = (Index("feedback_by_time", "owner", "created_at"),)

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    rating: Mapped[str] = mapped_column(String(8))
    comment: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class UsageRow(Base):
    """What a run took of a model. ``cost`` is estimated, in US dollars; None: not known."""

    __tablename__ = "usage"
    __table_args__ = (Index("usage_by_time", "owner", "created_at"),)

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(String(255), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
    cost: Mapped[float | None]
    created_at: Mapped[datetime]
