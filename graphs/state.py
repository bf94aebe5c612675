"""What a turn carries from node to node, and what a checkpoint keeps: text, ids and small facts, never media."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

from graphs.plan import StepResult
from graphs.planner import Planner
from memory.artifact_types import ArtifactRef
from memory.events import EventBody
from tools.registry import Registry


def merge_results(old: Mapping[str, StepResult], new: Mapping[str, StepResult] | None) -> dict[str, StepResult]:
    """Parallel steps add their own; None starts a new turn."""
    return {} if new is None else {**old, **new}


class Turn(TypedDict, total=False):
    """The graph's state. ``messages`` and ``known`` outlive the turn; the rest is reset by ``ingest``."""

    messages: Annotated[list[AnyMessage], add_messages]
    known: list[dict[str, Any]]
    """Offers from earlier turns (see `graphs.plan.Offer`), newest first."""
    run_id: str
    message: str
    attachments: list[dict[str, Any]]
    offers: list[dict[str, Any]]
    plan: dict[str, Any]
    results: Annotated[dict[str, StepResult], merge_results]
    usage: dict[str, int]
    answer: str


@dataclass(frozen=True)
class TurnContext:
    """What nodes work with in one run. It is handed in anew each time and never stored."""

    chat: BaseChatModel
    planner: Planner
    tools: Registry
    emit: Callable[[EventBody], None]
    read_text: Callable[[str], Awaitable[str]]
    """The text of an artifact of kind text, by id."""


def new_turn(run_id: str, message: str, attachments: list[ArtifactRef]) -> Turn:
    """The graph's input."""
    return Turn(run_id=run_id, message=message, attachments=[ref.model_dump() for ref in attachments])
