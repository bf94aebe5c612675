"""Users, what they think of answers, what runs cost, and which artifact was made from which, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_TIME = sa.DateTime(timezone=True)
_PAGE = 1_000


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("rating", sa.String(8), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_index("feedback_by_time", "feedback", ["owner", "created_at"])
    usage = op.create_table(
        "usage",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("model", sa.String(255), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("cost", sa.Double),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_index("usage_by_time", "usage", ["owner", "created_at"])
    lineage = op.create_table(
        "lineage",
        sa.Column("child", sa.String(32), sa.ForeignKey("artifacts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("parent", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
    )
    op.create_index("lineage_by_parent", "lineage", ["parent"])
    _fill_lineage(lineage)
    _fill_usage(usage)


def _fill_lineage(lineage: sa.Table) -> None:
    """From what each artifact says of itself."""
    artifacts = sa.table("artifacts", sa.column("id"), sa.column("owner"), sa.column("lineage", sa.JSON))
    for page in _pages(sa.select(artifacts)):
        rows = [
            {"child": id_, "parent": parent, "owner": owner}
            for id_, owner, made in page
            for parent in dict.fromkeys(made.get("parents", ()))
        ]
        if rows:
            op.get_bind().execute(lineage.insert(), rows)


def _fill_usage(usage: sa.Table) -> None:
    """From the last event of each run that finished."""
    runs = sa.table("runs", sa.column("id"), sa.column("owner"), sa.column("model"))
    events = sa.table(
        "events", sa.column("run_id"), sa.column("type"), sa.column("at", _TIME), sa.column("body", sa.JSON)
    )
    finished = sa.select(runs.c.id, runs.c.owner, runs.c.model, events.c.at, events.c.body).join_from(
        runs, events, runs.c.id == events.c.run_id
    )
    for page in _pages(finished.where(events.c.type == "run.finished")):
        rows = [
            {
                "run_id": id_,
                "owner": owner,
                "model": model,
                "prompt_tokens": body.get("usage", {}).get("prompt_tokens", 0),
                "completion_tokens": body.get("usage", {}).get("completion_tokens", 0),
                "seconds": body.get("seconds", 0.0),
                "cost": None,
                "created_at": at,
            }
            for id_, owner, model, at, body in page
        ]
        op.get_bind().execute(usage.insert(), rows)


def _pages(query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
    return op.get_bind().execute(query).partitions(_PAGE)
