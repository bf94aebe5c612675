"""What a turn carries from node to node, and what a checkpoint keeps: text, ids and small facts, never media."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, RemoveMessage
from langgraph.channels import DeltaChannel

from engines.catalog import ChatFacts
from graphs.budget import DEFAULT_WINDOW
from graphs.options import TurnOptions
from graphs.plan import Plan, StepResult
from graphs.planner import Planner
from graphs.policy import Limits, Policies, Policy
from graphs.turn_facts import TurnFacts
from memory.artifact_types import ArtifactRef
from memory.events import EventBody
from memory.longterm.memories import Memories
from memory.longterm.types import MemoryInfo
from memory.longterm.unread import UnreadTurns
from tools.call import Again
from tools.registry import Registry
from tools.spec import ToolSpec


def merge_results(old: Mapping[str, StepResult], new: Mapping[str, StepResult] | None) -> dict[str, StepResult]:
    """Parallel steps add their own; None starts a new turn."""
    return {} if new is None else {**old, **new}


def merge_messages(old: Sequence[AnyMessage], writes: Sequence[Any]) -> list[AnyMessage]:
    """Each write is a message or a list of them; one of the same id is replaced, or removed by a `RemoveMessage`.

    A checkpoint keeps what a step wrote, and they are put together again whenever the state is read: so this gives
    no ids and must not depend on how the writes are grouped.
    """
    merged = {message.id: message for message in old}
    for write in writes:
        for message in write if isinstance(write, list) else [write]:
            if isinstance(message, RemoveMessage):
                merged.pop(message.id, None)
            else:
                merged[message.id] = message
    return list(merged.values())


#: Every so many writes a checkpoint keeps all messages: reading the state never puts more writes together.
MESSAGES_SNAPSHOT = 250


#: Parts of the state that later turns, and forks of them, go on from; a turn sets the others anew.
LASTING = frozenset({"messages", "summary", "known", "remembered", "run_id"})


class Turn(TypedDict, total=False):
    """The graph's state. What outlives the turn is named by `LASTING`."""

    messages: Annotated[list[AnyMessage], DeltaChannel(merge_messages, snapshot_frequency=MESSAGES_SNAPSHOT)]
    summary: str
    """What was said before the oldest of ``messages``; empty: nothing."""
    known: list[dict[str, Any]]
    """Offers from earlier turns (see `graphs.plan.Offer`), newest first."""
    run_id: str
    message: str
    options: dict[str, Any]
    """A `TurnOptions`, as data."""
    noted: dict[str, Any]
    """What was told of the message: ``language`` (ISO 639-1), ``sentiment``, ``score``; what nobody could tell is left
    out."""
    model: str
    """Id of the chat model that was chosen for the turn."""
    attachments: list[dict[str, Any]]
    offers: list[dict[str, Any]]
    recalled: list[str]
    """What memory holds that may matter, a short text each."""
    plan: dict[str, Any]
    approved: list[str]
    """Steps of this turn that the user was asked about and agreed to, by id."""
    remembered: dict[str, str]
    """What the user said for the rest of the conversation: tool -> ``approve`` or ``deny``."""
    again: list[str]
    """Steps that another plan is to go around, by id; empty: there is nothing to plan."""
    looked_at: list[str]
    """Steps whose outcome the planner has seen."""
    replans: int
    results: Annotated[dict[str, StepResult], merge_results]
    usage: dict[str, int]
    answer: str
    spoken: list[dict[str, Any]]
    """The answer's sound, as `ArtifactRef` data: none or one."""
    receipts: list[dict[str, Any]]
    """Of what was done beside the plan's steps: hearing, translating, speaking."""
    left_out: list[str]
    """What was not used or not shown to a model, a sentence each."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of a call that another run had made."""

    run_id: str
    result: StepResult


@dataclass(frozen=True, slots=True)
class Preset:
    """A plan to carry out instead of making one. ``again``: step id -> the models to use, and what is made again."""

    plan: Plan
    again: Mapping[str, Again] = field(default_factory=dict)


@dataclass(frozen=True)
class TurnContext:
    """What nodes work with in one run. It is handed in anew each time and never stored."""

    chat: BaseChatModel
    planner: Planner
    tools: Registry
    emit: Callable[[EventBody], None]
    read_text: Callable[[str], Awaitable[str]]
    """The text of an artifact of kind text, by id."""
    memories: Memories
    unread: UnreadTurns
    flush: Callable[[], Awaitable[None]]
    """Returns when the log holds what was emitted."""
    policy: Callable[[ToolSpec], Policy] = field(default_factory=Policies)
    limits: Limits = field(default_factory=Limits)
    finished: Mapping[str, StepResult] = field(default_factory=dict)
    """Of a run that was interrupted: the calls that had ended well by then, by call id. They are not made again."""
    asked_before: Collection[str] = ()
    """Ids of the steps that the user has been asked about in this run."""
    earlier: Callable[[str, Mapping[str, Any]], Awaitable[Taken | None]] | None = None
    """Given a tool and its arguments: the result of an earlier run to take instead; None: every call is made."""
    preset: Preset | None = None
    """Of a replay."""
    choose: Callable[[TurnFacts], Awaitable[str]] | None = None
    """Settles which chat model ``chat`` is from now on, and returns its id; None: it is settled."""
    facts: Callable[[], ChatFacts] | None = None
    """What the chosen chat model is good for; None: not known."""
    familiar: Callable[[str], Awaitable[Sequence[MemoryInfo]]] | None = None
    """Given a picture's artifact: remembered pictures that look like it; None: nobody can tell."""
    heard: Callable[[str], Awaitable[None]] | None = None
    """Told the message of a turn that was spoken, so that the conversation keeps it."""
    window: Callable[[], int] = lambda: DEFAULT_WINDOW
    """Tokens that the chosen chat model takes, prompt and answer together."""


def new_turn(run_id: str, message: str, attachments: list[ArtifactRef], options: TurnOptions | None = None) -> Turn:
    """The graph's input."""
    return Turn(
        run_id=run_id,
        message=message,
        attachments=[ref.model_dump() for ref in attachments],
        options=(options or TurnOptions()).model_dump(),
    )
