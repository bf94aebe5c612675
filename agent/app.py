"""The composition root: the one place where everything is built and wired."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import AsyncFileLock

from agent.agent import Agent, Parts
from agent.settings import Settings, load_settings
from engines.audio.voices import offered, styles
from engines.catalog import Catalog
from engines.controller import ModelController
from engines.image.coco import COCO_LABELS
from engines.media import Limits, probe
from engines.readiness import Shelf
from engines.text.chat import ChatModels
from engines.text.languages import language_name
from engines.weights import WeightStore
from graphs.orchestrator import build_graph
from graphs.planner import Planner
from graphs.schema import Choices
from memory.artifacts import ArtifactStore
from memory.chats import Chats
from memory.checkpoints import open_checkpointer
from memory.database import Database
from memory.event_log import EventLog
from memory.previews import Previews
from tools.call import Workshop
from tools.offered import offered_tools
from tools.registry import Outcome as ToolOutcome
from tools.registry import Registry
from tools.spec import ToolSpec

__all__ = ["App", "ToolOutcome", "ToolSpec", "offered_tools", "open_app"]

OWNER = "local"
"""The one user of a machine that serves itself only."""


@dataclass(frozen=True)
class App:
    """Everything a front needs."""

    settings: Settings
    catalog: Catalog
    weights: WeightStore
    controller: ModelController
    chat_models: ChatModels
    chats: Chats
    artifacts: ArtifactStore
    previews: Previews
    tools: Registry
    agent: Agent


@asynccontextmanager
async def open_app(settings: Settings | None = None) -> AsyncIterator[App]:
    """Build everything, and take it down in reverse order. Raises SensoriumError when the home can't be used."""
    settings = settings or load_settings()
    _set_thread_policy()
    async with AsyncExitStack() as stack:
        catalog = Catalog.load(*settings.catalog_files)
        weights = WeightStore(settings.models_dir)
        controller = ModelController(
            catalog,
            weights,
            budget_mb=settings.memory_budget_mb,
            idle_seconds=settings.idle_seconds,
            threads=settings.threads,
            device=settings.device,
            settings=settings.for_models,
            cache=settings.cache_dir,
        )
        stack.push_async_callback(controller.close)
        database = await Database.open(settings.database_url)
        stack.push_async_callback(database.close)
        checkpointer = await stack.enter_async_context(open_checkpointer(settings.home / "checkpoints.db"))
        chats = Chats(database, OWNER)
        await chats.mark_interrupted()
        limits = Limits(
            max_pixels=settings.max_pixels,
            max_audio_seconds=settings.max_audio_seconds,
            max_bytes=settings.max_upload_mb * 1_000_000,
        )
        artifacts = ArtifactStore(
            database,
            settings.home / "artifacts",
            OWNER,
            probe=lambda path, name: probe(path, limits=limits, name=name),
            max_bytes=limits.max_bytes,
        )
        chat_models = ChatModels(
            catalog,
            controller,
            ollama_url=settings.ollama_url,
            openai_url=settings.openai_url or "",
            openai_key=settings.openai_key,
            timeout_seconds=settings.chat_timeout_seconds,
        )
        previews = Previews(settings.cache_dir / "previews")
        previews.sweep()
        workshop = Workshop(controller, artifacts, limits, previews, settings.home)
        specs = offered_tools()
        tools = Registry(specs, workshop, timeout_seconds=settings.tool_timeout_seconds)
        agent = Agent(
            Parts(
                owner=OWNER,
                chats=chats,
                log=EventLog(database, OWNER),
                artifacts=artifacts,
                chat_models=chat_models,
                planner=Planner(specs, _choices(catalog, controller.shelf)),
                tools=tools,
                graph=build_graph(checkpointer),
                forget=checkpointer.adelete_thread,
                turn_lock=partial(_turn_lock, settings.home / "locks"),
                max_message_chars=settings.max_message_chars,
                default_model=settings.model,
            )
        )
        stack.push_async_callback(agent.close)
        yield App(settings, catalog, weights, controller, chat_models, chats, artifacts, previews, tools, agent)


def _turn_lock(folder: Path, thread_id: str) -> AsyncFileLock:
    """The system frees it when a process dies, however it dies."""
    folder.mkdir(parents=True, exist_ok=True)
    return AsyncFileLock(folder / f"{thread_id}.lock", poll_interval=0.2)


def _choices(catalog: Catalog, shelf: Shelf) -> Choices:
    """What the engines behind the tools offer, in words a planner can copy."""
    ready = shelf.ready("translation")
    translators = [entry for entry in catalog.of("translation") if entry.embedded or entry in ready]
    targets = (entry.languages or [pair.partition("-")[2] for pair in entry.pairs] for entry in reversed(translators))
    codes = dict.fromkeys(code for some in targets for code in some)  # the embedded one's first: prompts stay cached
    return {
        "translation-languages": [language_name(code) for code in codes],
        "object-labels": COCO_LABELS,
        "voice-styles": styles(offer for offer in offered(shelf) if offer.is_ready or offer.entry.embedded),
    }


def _set_thread_policy() -> None:
    """Waiting OpenMP threads must sleep: spinning, they take the cores from whoever has work."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
