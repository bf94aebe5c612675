"""Work for a client that may go away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

T = TypeVar("T")

NOBODY_THERE = 499
"""Nginx's status for a client that went away; nobody gets to see it."""

_LOOK_SECONDS = 0.5
"""How often it is asked whether the client is still there."""


async def while_there(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """The work's result; None when the client went away, which stops the work."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=_LOOK_SECONDS)
            if not task.done() and await request.is_disconnected():
                return None
    finally:
        if not task.done():
            task.cancel()
    return await task
