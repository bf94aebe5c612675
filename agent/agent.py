"""The agent: starts runs, lets anyone follow them, cancels them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig

from agent.runs import LiveRun
from engines.errors import InputError, SensoriumError
from engines.progress import to_the_end
from engines.text.chat import ChatDescription, ChatModels
from graphs.orchestrator import Graph
from graphs.plan import Offer, Plan, StepResult
from graphs.planner import Planner, Request
from graphs.state import TurnContext, new_turn
from memory.artifact_types import ArtifactRef
from memory.artifacts import ArtifactStore
from memory.chats import OPEN, Chats, EndStatus, RunInfo
from memory.checkpoints import checkpoint_thread
from memory.event_log import EventLog
from memory.events import (
    Event,
    ModelLoading,
    Receipt,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    Usage,
)
from tools.registry import Registry

logger = logging.getLogger(__name__)

#: How often the log is looked at for events of a run that another process works on, in seconds.
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Parts:
    """What an agent works with, for one owner. Built in `agent.app`."""

    owner: str
    chats: Chats
    log: EventLog
    artifacts: ArtifactStore
    chat_models: ChatModels
    planner: Planner
    tools: Registry
    graph: Graph
    forget: Callable[[str], Awaitable[None]]
    """Deletes a conversation's checkpoints."""
    turn_lock: Callable[[str], AbstractAsyncContextManager[object]]
    """Keeps other processes out of a conversation while a turn of it runs."""
    max_message_chars: int
    default_model: str | None = None


