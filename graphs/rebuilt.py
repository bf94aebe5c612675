"""What the graph would know of turns that are over, put together from their logs: for where no checkpoint tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from graphs.act import finished_calls
from graphs.compact import compact
from graphs.offers import remember
from graphs.state import Turn
from memory.events import Event, MessageHeard, RunFinished, RunStarted
from tools.spec import ToolSpec

#: The types of events that are looked at.
TOLD_BY = ("run.started", "message.heard", "tool.started", "tool.artifact", "tool.finished", "run.finished")


def rebuilt(events: Iterable[Event], tools: Iterable[ToolSpec]) -> Turn:
    """The part of the state that outlives a turn, after the runs whose events these are, in order.

    Turns without an answer are left out, as the next turn leaves them out. What the user said about approvals for the
    rest of the conversation is not known, and nothing is summarised yet.
    """
    specs = {spec.name: spec for spec in tools}
    state = Turn(messages=[], known=[])
    for _, of_run in groupby(events, key=lambda event: event.run_id):
        _add(state, list(of_run), specs.__getitem__, specs.keys())
    return state


def _add(state: Turn, events: Sequence[Event], spec_of: Callable[[str], ToolSpec], offered: Iterable[str]) -> None:
    bodies = [event.body for event in events]
    began = next((body for body in bodies if isinstance(body, RunStarted)), None)
    ended = next((body for body in bodies if isinstance(body, RunFinished)), None)
    if began is None or ended is None:
        return
    heard = next((body for body in bodies if isinstance(body, MessageHeard)), None)
    files = [ref.name for ref in began.attachments if heard is None or ref.id != heard.artifact.id]
    results = [result for result in finished_calls(events).values() if result["tool"] in offered]
    run_id, message = events[0].run_id, heard.message if heard else began.message
    said: list[AnyMessage] = [
        HumanMessage(message, id=run_id, additional_kwargs={"files": files}),
        AIMessage(
            ended.answer, id=f"{run_id}:answer", additional_kwargs={"facts": [compact(each) for each in results]}
        ),
    ]
    state["messages"] = [*state["messages"], *said]
    attachments = [ref.model_dump() for ref in began.attachments]
    state["known"] = remember(attachments, results, ended.answer, state["known"], spec_of)
