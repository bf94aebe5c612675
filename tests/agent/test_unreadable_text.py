"""A stored text that can't be read as text any more is told in words, not as a tool that broke."""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import events_of, scripted_app

from memory.artifact_types import Lineage
from memory.events import RunFailed


async def test_a_damaged_text_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    calls = [{"tool": "analyze_sentiment", "text": "note.txt"}]
    async with scripted_app(tmp_path, [{"when": "Judge", "calls": calls}]) as app:
        note = await app.artifacts.add_bytes(b"Fine, thanks.", name="note.txt", lineage=Lineage(tool="upload"))
        (await app.artifacts.path(note.id)).write_bytes(b"F\xefne, thanks.")
        info = await app.agent.start("Judge note.txt", thread_id="talk", attachments=[note.id])
        end = (await events_of(app, info.id))[-1].body
    assert isinstance(end, RunFailed)
    assert (end.code, end.message) == ("unreadable-media", "The file is no text in UTF-8.")
