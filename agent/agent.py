"""The agent: starts runs, lets anyone follow them, cancels them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.driver import Driver, gone_on
from agent.parts import Parts
from agent.routing import Switcher
from agent.runs import LiveRun
from engines.errors import ConflictError, InputError, SensoriumError
from graphs.approve import Answer, check_answers
from graphs.options import TurnOptions, options_of
from graphs.plan import Offer, Plan, Request
from memory.artifact_types import ArtifactRef
from memory.chat_types import OPEN, RunInfo
from memory.events import (
    ApprovalAnswered,
    ApprovalRequired,
    Event,
    RunCancelled,
    RunResumed,
    RunStarted,
)

logger = logging.getLogger(__name__)

#: How often the log is looked at for events of a run that another process works on, in seconds.
POLL_SECONDS = 0.5

#: What was interrupted longer ago is left to its user.
RESUMED_WITHIN = timedelta(hours=24)

#: How often a starting server resumes a run by itself.
MAX_RESUMES = 2


class Agent:
    """One owner's agent. Runs go on until they end, whether or not anybody follows them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._driver = Driver(parts)
        self._live: dict[str, LiveRun] = {}

    @property
    def switcher(self) -> Switcher:
        """Who chooses the chat models, and knows how each has done."""
        return self._parts.switcher

    async def start(
        self,
        message: str,
        *,
        thread_id: str | None = None,
        attachments: Sequence[str] = (),
        model: str | None = None,
        options: TurnOptions | None = None,
        parent_run: str | None = None,
    ) -> RunInfo:
        """Begin a turn and return at once; the user's message is stored by then.

        ``attachments`` are artifact ids; ``parent_run`` is the run that this one repeats or goes on from. A ``model``
        that is named is used; without one, that of the user's preferences or the settings. Where they name none
        either, or with ``auto``, the switcher chooses. Raises InputError for a message that is empty or too long,
        NotFoundError for an unknown attachment or model.
        """
        parts = self._parts
        options = options or TurnOptions()
        attachments = (*attachments, *([options.voice] if options.voice else []))
        refs, pinned = await self.check(message, attachments, model)
        chosen = parts.chat_models.describe(pinned).id
        parts.keeper.pause()
        options = options.model_copy(update={"pinned": pinned is not None, "model": model})
        thread = await (parts.chats.ensure_thread(thread_id) if thread_id else parts.chats.create_thread())
        info = await parts.chats.start_run(
            thread.id, message, [ref.id for ref in refs], model=chosen, parent_run=parent_run
        )
        live = LiveRun(info.id, thread.id, parts.log)
        live.emit(_started(info, refs, options))
        await self._set_going(live, info, refs)
        return info

    async def check(
        self, message: str, attachments: Sequence[str], model: str | None
    ) -> tuple[list[ArtifactRef], str | None]:
        """The attachments, each once, and the chat model if one is named. Raises what `start` would raise, and stores
        nothing.
        """
        self._check_message(message, bool(attachments))
        pinned = await self._parts.preferences.model(model)
        return [await self._parts.artifacts.get(artifact_id) for artifact_id in dict.fromkeys(attachments)], pinned

    async def retry(self, run_id: str, *, model: str | None = None) -> RunInfo:
        """Run an earlier turn's message again, in the same conversation, with the same attachments.

        What was asked for with it is asked for again; with the same model where the message named one, unless another
        is named now.
        """
        info = await self._parts.chats.run(run_id)
        first = next((event.body for event in await self._parts.log.read(run_id, -1, limit=1)), None)
        began = first if isinstance(first, RunStarted) else None
        options = options_of(began).model_copy(update={"take_from": None, "replay_of": None})  # all of it is done again
        return await self.start(
            began.message if began else info.message,  # a voice message is written down again
            thread_id=info.thread_id,
            attachments=info.attachments,
            model=model or options.model,
            options=options,
        )

    async def resume(self, run_id: str) -> RunInfo:
        """Go on with a run that was interrupted, from its last checkpoint: no step that had ended is run again.

        Its id stays the same, and its events are numbered on. Raises ConflictError when the run is not interrupted, or
        when its conversation has gone on without it.
        """
        parts = self._parts
        info = await parts.chats.run(run_id)
        if (await parts.chats.runs(info.thread_id))[-1].id != run_id:
            raise gone_on()
        refs = [await parts.artifacts.get(artifact_id) for artifact_id in info.attachments]
        parts.chat_models.describe(info.model)
        info = await parts.chats.resume_run(run_id, "interrupted")
        return await self._take_up(info, refs, RunResumed())

    async def approve(self, run_id: str, answers: Mapping[str, Answer]) -> RunInfo:
        """Answer what a waiting run asks, and let it go on in this process. ``answers``: step id, or ``*`` for all.

        Raises ConflictError when the run does not wait, InputError for an answer that does not fit: it waits on, then.
        """
        parts = self._parts
        info = await parts.chats.run(run_id)
        if info.status != "waiting":
            raise ConflictError(f"Run {run_id} asks nothing: it is {info.status}.")
        stands = await parts.graph.aget_state(self._parts.config(info.thread_id))
        if stands.values.get("run_id") != run_id or not stands.interrupts:
            raise gone_on()
        taken = check_answers(
            answers,
            ApprovalRequired(**stands.interrupts[0].value).questions,
            Plan(**stands.values["plan"]),
            [Offer(**offer) for offer in stands.values["offers"]],
            {spec.name: spec for spec in parts.tools},
        )
        refs = [await parts.artifacts.get(artifact_id) for artifact_id in info.attachments]
        parts.chat_models.describe(info.model)
        info = await parts.chats.resume_run(run_id)
        said = {step_id: answer["action"] for step_id, answer in taken.items()}
        return await self._take_up(info, refs, ApprovalAnswered(answers=said), taken)

    async def resume_interrupted(self) -> list[RunInfo]:
        """Resume what was interrupted not long ago, for a server that starts again.

        A run that has been resumed `MAX_RESUMES` times is left to its user: it may be what brings the process down.
        """
        resumed: list[RunInfo] = []
        for info in await self._parts.chats.interrupted(datetime.now(UTC) - RESUMED_WITHIN):
            log = await self._parts.log.read_all(info.id)
            if sum(isinstance(event.body, RunResumed) for event in log) >= MAX_RESUMES:
                logger.warning("run %s was interrupted again and again; it waits for its user to resume it", info.id)
                continue
            try:
                resumed.append(await self.resume(info.id))
            except SensoriumError as error:
                logger.warning("run %s can't be resumed: %s", info.id, error)
        return resumed

    async def events(self, run_id: str, *, after: int = -1) -> AsyncIterator[Event]:
        """A run's events with a ``seq`` above ``after``: what the log has, then what comes, up to the last one.

        Of a run that waits for its user, also what comes after the answer. One that was interrupted has no more to
        come, until it is resumed.
        """
        await self._parts.chats.run(run_id)
        has_ended = False
        while True:
            if live := self._live.get(run_id):
                async for event in live.follow(after):
                    yield event
                    after = event.seq
                    if event.is_terminal:
                        return
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

    async def last_seq(self, run_id: str) -> int:
        """The number of a run's newest event; -1: there is none."""
        await self._parts.chats.run(run_id)
        return await self._parts.log.last_seq(run_id)

    async def cancel(self, run_id: str) -> bool:
        """Stop a run. False: it has ended by itself, or another process works on it."""
        info = await self._parts.chats.run(run_id)
        if info.status == "waiting":
            return await self._driver.cancel_waiting(run_id, RunCancelled().reason)
        live = self._live.get(run_id)
        if live is None or live.task is None or live.has_ended:
            return False
        live.task.cancel()
        await asyncio.wait([live.task])
        status = (await self._parts.chats.run(run_id)).status
        if status == "waiting":  # it asked its user just then
            return await self._driver.cancel_waiting(run_id, RunCancelled().reason)
        return status == "cancelled"

    async def plan(self, message: str, offers: Sequence[Offer] = (), *, model: str | None = None) -> Plan:
        """The plan for a message, without running or storing anything. ``offers`` need not exist as files."""
        self._check_message(message, bool(offers))
        chat = self._parts.chat_models.get(await self._parts.preferences.model(model))
        plan, _ = await self._parts.planner.plan(Request(message, offers), chat)
        return plan

    async def state(self, thread_id: str) -> dict[str, Any]:
        """What the graph knows of a conversation now (see `graphs.state.Turn`); empty before its first turn."""
        return dict((await self._parts.graph.aget_state(self._parts.config(thread_id))).values)

    async def close(self) -> None:
        """Interrupt what runs and wait until that is stored: it can be resumed."""
        running = [live for live in self._live.values() if live.task]
        for live in running:
            if live.task and not live.is_over:
                live.is_interrupted = True
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

    async def _take_up(
        self, info: RunInfo, refs: list[ArtifactRef], body: RunResumed | ApprovalAnswered, answers: Any = None
    ) -> RunInfo:
        live = LiveRun(info.id, info.thread_id, self._parts.log, await self._parts.log.read_all(info.id))
        if not live.logged:  # killed before the first event was
            live.emit(_started(info, refs, TurnOptions()))
        live.emit(body)
        await self._set_going(live, info, refs, answers)
        return info

    async def _set_going(self, live: LiveRun, info: RunInfo, refs: list[ArtifactRef], answers: Any = None) -> None:
        self._live[info.id] = live
        live.task = asyncio.create_task(self._work_on(live, info, refs, answers), name=f"run {info.id}")
        await asyncio.sleep(0)  # a task that is cancelled before its first step never gets to store its end

    async def _work_on(self, live: LiveRun, info: RunInfo, refs: list[ArtifactRef], answers: Any) -> None:
        try:
            await self._driver.drive(live, info, refs, answers)
        finally:
            if self._live.get(info.id) is live:  # it may have been taken up again
                del self._live[info.id]
            if not self._live:
                self._parts.keeper.resume()


def _started(info: RunInfo, refs: Sequence[ArtifactRef], options: TurnOptions) -> RunStarted:
    return RunStarted(
        thread_id=info.thread_id,
        message=info.message,
        attachments=tuple(refs),
        model=info.model,
        options=options.model_dump(exclude_defaults=True),
    )
