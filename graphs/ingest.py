"""The node that begins a turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from langchain_core.messages import HumanMessage, RemoveMessage
from langgraph.runtime import Runtime

from graphs.hearing import voice_of, write_down
from graphs.noting import note
from graphs.offers import offers_of_turn
from graphs.plan import Offer, Plan
from graphs.state import Turn, TurnContext
from memory.artifact_types import ArtifactRef
from memory.events import MessageHeard
from tools.call import ToolCall


async def ingest(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Write a voice message down, note the message's language and mood, put it into the conversation, and say what the
    turn may use. What an interrupted turn left is dropped.

    Raises InputError for a voice message without words.
    """
    context = runtime.context
    call = context.tools.helper("hear", call_id=f"{state['run_id']}:hear", emit=context.emit)
    message, spoken_in = state["message"], None
    options = dict(state.get("options", {}))
    voice = voice_of(message, state["attachments"], options.get("voice"))
    if voice is not None:
        message, spoken_in = await _heard(call, message, voice, context)
        options["voice"] = voice["id"]
    receipts = [receipt.model_dump() for receipt in call.receipts]
    noted = await note(call, message, spoken_in)
    messages = state.get("messages", [])
    dangling = [RemoveMessage(id=m.id) for m in messages[-1:] if isinstance(m, HumanMessage) and m.id]
    files = [ref for ref in state["attachments"] if voice is None or ref["id"] != voice["id"]]
    names = [ref["name"] for ref in files]
    # The recording has had its say: a plan may name it (whose voice is it?), but need not use it.
    known = ([asdict(_as_earlier(voice))] if voice else []) + state.get("known", [])
    asked = HumanMessage(message, id=state["run_id"], additional_kwargs={"files": names})
    return {
        "message": message,
        "options": options,
        "noted": noted,
        "messages": [*dangling, asked],
        "offers": offers_of_turn(message, files, known),
        "plan": Plan().model_dump(),
        "approved": [],
        "again": [],
        "looked_at": [],
        "replans": 0,
        "results": None,
        "usage": {},
        "answer": "",
        "spoken": [],
        "receipts": receipts,
        "left_out": [],
    }


async def _heard(call: ToolCall, written: str, voice: Mapping[str, Any], context: TurnContext) -> tuple[str, str]:
    """The message, what was written before what was said, and the language that was spoken."""
    transcript = await write_down(call, voice)
    said = transcript.text.strip()
    message = f"{written.strip()}\n\n{said}" if written.strip() else said
    if context.heard is not None:
        await context.heard(message)
    context.emit(
        MessageHeard(message=message, transcript=said, language=transcript.language, artifact=ArtifactRef(**voice))
    )
    return message, transcript.language


def _as_earlier(voice: Mapping[str, Any]) -> Offer:
    return Offer(voice["name"].lstrip("$@") or "voice", "audio", voice["id"], earlier=True, is_file=True)
