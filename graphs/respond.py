"""The node that answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage
from langgraph.runtime import Runtime

from engines.errors import ContextOverflowError
from graphs.compact import compact
from graphs.context import response_messages
from graphs.offers import remember
from graphs.options import TurnOptions
from graphs.plan import Plan, StepResult, came_to_nothing, failure
from graphs.reflect import SkippedError
from graphs.shown_pictures import with_pictures
from graphs.state import Turn, TurnContext
from graphs.telling import Telling
from graphs.tone import tone_line
from graphs.verbatim import verbatim

#: Below this share of what is usually shown, a message is said to be too long.
SMALLEST_SHARE = 1 / 16


async def respond(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Stream the answer, translated and read aloud where that is wanted, and keep what later turns may refer to."""
    context = runtime.context
    usage = dict(state.get("usage", {}))
    plan = Plan(**state["plan"])
    by_step = _results(plan, state)
    results = [by_step[step.id] for step in plan.steps]
    end: dict[str, Any] = {"usage": usage}
    if came_to_nothing(results):
        end["answer"] = f"That did not work. {results[0]['error']}"
    else:
        end |= await _told(state, by_step, context, usage)
    facts = [compact(result) for result in results if not result["error"]]
    known = state.get("known", [])
    return {
        **end,
        "messages": [AIMessage(end["answer"], id=f"{state['run_id']}:answer", additional_kwargs={"facts": facts})],
        "known": remember(state["attachments"], results, end["answer"], known, context.tools.get),
    }


def _results(plan: Plan, state: Turn) -> dict[str, StepResult]:
    """Of every step of the plan, also of one that never ran."""
    not_run = {step.id: failure(step.tool, SkippedError("the turn", "ended before it")) for step in plan.steps}
    return {**not_run, **state.get("results", {})}


async def _told(
    state: Turn, by_step: Mapping[str, StepResult], context: TurnContext, usage: dict[str, int]
) -> dict[str, Any]:
    """The answer, its sound, and what is to be said of both; ``usage`` is added to."""
    options = TurnOptions(**state.get("options", {}))
    plan = Plan(**state["plan"])
    results = [by_step[step.id] for step in plan.steps]
    as_it_is = plan.question or verbatim(state["message"], plan, by_step, context.tools.get)
    left_out = list(state.get("left_out", []))
    async with Telling(
        context.tools,
        state["run_id"],
        context.emit,
        into=None if as_it_is else options.reply_language,  # a translation that was asked for stays as it is
        speak=options.speak,
        language=None if as_it_is else state.get("noted", {}).get("language"),
    ) as telling:
        if as_it_is:
            telling.tell(as_it_is)
        else:
            left_out += await _answer(state, results, context, telling, usage)
        answer = await telling.finish()
    receipts = [receipt.model_dump() for receipt in telling.receipts]
    return {
        "answer": answer,
        "spoken": [telling.spoken.model_dump()] if telling.spoken else [],
        "receipts": [*state.get("receipts", []), *receipts],
        "left_out": [*left_out, *telling.left_out],
    }


async def _answer(
    state: Turn, results: Sequence[StepResult], context: TurnContext, telling: Telling, usage: dict[str, int]
) -> list[str]:
    """Tell the answer; returns what the model was not shown. What is too long for its window is shown to it in ever
    smaller part.
    """
    files = [ref for ref in state["attachments"] if ref["kind"] == "text"]
    texts = {ref["name"]: await context.read_text(ref["id"]) for ref in files}
    facts = context.facts() if context.facts else None
    share = 1.0
    while True:
        shown = response_messages(
            state["messages"],
            results,
            texts,
            summary=state.get("summary", ""),
            memories=state.get("recalled", []),
            window=context.window(),
            share=share,
        )
        cut = _cut_short(len(state["messages"]), shown, texts)
        if facts and facts.vision:
            call = context.tools.helper("look", call_id=f"{state['run_id']}:look", emit=context.emit)
            shown = await with_pictures(shown, state["attachments"], call)
        try:
            await _stream(_in_tone(shown, state), context, telling, usage)
        except ContextOverflowError:  # raised before the first token
            share /= 2
            if share < SMALLEST_SHARE:
                raise
        else:
            return cut


def _in_tone(messages: list[BaseMessage], state: Turn) -> list[BaseMessage]:
    """With a line on the user's mood, where the user wants that."""
    line = tone_line(state.get("noted", {})) if state.get("options", {}).get("tone") else ""
    if not line:
        return messages
    return [SystemMessage(f"{messages[0].text}\n- {line}"), *messages[1:]]


def _cut_short(said: int, shown: Sequence[BaseMessage], texts: Mapping[str, str]) -> list[str]:
    """What the model is not shown, a sentence each. ``said``: how many messages the conversation has."""
    asked = str(shown[-1].text)
    cut = [f"Of {name}, only a part was read." for name, text in texts.items() if text not in asked]
    if missing := said - (len(shown) - 1):
        cut.append(f"The conversation's first {missing} messages were not shown to the model.")
    return cut


async def _stream(
    messages: Sequence[BaseMessage], context: TurnContext, telling: Telling, usage: dict[str, int]
) -> None:
    """Tokens as they come; ``usage`` is added to."""
    async for chunk in context.chat.bind(shared=1).astream(messages):  # the system prompt
        if text := str(chunk.text):
            telling.tell(text)
        counts = chunk.usage_metadata if isinstance(chunk, AIMessageChunk) else None
        if counts:
            usage["prompt_tokens"] = usage.get("prompt_tokens", 0) + counts["input_tokens"]
            usage["completion_tokens"] = usage.get("completion_tokens", 0) + counts["output_tokens"]
