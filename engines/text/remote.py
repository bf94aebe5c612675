"""Chat models on other servers: the engine their catalog entries name, and whether such a server answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import SecretStr

from engines.errors import UnavailableError
from engines.loading import LoadContext

if TYPE_CHECKING:
    import httpx

Provider = Literal["ollama", "openai"]

#: How long a server may take to say which models it has.
TIMEOUT_SECONDS = 3.0
NEAR_SECONDS = 1.0


class _Listing(NamedTuple):
    server: str
    path: str
    rows: str
    name: str
    start_it: str


_LISTINGS: Mapping[Provider, _Listing] = {
    "ollama": _Listing("Ollama server", "/api/tags", "models", "name", "Start it with: ollama serve"),
    "openai": _Listing("OpenAI-compatible server", "/models", "data", "id", "Start it, or correct the address."),
}


class RemoteChat:
    """Named by entries whose model runs elsewhere. It can't be loaded: `engines.text.chat.ChatModels` talks to them."""

    capability: ClassVar[str] = "chat"

    def __init__(self, context: LoadContext) -> None:
        raise UnavailableError(
            f"{context.entry.id} runs on another server and can't be loaded here.",
            fix="Name the model in a chat, as in ollama/NAME or openai/NAME.",
        )

    def close(self) -> None:
        """Nothing is held."""


def list_models_now(provider: Provider, base_url: str, key: str = "") -> tuple[str, ...]:
    """`list_models` for threads, which asks a server on this machine: it answers at once or is not there."""
    import httpx

    listing = _LISTINGS[provider]
    try:
        answer = httpx.get(base_url.rstrip("/") + listing.path, headers=_headers(key), timeout=NEAR_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unreachable(provider, base_url) from error
    return _names(listing, base_url, answer)


async def list_models(provider: Provider, base_url: str, key: SecretStr | None = None) -> tuple[str, ...]:
    """The names of the models a server has. Raises UnavailableError when it does not answer within 3 s."""
    import httpx

    listing = _LISTINGS[provider]
    headers = _headers(key.get_secret_value() if key else "")
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            answer = await client.get(base_url.rstrip("/") + listing.path, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unreachable(provider, base_url) from error
    return _names(listing, base_url, answer)


def has_model(names: Collection[str], model: str) -> bool:
    """Whether a server has a model: Ollama's names carry a tag, which is ``latest`` when none is written."""
    return model in names or f"{model}:latest" in names


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _names(listing: _Listing, base_url: str, answer: httpx.Response) -> tuple[str, ...]:
    if answer.status_code in (401, 403):
        raise UnavailableError(f"The {listing.server} at {base_url} refuses the key.", fix="Set the right key.")
    import httpx

    try:
        rows: list[dict[str, Any]] = answer.raise_for_status().json()[listing.rows]
        return tuple(row[listing.name] for row in rows)
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            f"What answers at {base_url} is no {listing.server} (HTTP {answer.status_code}).",
            fix="Correct the address.",
        ) from error


def unreachable(provider: Provider, base_url: str) -> UnavailableError:
    """The error for a server that does not answer."""
    listing = _LISTINGS[provider]
    return UnavailableError(f"No {listing.server} answers at {base_url}.", fix=listing.start_it)
