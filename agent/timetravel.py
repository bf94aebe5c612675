"""Going back in a conversation: its history, forks that go on from an earlier point, replays, and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from uuid import uuid4

from langgraph.checkpoint.base import BaseCheckpointSaver
from pydantic import BaseModel, ConfigDict

from agent.agent import Agent
from agent.comparing import RunComparison, compare_runs
from agent.history import TOLD_BY, History, checkpoints_of, history_of
from agent.parts import Parts
from engines.errors import ConflictError, InputError, NotFoundError
from graphs.options import TurnOptions, options_of
from graphs.rebuilt import TOLD_BY as REBUILT_BY
from graphs.rebuilt import rebuilt
from graphs.state import Turn
from memory.chat_types import RunInfo, ThreadInfo
from memory.checkpoints import checkpoint_thread
from memory.events import Event, MessageHeard, PlanMade, Receipt, RunFinished, RunStarted
from memory.forks import Forks, check_closed

_LAST_NODE = "condense"
"""A fork's first checkpoint stands where a turn is over."""


class Forked(BaseModel):
    """A new conversation, and the run that was started in it, if there is one."""

    model_config = ConfigDict(frozen=True)

    thread: ThreadInfo
    run: RunInfo | None


class TimeTravel:
    """One owner's. Nothing here changes a conversation that is there: what is new is a conversation of its own."""

    def __init__(self, agent: Agent, parts: Parts, checkpointer: BaseCheckpointSaver[str], forks: Forks) -> None:
        self._agent = agent
        self._parts = parts
        self._checkpointer = checkpointer
        self._forks = forks

    async def history(self, thread_id: str, *, with_all: bool = False) -> History:
        """A conversation run by run; ``with_all``, with the checkpoints of each. Raises NotFoundError."""
        chats = self._parts.chats
        return history_of(
            await chats.thread(thread_id),
            await chats.runs(thread_id),
            await chats.messages(thread_id),
            await self._parts.log.of_thread(thread_id, *TOLD_BY),
            await checkpoints_of(self._checkpointer, checkpoint_thread(self._parts.owner, thread_id)),
            await self._forks.of(thread_id),
            with_all=with_all,
        )

    async def fork(
        self, thread_id: str, *, run_id: str | None = None, message_id: int | None = None, text: str | None = None
    ) -> Forked:
        """A new conversation that holds all that was said before a message; it is named by its run, or by its number.

        A run may be named by the beginning of its id. With a ``text``, that is sent there in the message's place, with
        its attachments; what the run then has to do and the old one did is taken from that. Raises NotFoundError for
        what is not there, InputError for a text that can't be sent, ConflictError while a run before it is open.
        """
        run = await self._target(thread_id, run_id, message_id)
        if text is None:
            return Forked(thread=await self._fork_before(run), run=None)
        log = await self._parts.log.read_all(run.id)
        said = {event.body.artifact.id for event in log if isinstance(event.body, MessageHeard)}
        attachments = [id_ for id_ in run.attachments if id_ not in said]  # the text stands for what was spoken
        options = options_of(log[0].body if log else None).model_copy(
            update={"voice": None, "take_from": run.id, "replay_of": None}
        )
        started = await self._start_in_fork(run, text, attachments, options.model, options)
        return Forked(thread=await self._parts.chats.thread(started.thread_id), run=started)

    async def replay(self, run_id: str) -> RunInfo:
        """The same message in a fork, with the plan, the models and the seeds of then; nothing is taken from the old
        run. Raises NotFoundError for what is not there any more, ConflictError for a run that had no plan, or that is,
        or follows one that is, still open.
        """
        run = await self._parts.chats.run(run_id)
        check_closed([run])
        log = await self._parts.log.read_all(run.id)
        began = next((event.body for event in log if isinstance(event.body, RunStarted)), None)
        if began is None or not any(isinstance(event.body, PlanMade) for event in log):
            raise ConflictError(f"Run {run.id} ended before it had a plan.", fix="Send the message again.")
        options = options_of(began).model_copy(update={"take_from": None, "replay_of": run.id})
        return await self._start_in_fork(run, began.message, run.attachments, _answered_by(run, log), options)

    async def compare(self, a: str, b: str) -> RunComparison:
        """Two runs step by step, as far as they have come. Raises NotFoundError."""
        runs = [await self._parts.chats.run(run_id) for run_id in (a, b)]
        logs = [await self._parts.log.read_all(run.id) for run in runs]
        return await compare_runs((runs[0], logs[0]), (runs[1], logs[1]), self._parts.artifacts)

    async def _target(self, thread_id: str, run_id: str | None, message_id: int | None) -> RunInfo:
        if (run_id is None) == (message_id is None):
            raise InputError("Which message?", fix="Name either its run or its number.")
        runs = await self._parts.chats.runs(thread_id)
        fix = f"See: sensorium history {thread_id}"
        if message_id is not None:
            messages = await self._parts.chats.messages(thread_id)
            found = next((message for message in messages if message.id == message_id), None)
            if found is None:
                raise NotFoundError(f"There is no message {message_id} in conversation {thread_id[:80]!r}.", fix=fix)
            if found.role != "user":
                raise InputError(f"Message {message_id} is an answer.", fix=f"Name what it answers. {fix}")
            run_id = found.run_id
        named = [run for run in runs if run_id and run.id.startswith(run_id)]
        if not named:
            raise NotFoundError(f"There is no run {(run_id or '')[:80]!r} in conversation {thread_id[:80]!r}.", fix=fix)
        if len(named) > 1:
            raise InputError(f"Several runs begin with {run_id!r}.", fix="Write more of the id.")
        return named[0]

    async def _start_in_fork(
        self, run: RunInfo, message: str, attachments: Sequence[str], model: str | None, options: TurnOptions
    ) -> RunInfo:
        # All that can be refused is refused before there is a conversation for it.
        await self._agent.check(message, attachments, model)
        thread = await self._fork_before(run)
        return await self._agent.start(
            message, thread_id=thread.id, attachments=attachments, model=model, options=options, parent_run=run.id
        )

    async def _fork_before(self, run: RunInfo) -> ThreadInfo:
        runs = await self._parts.chats.runs(run.thread_id)
        earlier = runs[: [each.id for each in runs].index(run.id)]
        check_closed(earlier)
        into, copies = uuid4().hex, {each.id: uuid4().hex for each in earlier}
        if earlier:
            # The state comes first: a crash in between leaves a state that nobody sees, not a fork that knows nothing.
            state = await self._state_after(run.thread_id, earlier)
            state["run_id"] = copies[state.get("run_id", earlier[-1].id)]
            await self._parts.graph.aupdate_state(self._parts.config(into), state, as_node=_LAST_NODE)
        return await self._forks.make(run.thread_id, at=run.id, into=into, runs=copies)

    async def _state_after(self, thread_id: str, runs: Sequence[RunInfo]) -> Turn:
        """The newest checkpoint of one of these runs. Of the runs that were copied into it, a fork has only the last
        one's: then the state is put together from the log.
        """
        number = {run.id: index for index, run in enumerate(runs)}
        answered = max((number[run.id] for run in runs if run.status == "finished"), default=-1)
        there = await checkpoints_of(self._checkpointer, checkpoint_thread(self._parts.owner, thread_id))
        newest = next((each for each in there if each.run_id in number and each.source != "input"), None)
        if newest is not None and newest.run_id is not None and number[newest.run_id] >= answered:
            found = await self._parts.graph.aget_state(self._parts.config(thread_id, newest.id))
            return cast("Turn", dict(found.values))
        events = await self._parts.log.of_thread(thread_id, *REBUILT_BY)
        return rebuilt((event for event in events if event.run_id in number), self._parts.tools)


def _answered_by(run: RunInfo, log: Sequence[Event]) -> str:
    """The chat model that worded the answer."""
    ends = [event.body for event in log if isinstance(event.body, RunFinished)]
    chats: list[Receipt] = [receipt for end in ends for receipt in end.receipts if receipt.tool == "chat"]
    return chats[-1].model if chats else run.model
