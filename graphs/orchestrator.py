"""The graph of a turn: ingest -> plan -> act (waves of parallel steps) -> respond.

Nodes get the turn's state and a `TurnContext`; they report through ``context.emit``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from engines.errors import ContextOverflowError, EngineError, SensoriumError
from graphs.consent import grants
from graphs.context import before, response_messages
from graphs.offers import offers_of_turn, remember, resolve
from graphs.plan import Offer, Plan, StepResult, references
from graphs.planner import Request
from graphs.state import Turn, TurnContext
from graphs.verbatim import verbatim
from memory.events import MessageDelta, PlanMade, PlannedStep, ToolFailed

logger = logging.getLogger(__name__)

#: Below this share of what is usually shown, a message is said to be too long.
SMALLEST_SHARE = 1 / 16

Graph = CompiledStateGraph[Turn, TurnContext, Turn, Turn]


class SkippedError(SensoriumError):
    """A step could not run, because one that it needs failed."""

    code = "skipped"

    def __init__(self, needed: str) -> None:
        super().__init__(f"Skipped, because {needed} failed.")


class Task(TypedDict):
    """A step that is ready: its references are resolved."""

    run_id: str
    step: dict[str, Any]
    offers: list[dict[str, Any]]
    results: dict[str, StepResult]
    granted: bool
    """Whether the message grants what needs a person's leave."""


def build_graph(checkpointer: BaseCheckpointSaver[str]) -> Graph:
    """The compiled graph. Give it a ``thread_id`` in the config and a `TurnContext` as context."""
    graph = StateGraph(Turn, context_schema=TurnContext)
    graph.add_node("ingest", ingest)
    graph.add_node("plan", plan)
    graph.add_node("gather", gather)
    graph.add_node("act", act)  # type: ignore[arg-type]  # takes a Task through Send, not the whole Turn
    graph.add_node("respond", respond)
    graph.add_edge(START, "ingest")
    graph.add_edge("ingest", "plan")
    graph.add_edge("plan", "gather")
    graph.add_conditional_edges("gather", next_wave, ["act", "respond"])
    graph.add_edge("act", "gather")
    graph.add_edge("respond", END)
    return graph.compile(checkpointer=checkpointer)


async def ingest(state: Turn) -> dict[str, Any]:
    """Put the message into the conversation and say what the turn may use. What an interrupted turn left is dropped."""
    messages = state.get("messages", [])
    dangling = [RemoveMessage(id=m.id) for m in messages[-1:] if isinstance(m, HumanMessage) and m.id]
    names = [ref["name"] for ref in state["attachments"]]
    asked = HumanMessage(state["message"], id=state["run_id"], additional_kwargs={"files": names})
    return {
        "messages": [*dangling, asked],
        "offers": offers_of_turn(state["message"], state["attachments"], state.get("known", [])),
        "plan": Plan().model_dump(),
        "results": None,
        "usage": {},
        "answer": "",
    }


