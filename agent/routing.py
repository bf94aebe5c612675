"""From facts to a model at work: what could answer now, who does, and who takes over when that one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from langchain_core.language_models import BaseChatModel

from agent.breaker import Breaker
from agent.need import Need, need_of
from agent.policy import policy
from agent.servers import Servers
from agent.switcher import Candidate, Where, choose
from engines.catalog import ChatFacts, ModelEntry
from engines.controller import LoadProgress, ModelController
from engines.errors import ContextOverflowError, EngineError, NotFoundError, SensoriumError, UnavailableError
from engines.protocols import Chat
from engines.slots import MB, available_bytes
from engines.text.chat import PREFIXES, ChatModels
from engines.text.chat_facts import is_for_chat
from engines.text.remote import Provider, has_model
from graphs.turn_facts import TurnFacts
from memory.events import EventBody, ModelSwitched

#: What makes another model worth a try. A prompt that is too long is shortened instead.
_FAILURES = (UnavailableError, EngineError, NotFoundError)


def is_failure(error: BaseException) -> bool:
    """Whether it is the model's or its server's fault."""
    return isinstance(error, _FAILURES) and not isinstance(error, ContextOverflowError)


class Switcher:
    """Knows every chat model there is and how each has done. One for all runs; use on one event loop."""

    def __init__(
        self,
        models: ChatModels,
        controller: ModelController,
        servers: Servers,
        breaker: Breaker,
        *,
        may_go_far: bool = False,
        available_bytes: Callable[[], int] = available_bytes,
    ) -> None:
        """``may_go_far``: a server on another machine may be taken though nobody named it."""
        self.models = models
        self.breaker = breaker
        self._controller = controller
        self._servers = servers
        self._may_go_far = may_go_far
        self._available_bytes = available_bytes

    def route(
        self,
        model: str,
        *,
        pinned: bool,
        emit: Callable[[EventBody], None],
        on_loading: Callable[[LoadProgress], None] | None = None,
    ) -> Route:
        """The way of one run. It begins at ``model`` and stays there when that is ``pinned``."""
        return Route(self, model, pinned, emit, on_loading)

    async def candidates(self, usual: str) -> list[Candidate]:
        """What could answer now. ``usual``: id of the model to take when nothing speaks for another."""
        served = await self._servers.models()
        here = await asyncio.to_thread(lambda: [entry for entry in self._entries() if self._is_ready(entry)])
        loaded = {status.model: status for status in self._controller.status() if status.state != "loading"}
        found = {entry.id: self._here(entry, usual, entry.id in loaded) for entry in here}
        for provider, names in served.items():
            if not self._servers.is_far(provider) or self._may_go_far:
                found |= {each.id: each for each in self._of_server(provider, names, usual)}
        return list(found.values())

    def failed(self, model: str, error: SensoriumError) -> None:
        """Remember that it failed; of a server that does not answer, remember that too."""
        self.breaker.failed(model)
        if (provider := _provider(model)) and isinstance(error, UnavailableError):
            self._servers.gone(provider)

    def _entries(self) -> Iterator[ModelEntry]:
        return (entry for entry in self._controller.shelf.catalog.of(Chat.capability) if not entry.remote)

    def _is_ready(self, entry: ModelEntry) -> bool:
        return self._controller.shelf.readiness(entry).state == "ready"

    def _here(self, entry: ModelEntry, usual: str, is_loaded: bool) -> Candidate:
        fits = is_loaded or self._available_bytes() >= entry.memory_mb * MB
        return self._candidate(
            entry.id, usual, loaded=is_loaded or not entry.memory_mb, memory_mb=entry.memory_mb, fits=fits
        )

    def _of_server(self, provider: Provider, names: tuple[str, ...], usual: str) -> Iterator[Candidate]:
        where: Where = "far" if self._servers.is_far(provider) else "server"
        prefix = next(prefix for prefix, (owner, _) in PREFIXES.items() if owner == provider)
        for name in names:
            if is_for_chat(name):
                model = f"{prefix}/{name}"
                is_usual = model == usual or (usual.startswith(f"{prefix}/") and has_model((name,), usual[7:]))
                yield self._candidate(model, model if is_usual else usual, where=where)

    def _candidate(
        self,
        model: str,
        usual: str,
        *,
        where: Where = "here",
        loaded: bool = True,
        memory_mb: int = 0,
        fits: bool = True,
    ) -> Candidate:
        return Candidate(
            id=model,
            title=self.models.describe(model).title,
            facts=self.models.facts(model),
            where=where,
            is_usual=model == usual,
            loaded=loaded,
            memory_mb=memory_mb,
            fits=fits,
            failures=self.breaker.failures(model),
            resting_seconds=self.breaker.resting_seconds(model),
        )


@dataclass
class Route:
    """Which model a run works with, and which have failed it."""

    switcher: Switcher
    model: str
    pinned: bool
    emit: Callable[[EventBody], None]
    on_loading: Callable[[LoadProgress], None] | None = None
    used: list[str] = field(default_factory=list)
    """Ids of the models that gave an answer, in order, each once."""
    failed: list[str] = field(default_factory=list)
    _need: Need = field(default_factory=Need)
    _usual: str = ""

    def __post_init__(self) -> None:
        self._usual = self.model

    async def choose(self, turn: TurnFacts) -> str:
        """Settle on a model for the turn, and say why unless it is the usual one."""
        self._need = need_of(turn)
        if not self.pinned:
            await self._take("")
        return self.model

    def chat(self) -> BaseChatModel:
        """The model that is to be asked now. Raises NotFoundError, UnavailableError."""
        return self.switcher.models.get(self.model, on_loading=self.on_loading)

    def facts(self) -> ChatFacts:
        """What the model that is to be asked now is good for."""
        return self.switcher.models.facts(self.model)

    def begin(self) -> None:
        self.switcher.breaker.begin(self.model)

    def succeeded(self) -> None:
        self.switcher.breaker.succeeded(self.model)
        if self.model not in self.used:
            self.used.append(self.model)

    def let_go(self) -> None:
        self.switcher.breaker.let_go(self.model)

    async def take_over(self, error: SensoriumError) -> bool:
        """The model failed before it said a word. Whether another is to be asked; if so, the user is told."""
        self.switcher.failed(self.model, error)
        self.failed.append(self.model)
        if self.pinned:
            return False
        before = self.switcher.models.describe(self.model).title
        return await self._take(f"{before} failed before its first word: {error.message}")

    async def _take(self, instead: str) -> bool:
        """The best model that has not failed this run. False: there is none."""
        candidates = await self.switcher.candidates(self._usual)
        choice = choose(self._need, candidates, besides=self.failed)
        if choice is None:
            return False
        reason = choice.reason
        if instead:
            title = next(each.title for each in candidates if each.id == choice.model)
            reason = f"{title} takes over. {instead}"
        elif choice.model != self._usual and not reason:
            usual = self.switcher.models.describe(self._usual).title
            reason = f"{self.switcher.models.describe(choice.model).title} answers this turn: {usual} is not ready."
        self.model = choice.model
        if reason:
            self.emit(ModelSwitched(model=choice.model, reason=reason))
        return True


def _provider(model: str) -> Provider | None:
    prefix = model.partition("/")[0] if "/" in model else ""
    return PREFIXES[prefix][0] if prefix in PREFIXES else None


def breaker() -> Breaker:
    """With the policy's numbers."""
    return Breaker(**policy()["breaker"])
