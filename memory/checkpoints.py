"""Where LangGraph keeps the state of a run between its steps."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiosqlite

from engines.errors import SensoriumError
from memory.artifact_types import ArtifactRef, Lineage
from memory.database import BUSY_SECONDS, prepare_file
from memory.events import PlannedStep, Receipt, Usage

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

#: Types of this floor that may stand in a graph's state.
_TYPES: tuple[type, ...] = (ArtifactRef, Lineage, PlannedStep, Receipt, Usage)


def checkpoint_thread(owner: str, thread_id: str) -> str:
    """LangGraph's ``thread_id`` of a conversation: two owners may both have one called ``work``."""
    return f"{owner}:{thread_id}"


@asynccontextmanager
async def open_checkpointer(path: Path, *, types: Iterable[type] = ()) -> AsyncIterator[AsyncSqliteSaver]:
    """LangGraph's own SQLite saver, ready to use. ``path`` may be the chat database's file; one of its own keeps
    the writers of the two out of each other's way.

    A checkpoint may hold plain data, messages and objects of ``types`` and of this module's; anything else
    comes back as the plain data it was made of, because a checkpoint must not be able to name code to run.
    Raises SensoriumError for a file that can't be opened.
    """
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    allowed = [(type_.__module__, type_.__name__) for type_ in (*_TYPES, *types)]
    await asyncio.to_thread(prepare_file, path)
    async with aiosqlite.connect(path, timeout=BUSY_SECONDS) as connection:
        await connection.execute("PRAGMA synchronous = NORMAL")
        saver = AsyncSqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=allowed))
        try:
            await saver.setup()
        except sqlite3.Error as error:
            raise SensoriumError(
                f"The checkpoints in {path} can't be opened: {error}.", fix="Check the path and its permissions."
            ) from error
        yield saver