async def plan(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Decide which tools to call."""
    context = runtime.context
    started = time.monotonic()
    offers = [Offer(**offer) for offer in state["offers"]]
    request = Request(state["message"], offers, before(state["messages"][:-1]))
    made, usage = await context.planner.plan(request, context.chat)
    seconds = round(time.monotonic() - started, 3)
    context.emit(PlanMade(steps=made.steps, edges=made.edges, seconds=seconds, notes=made.notes))
    return {"plan": made.model_dump(), "usage": usage.model_dump()}


async def gather(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Steps that wait for one that failed can't run: say so."""
    del runtime
    results = dict(state.get("results", {}))
    skipped: dict[str, StepResult] = {}
    for step in Plan(**state["plan"]).steps:
        failed = [name for name in references(step) if name in results and results[name]["error"]]
        if step.id not in results and failed:
            results[step.id] = skipped[step.id] = _failure(step.tool, SkippedError(failed[0]))
    return {"results": skipped}


def next_wave(state: Turn) -> list[Send] | Literal["respond"]:
    """Every step whose inputs are there, side by side; when none is left, the answer."""
    results = state.get("results", {})
    ready = [
        step
        for step in Plan(**state["plan"]).steps
        if step.id not in results and all(name in results for name in references(step))
    ]
    if not ready:
        return "respond"
    return [Send("act", _task(step, state)) for step in ready]


async def act(task: Task, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Run one step. What goes wrong is a result too: the other steps go on."""
    context = runtime.context
    step = PlannedStep(**task["step"])
    call_id = f"{task['run_id']}:{step.id}"
    offers = [Offer(**offer) for offer in task["offers"]]
    try:
        args = await resolve(step, offers, task["results"], context.tools.get, context.read_text)
        args |= dict.fromkeys(context.tools.get(step.tool).permissions, task["granted"])
        outcome = await context.tools.run(step.tool, args, call_id=call_id, emit=context.emit)
    except SensoriumError as error:
        return _failed(step, call_id, error, context)
    except Exception:  # a tool that breaks must not take the others with it; the log has the trace
        logger.exception("tool %s broke", step.tool)
        broken = EngineError(f"{step.tool} broke inside.", fix="The log says what; report it.")
        return _failed(step, call_id, broken, context)
    return {
        "results": {
            step.id: StepResult(
                tool=step.tool,
                fields=outcome.result.model_dump(mode="json"),
                summary=outcome.result.summary(),
                artifacts=[artifact.model_dump() for artifact in outcome.artifacts],
                receipts=[receipt.model_dump() for receipt in outcome.receipts],
                error="",
                error_fix="",
                error_code="",
            )
        }
    }


def _failed(step: PlannedStep, call_id: str, error: SensoriumError, context: TurnContext) -> dict[str, Any]:
    context.emit(ToolFailed(call_id=call_id, tool=step.tool, code=error.code, message=str(error)))
    return {"results": {step.id: _failure(step.tool, error)}}


async def respond(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Stream the answer, and keep what later turns may refer to."""
    context = runtime.context
    results = [state.get("results", {})[step.id] for step in Plan(**state["plan"]).steps]
    usage = dict(state.get("usage", {}))
    if results and all(result["error"] for result in results):
        answer = f"That did not work. {results[0]['error']}"
    elif answer := verbatim(state["message"], Plan(**state["plan"]), state.get("results", {}), context.tools.get):
        context.emit(MessageDelta(text=answer))
    else:
        files = [ref for ref in state["attachments"] if ref["kind"] == "text"]
        texts = {ref["name"]: await context.read_text(ref["id"]) for ref in files}
        answer = await _answer(state["messages"], results, texts, context, usage)
    facts = [result["summary"] for result in results if not result["error"]]
    return {
        "messages": [AIMessage(answer, additional_kwargs={"facts": facts})],
        "known": remember(state["attachments"], results, answer, state.get("known", []), context.tools.get),
        "usage": usage,
        "answer": answer,
    }


async def _answer(
    messages: Sequence[AnyMessage],
    results: Sequence[StepResult],
    texts: Mapping[str, str],
    context: TurnContext,
    usage: dict[str, int],
) -> str:
    """The answer; what is too long for the model's window is shown to it in ever smaller part."""
    share = 1.0
    while True:
        try:
            return await _stream_answer(response_messages(messages, results, texts, share=share), context, usage)
        except ContextOverflowError:  # raised before the first token
            share /= 2
            if share < SMALLEST_SHARE:
                raise


async def _stream_answer(messages: Sequence[BaseMessage], context: TurnContext, usage: dict[str, int]) -> str:
    """Tokens as they come; ``usage`` is added to."""
    pieces: list[str] = []
    async for chunk in context.chat.bind(shared=1).astream(messages):  # the system prompt
        if text := str(chunk.text):
            pieces.append(text)
            context.emit(MessageDelta(text=text))
        counts = chunk.usage_metadata if isinstance(chunk, AIMessageChunk) else None
        if counts:
            usage["prompt_tokens"] = usage.get("prompt_tokens", 0) + counts["input_tokens"]
            usage["completion_tokens"] = usage.get("completion_tokens", 0) + counts["output_tokens"]
    return "".join(pieces).strip()


def _task(step: PlannedStep, state: Turn) -> Task:
    """Only what the step needs: a checkpoint holds it until the step is done."""
    results = state.get("results", {})
    return Task(
        run_id=state["run_id"],
        step=step.model_dump(),
        offers=[offer for offer in state["offers"] if offer["name"] in step.args.values()],
        results={name: results[name] for name in references(step)},
        granted=grants(state["message"]),
    )


def _failure(tool: str, error: SensoriumError) -> StepResult:
    return StepResult(
        tool=tool,
        fields={},
        summary=error.message,
        artifacts=[],
        receipts=[],
        error=error.message,
        error_fix=error.fix,
        error_code=error.code,
    )
