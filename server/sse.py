"""A run's events as server-sent events: id = seq, event = type, data = the event's wire JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing

from sse_starlette import EventSourceResponse, ServerSentEvent

from engines.errors import InputError
from memory.events import Event

PING_SECONDS = 15.0
"""Keeps proxies from closing a stream while a model loads."""

_MOST = 2**31 - 1
"""Of a seq that databases hold."""

RETRY_MS = 1_000
"""How long a browser waits before it reconnects."""


def cursor(after: int | None, last_event_id: str | None) -> int:
    """The seq a client has seen last; -1 for nothing. ``Last-Event-ID`` wins: a browser sends it on reconnect.

    Raises InputError when it is no number.
    """
    if last_event_id is None or not last_event_id.strip():
        return -1 if after is None else min(after, _MOST)
    try:
        return min(max(-1, int(last_event_id)), _MOST)
    except ValueError:
        raise InputError(
            f"Last-Event-ID {last_event_id[:40]!r} is not a number.", fix="Send the id of the last event you got."
        ) from None


def stream(events: AsyncIterator[Event]) -> EventSourceResponse:
    """Send ``events`` until they end or the client goes. The run does not notice either."""
    return EventSourceResponse(_encoded(events), ping=PING_SECONDS, sep="\n")


async def _encoded(events: AsyncIterator[Event]) -> AsyncIterator[ServerSentEvent]:
    # An `Agent` hands out async generators; closing ours closes theirs, which lets go of the run's log.
    async with aclosing(events) as source:  # type: ignore[type-var]  # AsyncIterator has no aclose in typeshed
        async for event in source:
            yield ServerSentEvent(
                id=str(event.seq),
                event=event.type,
                data=json.dumps(event.to_wire(), ensure_ascii=False, separators=(",", ":")),
                retry=RETRY_MS if event.seq == 0 else None,
            )
