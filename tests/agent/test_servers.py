"""What chat servers have is known from memory; no turn waits for a server that sleeps."""

from __future__ import annotations

import asyncio

import pytest

from agent.servers import Servers, is_loopback
from engines.errors import UnavailableError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_server_is_asked_once_in_a_while() -> None:
    asked = []
    clock = Clock()

    async def ask(provider: str) -> tuple[str, ...]:
        asked.append(provider)
        return (f"model-{len(asked)}",)

    servers = Servers({"ollama": "http://127.0.0.1:1"}, ask, believed_seconds=30, wait_seconds=60, clock=clock)
    assert await servers.models() == {"ollama": ("model-1",)}
    assert await servers.models() == {"ollama": ("model-1",)}
    clock.now = 31
    assert await servers.models() == {"ollama": ("model-1",)}  # the old answer serves while the new one is fetched
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await servers.models() == {"ollama": ("model-2",)}
    assert asked == ["ollama", "ollama"]


async def test_nobody_waits_for_a_server_that_sleeps() -> None:
    never = asyncio.Event()

    async def ask(provider: str) -> tuple[str, ...]:
        await never.wait()
        return ()

    servers = Servers({"ollama": "http://127.0.0.1:1"}, ask, believed_seconds=30, wait_seconds=0.01)
    assert await servers.models() == {}
    await servers.close()


async def test_a_server_that_does_not_answer_has_no_models() -> None:
    async def ask(provider: str) -> tuple[str, ...]:
        raise UnavailableError("No server answers.")

    servers = Servers({"ollama": "http://127.0.0.1:1", "openai": ""}, ask, believed_seconds=30, wait_seconds=60)
    assert await servers.models() == {"ollama": ()}


async def test_a_server_that_fails_a_chat_is_empty_until_it_is_asked_again() -> None:
    clock = Clock()

    async def ask(provider: str) -> tuple[str, ...]:
        return ("model",)

    servers = Servers({"ollama": "http://127.0.0.1:1"}, ask, believed_seconds=30, wait_seconds=60, clock=clock)
    assert await servers.models() == {"ollama": ("model",)}
    servers.gone("ollama")
    assert await servers.models() == {"ollama": ()}


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:11434", True),
        ("http://localhost:11434", True),
        ("http://[::1]:8000/v1", True),
        ("http://192.168.1.4:11434", False),
        ("https://api.example.com/v1", False),
        ("http://127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_only_this_machine_s_own_addresses_are_near(url: str, near: bool) -> None:
    assert is_loopback(url) is near
