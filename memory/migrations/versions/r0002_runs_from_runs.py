"""Runs that begin where another one was; Alembic's own table says the version from here on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("runs", sa.Column("parent_run", sa.String(32)))
    op.drop_table("schema_version")
