"""What several of the memory tests build."""

from __future__ import annotations

from datetime import UTC, datetime

from memory.events import Event, EventBody, MessageDelta


def make_event(run_id: str, seq: int, body: EventBody | None = None) -> Event:
    return Event(run_id=run_id, seq=seq, at=datetime.now(UTC), body=body or MessageDelta(text=f"word {seq}"))
