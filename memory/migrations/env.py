"""What Alembic runs for every command: it works on the connection that `memory.migrate` opened, in its transaction."""

from __future__ import annotations

from alembic import context

import memory.longterm.tables  # noqa: F401 - its tables belong to the same database
from memory.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite can do it too, where the driver leaves BEGIN to us: a migration is kept whole or not at all.
    transactional_ddl=True,
    include_name=lambda name, type_, _: type_ != "table" or name in Base.metadata.tables,
)
context.run_migrations()
