"""Every chat model behind one door: embedded ones, Ollama's, and those of OpenAI-compatible servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import SecretStr

from engines.catalog import Catalog, ModelEntry, Planning
from engines.controller import LoadProgress, ModelController
from engines.errors import NotFoundError, UnavailableError
from engines.protocols import Chat
from engines.text.chat_facts import ChatFacts, facts_by_name
from engines.text.embedded_chat import EmbeddedChat
from engines.text.home_loop import HomeLoop
from engines.text.llama_server import LlamaOptions
from engines.text.remote import Provider, list_models
from engines.text.structured import structured

__all__ = ["ChatDescription", "ChatModels", "EmbeddedChat", "structured"]

#: ``ollama/NAME`` and ``openai/NAME``, and the catalog entry that speaks for the provider's licence.
PREFIXES: dict[str, tuple[Provider, str]] = {"ollama": ("ollama", "ollama"), "openai": ("openai", "openai-compatible")}

#: Ollama cuts what is longer, and its own default is short.
OLLAMA_CONTEXT_TOKENS = 8192

#: A generation may be slow; finding the server must not be.
CONNECT_SECONDS = 5.0


class ChatDescription(NamedTuple):
    """What a receipt says of a chat model. ``sha256`` is None for a model on another server."""

    id: str
    title: str
    licence: str
    sha256: str | None
    quality: str = ""
    note: str = ""


class ChatModels:
    """Gives LangChain chat models by id. All take ``bind(lane=, shared=, max_tokens=, temperature=, seed=)``."""

    def __init__(
        self,
        catalog: Catalog,
        controller: ModelController,
        *,
        ollama_url: str = "",
        openai_url: str = "",
        openai_key: SecretStr | None = None,
        timeout_seconds: float = 300,
        planning: Mapping[str, Planning] | None = None,
        on_loading: Callable[[LoadProgress], None] | None = None,
    ) -> None:
        """``openai_url`` ends in ``/v1`` on most servers. One that says nothing for ``timeout_seconds`` is given up.
        ``planning``: model -> how it is asked for plans, where not as its catalog entry says. ``on_loading`` hears of
        every load, on the event loop.
        """
        self._catalog = catalog
        self._controller = controller
        self._urls: dict[Provider, str] = {"ollama": ollama_url, "openai": openai_url}
        self._openai_key = openai_key
        self._timeout_seconds = timeout_seconds
        self._planning = planning or {}
        self._on_loading = on_loading
        self._home = HomeLoop()

    def get(
        self, model: str | None = None, *, on_loading: Callable[[LoadProgress], None] | None = None
    ) -> BaseChatModel:
        """The catalog's default; an entry by its id; ``ollama/NAME``; ``openai/NAME``.

        ``on_loading`` hears of this model's loads instead of the one given to the constructor.

        Raises NotFoundError for an unknown model, UnavailableError when the server's address is not set.
        """
        if remote := self._remote_name(model):
            return self._remote(*remote, self.planning(model))
        entry = self._entry(model)
        return EmbeddedChat(
            model_id=entry.id,
            title=entry.title,
            controller=self._controller,
            home=self._home,
            planning=self.planning(model),
            on_loading=on_loading or self._on_loading,
        )

    def describe(self, model: str | None = None) -> ChatDescription:
        """What a receipt says of it. Raises NotFoundError."""
        if remote := self._remote_name(model):
            provider, name = remote
            entry = self._catalog.get(PREFIXES[provider][1])
            where = "an Ollama server" if provider == "ollama" else "an OpenAI-compatible server"
            return ChatDescription(f"{provider}/{name}", f"{name} on {where}", entry.licence, None)
        entry = self._entry(model)
        quality = f"{entry.quality.figure} ({entry.quality.where})" if entry.quality else ""
        return ChatDescription(entry.id, entry.title, entry.licence, entry.sha256, quality, entry.note)

    def facts(self, model: str | None = None) -> ChatFacts:
        """What it is good for: by its catalog entry, or by the name it has on a server. Raises NotFoundError."""
        if model is None or "/" not in model:
            entry = self._catalog.resolve(Chat.capability, model)
            if entry.chat or not self._remote_name(model):
                return (entry.chat or ChatFacts()).model_copy(update={"context_tokens": self.context_tokens(model)})
        remote = self._remote_name(model)
        facts = facts_by_name(remote[1]) if remote else ChatFacts()
        return facts.model_copy(update={"context_tokens": self.context_tokens(model)})

    @property
    def urls(self) -> Mapping[Provider, str]:
        """Addresses of the chat servers; empty where none is set."""
        return self._urls

    async def names(self, provider: Provider) -> tuple[str, ...]:
        """Names of the models that a server has. Raises UnavailableError when it does not answer."""
        return await list_models(provider, self._urls[provider], self._openai_key if provider == "openai" else None)

    def planning(self, model: str | None = None) -> Planning:
        """How it is asked for plans: as set for it by its id or its name on its server, else as its entry says."""
        remote = self._remote_name(model)
        is_named = remote is not None and "/" in (model or "")
        entry = self._catalog.resolve(Chat.capability, PREFIXES[remote[0]][1] if remote and is_named else model)
        names = ["/".join(remote), entry.id] if remote else [entry.id]
        return next((self._planning[name] for name in names if name in self._planning), entry.planning)

    def context_tokens(self, model: str | None = None) -> int | None:
        """How long prompt and answer together may be; None: only the server knows."""
        if remote := self._remote_name(model):
            named = self._catalog.resolve(Chat.capability, model).chat if "/" not in (model or "") else None
            known = (named or facts_by_name(remote[1])).context_tokens
            return min(known or OLLAMA_CONTEXT_TOKENS, OLLAMA_CONTEXT_TOKENS) if remote[0] == "ollama" else known
        return LlamaOptions.model_validate(dict(self._entry(model).options)).context_tokens

    def _entry(self, model: str | None) -> ModelEntry:
        entry = self._catalog.resolve(Chat.capability, model)
        if entry.remote:
            raise NotFoundError(
                f"{entry.id} stands for all models of a server.", fix="Name one, as in ollama/NAME or openai/NAME."
            )
        return entry

    def _remote(self, provider: Provider, name: str, planning: Planning) -> BaseChatModel:
        url = self._urls[provider]
        if not url:
            raise UnavailableError(
                f"{provider}/{name}: the address of the server is not set.",
                fix=f"Set SENSORIUM_{provider.upper()}_URL.",
            )
        import httpx

        from engines.text.remote_chat import RETRIES, OllamaChat, OpenAIChat

        timeout = httpx.Timeout(self._timeout_seconds, connect=CONNECT_SECONDS)
        if provider == "ollama":
            return OllamaChat(
                model=name,
                base_url=url,
                planning=planning,
                num_ctx=OLLAMA_CONTEXT_TOKENS,
                num_predict=512,
                temperature=0.0,
                seed=0,
                client_kwargs={"timeout": timeout},
            )
        return OpenAIChat(
            model=name,
            base_url=url,
            planning=planning,
            # Without a key of its own the client would send the one in the environment to this server.
            api_key=self._openai_key or SecretStr("none"),
            max_completion_tokens=512,
            temperature=0.0,
            seed=0,
            stream_usage=True,
            timeout=timeout,
            max_retries=RETRIES,
        )

    def _remote_name(self, model: str | None) -> tuple[Provider, str] | None:
        """Provider and name of a model on a server: named as such, or by a catalog entry that stands for one."""
        prefix, slash, name = (model or "").partition("/")
        if slash:
            if prefix not in PREFIXES or not name:
                raise NotFoundError(f"No model is called {model!r}.", fix="On a server: ollama/NAME or openai/NAME.")
            return PREFIXES[prefix][0], name
        options = self._catalog.resolve(Chat.capability, model).options
        return (options["provider"], options["model"]) if "provider" in options and options.get("model") else None
