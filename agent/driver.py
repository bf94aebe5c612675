"""Works on a run from its first step, or from where it was left, until how it ended is stored and told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from langgraph.types import Command

from agent.before import earlier_of, preset_for
from agent.parts import Parts
from agent.receipts import left_out, receipts
from agent.routed_chat import RoutedChat
from agent.routing import Route
from agent.runs import LiveRun
from engines.errors import ConflictError, MediaError, NotFoundError, SensoriumError
from engines.progress import to_the_end
from graphs.act import finished_calls
from graphs.budget import DEFAULT_WINDOW
from graphs.options import options_of
from graphs.plan import StepResult, came_to_nothing
from graphs.state import TurnContext, new_turn
from memory.artifact_types import ArtifactRef
from memory.chat_types import EndStatus, RunInfo
from memory.checkpoints import checkpoint_thread
from memory.events import (
    ApprovalRequired,
    ModelLoading,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
    Usage,
)

logger = logging.getLogger(__name__)


class Driver:
    """Takes runs through the graph, and stores and tells how each ended."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # One turn of a conversation at a time: the next one builds on its messages. A lock lives while a turn has it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def drive(self, live: LiveRun, info: RunInfo, refs: list[ArtifactRef], answers: Any = None) -> None:
        """Work on a run until it ends, and store how it ended."""
        started = time.monotonic()
        route = self._parts.switcher.route(
            info.model,
            pinned=options_of(live.first).pinned,
            emit=live.emit,
            on_loading=lambda progress: live.emit(ModelLoading.of(progress)),
        )
        try:
            async with self._turns.setdefault(live.thread_id, asyncio.Lock()), self._parts.turn_lock(live.thread_id):
                await self._check_there(info)
                await self._go_past_what_waits(info)
                state = await self._work(live, info, refs, route, answers)
                if asked := state.get("__interrupt__"):
                    question = ApprovalRequired(**asked[0].value)
                    await to_the_end(live.hold(question, lambda: self._parts.chats.pause_run(info.id)))
                    return
            await self._finish(live, state, route, time.monotonic() - started)
        except asyncio.CancelledError:
            if live.is_interrupted and not live.is_over:
                await self._interrupt(live)
            elif not live.is_over:
                await self._end(live, RunCancelled(), "cancelled", live.text or None)
        except SensoriumError as error:
            await self._fail(live, RunFailed(code=error.code, message=error.message, fix=error.fix))
        except Exception:  # the run's end must be told whatever broke; the log has the trace
            logger.exception("run %s broke", info.id)
            broken = RunFailed(code="internal", message="Something broke inside.", fix="The log says what; report it.")
            await self._fail(live, broken)
        finally:
            await self._tidy(live.thread_id)

    async def _tidy(self, thread_id: str) -> None:
        """After everybody has been told that the turn is over."""
        try:
            await self._parts.tidy(checkpoint_thread(self._parts.owner, thread_id))
        except Exception:  # the next turn's end tries again; the turn itself is well and kept
            logger.exception("the checkpoints of %s could not be tidied up", thread_id)

    async def _check_there(self, info: RunInfo) -> None:
        """Before anything is written of a conversation that was deleted while the run waited for its turn."""
        try:
            await self._parts.chats.run(info.id)
        except NotFoundError as error:
            raise ConflictError("The conversation has been deleted meanwhile.", fix="Begin another.") from error

    async def _go_past_what_waits(self, info: RunInfo) -> None:
        """The conversation goes on with this run: what was asked before and never answered is asked no more."""
        for other in await self._parts.chats.waiting(info.thread_id):
            if other.id != info.id:
                await self.cancel_waiting(other.id, "the conversation went on without an answer")

    async def cancel_waiting(self, run_id: str, reason: str) -> bool:
        """End a run that waits for its user. False: another process has it."""
        try:
            info = await self._parts.chats.resume_run(run_id)
        except ConflictError:
            return False
        live = LiveRun(run_id, info.thread_id, self._parts.log, await self._parts.log.read_all(run_id))
        await self._end(live, RunCancelled(reason=reason), "cancelled", live.text or None)
        return True

    async def _work(
        self, live: LiveRun, info: RunInfo, refs: list[ArtifactRef], route: Route, answers: Any
    ) -> dict[str, Any]:
        parts = self._parts
        options = options_of(live.first)
        context = TurnContext(
            chat=RoutedChat(route=route),
            planner=parts.planner,
            tools=parts.tools,
            emit=live.emit,
            read_text=self._read_text,
            memories=parts.memories,
            unread=parts.unread,
            flush=live.flush,
            policy=await parts.preferences.policies(),
            limits=parts.limits,
            finished=finished_calls(live.logged),
            asked_before=_asked(live),
            earlier=await earlier_of(options, parts),
            preset=await preset_for(options, parts),
            choose=route.choose,
            facts=route.facts,
            familiar=parts.familiar,
            heard=partial(parts.chats.set_message, info.id),
            window=lambda: parts.chat_models.context_tokens(route.model) or DEFAULT_WINDOW,
        )
        config = parts.config(live.thread_id)
        stands = await parts.graph.aget_state(config)
        is_begun = stands.values.get("run_id") == info.id
        if is_begun and (chosen := stands.values.get("model")):
            route.model = chosen  # what the switcher settled on before the run was interrupted
        if is_begun and not stands.next:  # only how it ended was not stored any more
            return stands.values
        given: Any = Command(resume=answers) if answers is not None else None
        if answers is not None and not is_begun:  # another message was sent before the answer, and came first
            raise gone_on()
        if not is_begun:
            given = new_turn(info.id, info.message, refs, options)
        state: dict[str, Any] = await parts.graph.ainvoke(given, config, context=context, durability="sync")
        return state

    async def _read_text(self, artifact_id: str) -> str:
        path = await self._parts.artifacts.path(artifact_id)
        try:
            text = await asyncio.to_thread(path.read_text, "utf-8")
        except UnicodeDecodeError as error:
            raise MediaError("The file is no text in UTF-8.", fix="Save it as UTF-8 and attach it again.") from error
        return text.removeprefix("\ufeff").strip()

    async def _finish(self, live: LiveRun, state: dict[str, Any], route: Route, seconds: float) -> None:
        results: list[StepResult] = list(state.get("results", {}).values())
        if came_to_nothing(results):
            first = results[0]
            await self._fail(
                live,
                RunFailed(code=first["error_code"], message=first["error"], fix=first["error_fix"]),
                state["answer"],
            )
            return
        made = [item for result in results for item in result["artifacts"]]
        artifacts = tuple(ArtifactRef(**item) for item in (*made, *state.get("spoken", [])))
        finished = RunFinished(
            answer=state["answer"],
            artifacts=artifacts,
            receipts=receipts(state, [self._parts.chat_models.describe(model) for model in route.used]),
            left_out=left_out(state),
            usage=Usage(**state["usage"]),
            seconds=round(seconds, 3),
        )
        await self._parts.usage.keep(live.run_id, route.model, **state["usage"], seconds=finished.seconds)
        await self._end(live, finished, "finished", finished.answer, [item.id for item in artifacts])

    async def _interrupt(self, live: LiveRun) -> None:
        body = RunInterrupted(message="The program was closed while it worked on this.", fix="Resume it.")
        error = body.model_dump(exclude={"type"})
        await to_the_end(
            live.hold(body, lambda: self._parts.chats.finish_run(live.run_id, status="interrupted", error=error))
        )

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


def gone_on() -> ConflictError:
    """For a run that another message has overtaken."""
    return ConflictError("The conversation has gone on since.", fix="Send the message again.")


def _asked(live: LiveRun) -> frozenset[str]:
    """Ids of the steps that the user has been asked about."""
    asked = [event.body for event in live.logged if isinstance(event.body, ApprovalRequired)]
    return frozenset(item.step.id for body in asked for item in body.questions)
