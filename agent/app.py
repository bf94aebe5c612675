"""The composition root: the one place where everything is built and wired."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import SerializerProtocol

from agent.agent import Agent
from agent.parts import Parts
from agent.policy import policy
from agent.preferences import Preferences
from agent.routing import Switcher, breaker
from agent.servers import Servers
from agent.settings import Settings, load_settings
from agent.timetravel import TimeTravel
from engines.audio.voices import offered, styles
from engines.catalog import Catalog
from engines.controller import ModelController
from engines.errors import InputError
from engines.image.coco import COCO_LABELS
from engines.media import Limits, probe
from engines.openmp import set_waiting_policy
from engines.readiness import Shelf
from engines.text.chat import ChatModels
from engines.text.languages import LANGUAGES, language_code, language_name
from engines.weights import WeightStore
from graphs.approve import Answer
from graphs.keeper import Keeper, KeeperParts
from graphs.options import TurnOptions
from graphs.orchestrator import build_graph, delta_channels
from graphs.parser import ParsedPlans, RequestReader
from graphs.pictures import Familiar, Looker
from graphs.planner import Planner
from graphs.policy import Limits as TurnLimits
from graphs.policy import Policies
from graphs.schema import Choices
from graphs.state import LASTING
from memory.artifacts import ArtifactStore
from memory.blob_cache import BlobCache
from memory.blobs import Blobs
from memory.chats import Chats
from memory.checkpoints import checkpoints_url, open_checkpointer
from memory.database import Database
from memory.erasing import CheckpointsOf, Eraser
from memory.event_log import EventLog
from memory.feedback import Feedback
from memory.forks import Forks
from memory.longterm.embedding import LentEmbedder
from memory.longterm.memories import Memories
from memory.longterm.unread import UnreadTurns
from memory.longterm.vectors import Vectors
from memory.previews import Previews
from memory.pruning import prune
from memory.quotas import Quota
from memory.remote_blobs import open_blobs
from memory.turn_locks import TurnLocks
from memory.usage import UsageLog
from memory.users import Users
from tools.call import Workshop
from tools.offered import offered_tools
from tools.registry import Outcome as ToolOutcome
from tools.registry import Registry
from tools.replay import Replayed, ReplayPlan, Replays
from tools.spec import ToolSpec

__all__ = ["Answer", "App", "ReplayPlan", "Replayed", "ToolOutcome", "ToolSpec", "offered_tools", "open_app"]

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
    replays: Replays
    memories: Memories
    keeper: Keeper
    preferences: Preferences
    feedback: Feedback
    usage: UsageLog
    eraser: Eraser
    agent: Agent
    timetravel: TimeTravel

    async def pick_up(self) -> None:
        """Go on with what the last process left: turns that were not read for memory, and runs that it broke off."""
        self.keeper.resume()
        await self.agent.resume_interrupted()

    def options(
        self,
        *,
        voice: str | None = None,
        speak: bool = False,
        reply_language: str | None = None,
        tone: bool | None = None,
    ) -> TurnOptions:
        """What a turn is asked for; what is left open is as the settings say. Raises InputError for a language that
        nobody knows.
        """
        return TurnOptions(
            voice=voice,
            speak=speak,
            reply_language=language_code(reply_language) if reply_language else None,
            tone=self.settings.heed_mood if tone is None else tone,
        )


@asynccontextmanager
async def open_app(settings: Settings | None = None, *, any_language: bool = False) -> AsyncIterator[App]:
    """Build everything, and take it down in reverse order. Raises SensoriumError when the home can't be used.

    With ``any_language``, plans may translate into every language there is, whether a model here knows it or not.
    """
    settings = settings or load_settings()
    _set_environment()
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
        checkpointer = await stack.enter_async_context(_open_checkpointer(settings))
        locks = TurnLocks(settings.home / "locks")
        chats = Chats(database, OWNER)
        await chats.mark_interrupted()
        users = Users(database)
        await users.ensure(OWNER)
        limits = Limits(
            max_pixels=settings.max_pixels,
            max_audio_seconds=settings.max_audio_seconds,
            max_bytes=settings.max_upload_mb * 1_000_000,
        )
        artifacts = ArtifactStore(
            database,
            _blobs(settings),
            OWNER,
            probe=lambda path, name: probe(path, limits=limits, name=name),
            max_bytes=limits.max_bytes,
            quota=Quota(settings.max_artifacts, settings.max_artifacts_mb * 1_000_000),
        )
        chat_models = ChatModels(
            catalog,
            controller,
            ollama_url=settings.ollama_url,
            openai_url=settings.openai_url or "",
            openai_key=settings.openai_key,
            timeout_seconds=settings.chat_timeout_seconds,
            planning=settings.planning,
        )
        previews = Previews(settings.cache_dir / "previews")
        previews.sweep()
        vectors = Vectors(settings.chroma_url or settings.home / "memory")
        stack.push_async_callback(vectors.close)
        memories = Memories(database, OWNER, vectors, LentEmbedder(controller))
        stack.callback(memories.close)
        workshop = Workshop(controller, artifacts, limits, previews, settings.home, memories)
        specs = _chosen_tools(settings)
        choices = _choices(catalog, controller.shelf, any_language=any_language)
        preferences = Preferences(
            users,
            OWNER,
            tools=specs,
            chat_models=chat_models,
            policies=Policies.of(settings.approval, settings.user_approval.get(OWNER, {}), tools=specs),
            model=settings.model,
        )
        tools = Registry(
            specs,
            workshop,
            timeout_seconds=settings.tool_timeout_seconds,
            check_allowed=preferences.check_allowed,
        )
        log, unread = EventLog(database, OWNER), UnreadTurns(database, OWNER)
        looker = Looker(controller, limits)
        keeper = Keeper(
            KeeperParts(
                memories=memories,
                unread=unread,
                chats=chats,
                log=log,
                artifacts=artifacts,
                tools=tools,
                looker=looker,
                chat_model=chat_models.get,
            )
        )
        stack.push_async_callback(keeper.close)
        graph, usage = build_graph(checkpointer), UsageLog(database, OWNER)
        servers = Servers(chat_models.urls, chat_models.names, **policy()["servers"])
        stack.push_async_callback(servers.close)
        parts = Parts(
            owner=OWNER,
            chats=chats,
            log=log,
            artifacts=artifacts,
            chat_models=chat_models,
            switcher=Switcher(chat_models, controller, servers, breaker(), may_go_far=settings.switch_to_far_servers),
            planner=Planner(
                specs,
                choices,
                guess=ParsedPlans(controller, RequestReader({spec.name: spec for spec in specs}, choices)),
                means=settings.planner,
                sure=settings.planner_sure,
            ),
            tools=tools,
            shelf=controller.shelf,
            graph=graph,
            memories=memories,
            unread=unread,
            keeper=keeper,
            familiar=Familiar(looker, memories, artifacts),
            usage=usage,
            tidy=partial(_tidy, settings, checkpointer.serde, delta_channels(graph)),
            preferences=preferences,
            limits=TurnLimits(
                replans=settings.max_turn_replans,
                steps=settings.max_turn_steps,
                seconds=settings.max_turn_seconds,
                dollars=settings.max_turn_dollars,
            ),
            turn_lock=locks.of,
            max_message_chars=settings.max_message_chars,
        )
        agent = Agent(parts)
        stack.push_async_callback(agent.close)
        yield App(
            settings,
            catalog,
            weights,
            controller,
            chat_models,
            chats,
            artifacts,
            previews,
            tools,
            Replays(tools, workshop),
            memories,
            keeper,
            preferences,
            Feedback(database, OWNER),
            usage,
            Eraser(database, OWNER, artifacts, [CheckpointsOf(checkpointer, OWNER), memories], locks),
            agent,
            TimeTravel(agent, parts, checkpointer, Forks(database, OWNER)),
        )


def _blobs(settings: Settings) -> Blobs:
    cache = BlobCache(
        settings.cache_dir / "artifacts",
        max_bytes=settings.artifacts_cache_mb * 1_000_000,
        in_use_seconds=max(3600, 2 * settings.tool_timeout_seconds),
    )
    return open_blobs(settings.artifacts_url, settings.home / "artifacts", cache, endpoint=settings.artifacts_endpoint)


def _open_checkpointer(settings: Settings) -> AbstractAsyncContextManager[BaseCheckpointSaver[str]]:
    key = settings.checkpoint_key
    return open_checkpointer(settings.database_url, key=key.get_secret_value() if key else None)


async def _tidy(settings: Settings, serde: SerializerProtocol, deltas: frozenset[str], thread: str) -> None:
    """Drop the checkpoints of a conversation that nobody comes back to."""
    if settings.keep_checkpoints == "turns":
        url = checkpoints_url(settings.database_url)
        await asyncio.to_thread(prune, url, thread, serde, deltas=deltas, lasting=LASTING)


def _chosen_tools(settings: Settings) -> tuple[ToolSpec, ...]:
    """Raises InputError for a name that no tool has: a misspelt one must not take a tool away unnoticed."""
    specs = {spec.name: spec for spec in offered_tools()}
    if unknown := sorted(set(settings.tools) - specs.keys()):
        raise InputError(
            f"The setting 'tools' names {', '.join(unknown)}, which {'is' if len(unknown) == 1 else 'are'} no tool.",
            fix="`sensorium tools list` names them.",
        )
    return tuple(spec for name, spec in specs.items() if name in settings.tools or not settings.tools)


def _choices(catalog: Catalog, shelf: Shelf, *, any_language: bool) -> Choices:
    """What the engines behind the tools offer, in words a planner can copy."""
    ready = shelf.ready("translation")
    translators = [entry for entry in catalog.of("translation") if entry.embedded or entry in ready]
    targets = (entry.languages or [pair.partition("-")[2] for pair in entry.pairs] for entry in reversed(translators))
    codes = dict.fromkeys(code for some in targets for code in some)  # the embedded one's first: prompts stay cached
    known = [language.english for language in LANGUAGES] if any_language else [language_name(code) for code in codes]
    return {
        "translation-languages": known,
        "object-labels": COCO_LABELS,
        "voice-styles": styles(offer for offer in offered(shelf) if offer.is_ready or offer.entry.embedded),
    }


def _set_environment() -> None:
    """What libraries read when they are loaded."""
    set_waiting_policy()
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
