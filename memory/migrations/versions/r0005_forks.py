"""Conversations that were forked from others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("threads", sa.Column("forked_at", sa.String(32)))
    op.create_index("threads_by_fork", "threads", ["forked_at"])
