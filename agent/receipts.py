"""What a finished turn says of itself: which models took part, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engines.text.chat import ChatDescription
from memory.events import Receipt


def receipts(state: Mapping[str, Any], chats: Sequence[ChatDescription]) -> tuple[Receipt, ...]:
    """Of what was heard and spoken, of every step, and of the ``chats`` that answered, in that order."""
    beside = [Receipt(**item) for item in state.get("receipts", [])]
    steps = [Receipt(**item) for result in state.get("results", {}).values() for item in result["receipts"]]
    return (*steps, *_each_once(beside), *(_of_chat(chat) for chat in chats))


def left_out(state: Mapping[str, Any]) -> tuple[str, ...]:
    """What the planner mended or did not use, what failed, and what was shown to a model in part; each once."""
    found = [*state.get("plan", {}).get("notes", ()), *_failures(state), *state.get("left_out", ())]
    return tuple(dict.fromkeys(found))


def _failures(state: Mapping[str, Any]) -> Iterator[str]:
    for result in state.get("results", {}).values():
        if result["error"]:
            why = result["error"].removeprefix("Skipped, because ")
            skipped = result["error_code"] == "skipped"
            yield f"{result['tool']} was skipped, because {why}" if skipped else f"{result['tool']} failed: {why}"


def _each_once(found: Sequence[Receipt]) -> Iterator[Receipt]:
    """A model that spoke clause by clause has one receipt, with the time of all."""
    seen: dict[tuple[str, str], Receipt] = {}
    for receipt in found:
        key = receipt.tool, receipt.model
        before = seen[key].seconds if key in seen else 0.0
        seen[key] = receipt.model_copy(update={"seconds": round(before + receipt.seconds, 3)})
    yield from seen.values()


def _of_chat(model: ChatDescription) -> Receipt:
    return Receipt(
        tool="chat",
        model=model.id,
        title=model.title,
        licence=model.licence,
        sha256=model.sha256,
        quality=model.quality,
        note=model.note,
    )
