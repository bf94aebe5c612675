"""What chat models promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from engines.progress import NEVER, CancelToken
from engines.protocols.engine import Engine

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ChatTurn:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One completion. ``json_schema`` constrains decoding, or ``grammar`` (GBNF) where an engine takes one. ``adapter``
    names weights that the engine adds to its own for this request, by a name of its catalog entry. ``lane`` keeps one
    prompt prefix warm per kind of work ("plan", "respond"), so that the two don't push each other out of the prompt
    cache. ``shared`` is how many of the first messages are the same in every request of the lane: an engine may keep
    what it made of them on disk.
    """

    messages: Sequence[ChatTurn]
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    stop: Sequence[str] = ()
    json_schema: Mapping[str, Any] | None = None
    grammar: str = ""
    adapter: str = ""
    lane: str = "respond"
    shared: int = 0


@dataclass(frozen=True, slots=True)
class ChatReply:
    """``finish_reason`` is ``stop`` or ``length``; token counts are the model's own."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


class Chat(Engine, Protocol):
    capability: ClassVar[str] = "chat"

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together may be this long."""
        ...

    def count_tokens(self, text: str) -> int: ...

    def complete(
        self,
        request: ChatRequest,
        *,
        on_token: Callable[[str], None] | None = None,
        cancel: CancelToken = NEVER,
    ) -> ChatReply:
        """Blocking; ``on_token`` gets each piece of text as it is made. Stops within a token or two of a cancel.

        Raises ContextOverflowError when the prompt does not fit.
        """
        ...
