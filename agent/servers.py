"""Which models the chat servers have. They are asked now and then, and no turn waits for them longer than a moment."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from engines.errors import UnavailableError
from engines.text.remote import Provider

Ask = Callable[[Provider], Awaitable[tuple[str, ...]]]
"""Names of the models of a provider's server. Raises UnavailableError."""


class Servers:
    """Answers from memory; what is old is asked for again. Use on one event loop."""

    def __init__(
        self,
        urls: Mapping[Provider, str],
        ask: Ask,
        *,
        believed_seconds: float,
        wait_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``urls`` without an address are no servers. A turn waits for an answer for up to ``wait_seconds``."""
        self._urls = {provider: url for provider, url in urls.items() if url}
        self._ask = ask
        self._believed = believed_seconds
        self._wait = wait_seconds
        self._clock = clock
        self._known: dict[Provider, tuple[float, tuple[str, ...]]] = {}
        self._asking: dict[Provider, asyncio.Task[None]] = {}

    async def models(self) -> dict[Provider, tuple[str, ...]]:
        """The names of what each server has, as far as it is known by now; none where it does not answer."""
        now = self._clock()
        for provider in self._urls:
            asked_at = self._known[provider][0] if provider in self._known else -self._believed
            if provider not in self._asking and now - asked_at >= self._believed:
                self._asking[provider] = asyncio.create_task(self._look(provider), name=f"models of {provider}")
        if unknown := [task for provider, task in self._asking.items() if provider not in self._known]:
            await asyncio.wait(unknown, timeout=self._wait)
        return {provider: names for provider, (_, names) in self._known.items()}

    def is_far(self, provider: Provider) -> bool:
        """Whether its server is on another machine."""
        return not is_loopback(self._urls.get(provider, ""))

    def gone(self, provider: Provider) -> None:
        """It did not answer a chat: what it had is not there for now."""
        if provider in self._urls:
            self._known[provider] = self._clock(), ()

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, provider: Provider) -> None:
        try:
            names = await self._ask(provider)
        except UnavailableError:
            names = ()
        finally:
            self._asking.pop(provider, None)
        self._known[provider] = self._clock(), names


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
