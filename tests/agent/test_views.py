"""What a terminal is shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.cli.views import TerminalView
from memory.events import Event, EventBody, MessageDelta, RunFinished, ToolFinished


def show(*bodies: EventBody) -> None:
    view = TerminalView()
    for seq, body in enumerate(bodies):
        view.show(Event(run_id="r", seq=seq, at=datetime.now(UTC), body=body))
    view.close()


def test_text_from_models_and_files_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "safe\x1b]0;title\x07\x1b[31m [bold]text\x9b2J"
    found = ToolFinished(call_id="1", tool="transcribe_audio", result={}, summary=evil, seconds=1.0)
    show(found, MessageDelta(text=evil), RunFinished(answer=evil))
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert "safe" in text
        assert "[bold]text" in text
        assert not set(text) & {"\x1b", "\x07", "\x9b"}
