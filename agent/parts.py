"""What an agent works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from agent.preferences import Preferences
from agent.routing import Switcher
from engines.readiness import Shelf
from engines.text.chat import ChatModels
from graphs.keeper import Keeper
from graphs.orchestrator import Graph
from graphs.pictures import Familiar
from graphs.planner import Planner
from graphs.policy import Limits
from memory.artifacts import ArtifactStore
from memory.chats import Chats
from memory.checkpoints import checkpoint_thread
from memory.event_log import EventLog
from memory.longterm.memories import Memories
from memory.longterm.unread import UnreadTurns
from memory.usage import UsageLog
from tools.registry import Registry


@dataclass(frozen=True)
class Parts:
    """What an agent works with, for one owner. Built in `agent.app`."""

    owner: str
    chats: Chats
    log: EventLog
    artifacts: ArtifactStore
    chat_models: ChatModels
    switcher: Switcher
    planner: Planner
    tools: Registry
    shelf: Shelf
    graph: Graph
    memories: Memories
    unread: UnreadTurns
    keeper: Keeper
    familiar: Familiar
    usage: UsageLog
    tidy: Callable[[str], Awaitable[None]]
    """Drops the checkpoints that an ended turn of a conversation leaves and nobody needs."""
    turn_lock: Callable[[str], AbstractAsyncContextManager[object]]
    """Keeps other processes out of a conversation while a turn of it runs."""
    preferences: Preferences
    """Which calls the owner is asked about, and the chat model for turns that name none."""
    limits: Limits
    max_message_chars: int

    def config(self, thread_id: str, checkpoint: str | None = None) -> RunnableConfig:
        """Where the graph keeps its state of a conversation: the newest one, or that checkpoint's."""
        which = {"thread_id": checkpoint_thread(self.owner, thread_id)}
        return {"configurable": which | ({"checkpoint_id": checkpoint} if checkpoint else {})}