class Agent:
    """One owner's agent. Runs go on until they end, whether or not anybody follows them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._live: dict[str, LiveRun] = {}
        # One turn of a conversation at a time: the next one builds on its messages. A lock lives while a turn has it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def start(
        self,
        message: str,
        *,
        thread_id: str | None = None,
        attachments: Sequence[str] = (),
        model: str | None = None,
    ) -> RunInfo:
        """Begin a turn and return at once; the user's message is stored by then.

        ``attachments`` are artifact ids. Raises InputError for a message that is empty or too long, NotFoundError for
        an unknown attachment or model, UnavailableError when the chat model is not ready to be used.
        """
        parts = self._parts
        self._check_message(message, bool(attachments))
        refs = [await parts.artifacts.get(artifact_id) for artifact_id in dict.fromkeys(attachments)]
        chosen = parts.chat_models.describe(model or parts.default_model).id
        thread = await (parts.chats.ensure_thread(thread_id) if thread_id else parts.chats.create_thread())
        info = await parts.chats.start_run(thread.id, message, [ref.id for ref in refs], model=chosen)
        live = LiveRun(info.id, thread.id, parts.log)
        live.emit(RunStarted(thread_id=thread.id, message=message, attachments=tuple(refs), model=chosen))
        self._live[info.id] = live
        live.task = asyncio.create_task(self._drive(live, info, refs), name=f"run {info.id}")
        await asyncio.sleep(0)  # a task that is cancelled before its first step never gets to store its end
        return info

    async def retry(self, run_id: str, *, model: str | None = None) -> RunInfo:
        """Run an earlier turn's message again, in the same conversation, with the same attachments.

        With the same model, unless another is named.
        """
        info = await self._parts.chats.run(run_id)
        return await self.start(
            info.message, thread_id=info.thread_id, attachments=info.attachments, model=model or info.model or None
        )

    async def events(self, run_id: str, *, after: int = -1) -> AsyncIterator[Event]:
        """A run's events with a ``seq`` above ``after``: what the log has, then what comes, up to the last one."""
        await self._parts.chats.run(run_id)
        if live := self._live.get(run_id):
            async for event in live.follow(after):
                yield event
            return
        has_ended = False
        while True:
            batch = await self._parts.log.read(run_id, after)
            for event in batch:
                yield event
                after = event.seq
                if event.is_terminal:
                    return
            if batch:
                continue
            if has_ended:
                return
            # The last event may be logged between the look at the log and this one: then the log is read once more.
            has_ended = (await self._parts.chats.run(run_id)).status not in OPEN
            if not has_ended:
                await asyncio.sleep(POLL_SECONDS)

    async def cancel(self, run_id: str) -> bool:
        """Stop a run. False: it has ended by itself, or another process works on it."""
        await self._parts.chats.run(run_id)
        live = self._live.get(run_id)
        if live is None or live.task is None or live.has_ended:
            return False
        live.task.cancel()
        await asyncio.wait([live.task])
        return (await self._parts.chats.run(run_id)).status == "cancelled"

    async def plan(self, message: str, offers: Sequence[Offer] = (), *, model: str | None = None) -> Plan:
        """The plan for a message, without running or storing anything. ``offers`` need not exist as files."""
        self._check_message(message, bool(offers))
        plan, _ = await self._parts.planner.plan(
            Request(message, offers), self._parts.chat_models.get(model or self._parts.default_model)
        )
        return plan

    async def forget(self, thread_id: str) -> None:
        """Drop what the graph keeps of a conversation that was deleted."""
        await self._parts.forget(checkpoint_thread(self._parts.owner, thread_id))

    async def close(self) -> None:
        """Cancel what runs and wait until it is stored."""
        running = [live for live in self._live.values() if live.task]
        for live in running:
            if live.task and not live.has_ended:
                live.task.cancel()
        await asyncio.gather(*(live.task for live in running if live.task), return_exceptions=True)

    def _check_message(self, message: str, has_attachments: bool) -> None:
        limit = self._parts.max_message_chars
        if len(message) > limit:
            raise InputError(
                f"The message is {len(message):,} characters long; the limit is {limit:,}.",
                fix="Shorten it, or raise SENSORIUM_MAX_MESSAGE_CHARS if your chat model's context allows.",
            )
        if not message.strip() and not has_attachments:
            raise InputError("The message is empty.", fix="Write something or attach a file.")

    async def _drive(self, live: LiveRun, info: RunInfo, refs: list[ArtifactRef]) -> None:
        """Work on a run until it ends, and store how it ended."""
        started = time.monotonic()
        try:
            async with self._turns.setdefault(live.thread_id, asyncio.Lock()), self._parts.turn_lock(live.thread_id):
                state = await self._work(live, info, refs)
            await self._finish(live, state, info.model, time.monotonic() - started)
        except asyncio.CancelledError:
            if not live.has_ended:
                await self._end(live, RunCancelled(), "cancelled", live.text or None)
        except SensoriumError as error:
            await self._fail(live, RunFailed(code=error.code, message=error.message, fix=error.fix))
        except Exception:  # the run's end must be told whatever broke; the log has the trace
            logger.exception("run %s broke", info.id)
            broken = RunFailed(code="internal", message="Something broke inside.", fix="The log says what; report it.")
            await self._fail(live, broken)
        finally:
            self._live.pop(info.id, None)

    async def _work(self, live: LiveRun, info: RunInfo, refs: list[ArtifactRef]) -> dict[str, Any]:
        parts = self._parts
        chat: BaseChatModel = parts.chat_models.get(
            info.model, on_loading=lambda progress: live.emit(ModelLoading.of(progress))
        )
        context = TurnContext(
            chat=chat, planner=parts.planner, tools=parts.tools, emit=live.emit, read_text=self._read_text
        )
        config: RunnableConfig = {"configurable": {"thread_id": checkpoint_thread(parts.owner, live.thread_id)}}
        state: dict[str, Any] = await parts.graph.ainvoke(
            new_turn(info.id, info.message, refs), config, context=context, durability="sync"
        )
        return state

    async def _read_text(self, artifact_id: str) -> str:
        path = await self._parts.artifacts.path(artifact_id)
        return (await asyncio.to_thread(path.read_text, "utf-8")).removeprefix("\ufeff").strip()

    async def _finish(self, live: LiveRun, state: dict[str, Any], model: str, seconds: float) -> None:
        results: list[StepResult] = list(state.get("results", {}).values())
        if results and all(result["error"] for result in results):
            first = results[0]
            await self._fail(
                live,
                RunFailed(code=first["error_code"], message=first["error"], fix=first["error_fix"]),
                state["answer"],
            )
            return
        artifacts = tuple(ArtifactRef(**item) for result in results for item in result["artifacts"])
        receipts = tuple(Receipt(**item) for result in results for item in result["receipts"])
        finished = RunFinished(
            answer=state["answer"],
            artifacts=artifacts,
            receipts=(*receipts, _chat_receipt(self._parts.chat_models.describe(model))),
            usage=Usage(**state["usage"]),
            seconds=round(seconds, 3),
        )
        await self._end(live, finished, "finished", finished.answer, [item.id for item in artifacts])

    async def _fail(self, live: LiveRun, failure: RunFailed, answer: str | None = None) -> None:
        await self._end(live, failure, "failed", answer or live.text or None, (), failure.model_dump(exclude={"type"}))

    async def _end(
        self,
        live: LiveRun,
        body: RunFinished | RunFailed | RunCancelled,
        status: EndStatus,
        answer: str | None,
        artifacts: Sequence[str] = (),
        error: dict[str, Any] | None = None,
    ) -> None:
        await to_the_end(
            live.end(
                body,
                lambda: self._parts.chats.finish_run(
                    live.run_id, status=status, answer=answer, artifacts=artifacts, error=error
                ),
            )
        )


def _chat_receipt(model: ChatDescription) -> Receipt:
    return Receipt(tool="chat", model=model.id, title=model.title, licence=model.licence, sha256=model.sha256)
