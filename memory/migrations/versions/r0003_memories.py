"""Long-term memory, and the turns it has not looked through."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "memories",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("about", sa.String(255), nullable=False),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("said_at", _TIME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("superseded_by", sa.String(32)),
        sa.Column("superseded_at", _TIME),
        sa.Column("run_id", sa.String(32)),
        sa.Column("thread_id", sa.String(64)),
        sa.Column("artifact_id", sa.String(32), sa.ForeignKey("artifacts.id", ondelete="CASCADE")),
        sa.Column("features", sa.LargeBinary),
        sa.Column("indexed", sa.String(255), nullable=False),
    )
    op.create_index("memories_by_time", "memories", ["owner", "updated_at", "id"])
    op.create_index("memories_by_thread", "memories", ["owner", "thread_id"])
    op.create_index("ix_memories_artifact_id", "memories", ["artifact_id"])
    op.create_table(
        "memory_unread_turns",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_index("ix_memory_unread_turns_owner", "memory_unread_turns", ["owner"])
