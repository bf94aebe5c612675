"""A conversation that outgrows its model's window many times over goes on, and knows what was said at its beginning."""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import turn
from small_chat import prompts, write_small_script

from agent.app import open_app
from memory.events import RunFinished

#: The planner's tools and examples take some 4,000 tokens of it.
WINDOW = 6_144
TURNS = 500
ANSWER = 512
TALK = {"when": "matters", "answer": "Noted, and here is what I think of it. " + "It is so because of that. " * 8}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


@pytest.mark.parametrize("notes", ["Bruno", ""], ids=["the-model-takes-notes", "the-model-fails-to"])
async def test_the_window_is_never_outgrown_and_the_first_fact_is_never_lost(tmp_path: Path, notes: str) -> None:
    shown = write_small_script(tmp_path, [TALK], window=WINDOW, notes=notes)
    turns = TURNS if notes else TURNS // 10
    async with open_app() as app:
        for number in range(turns):
            said = "My dog is called Bruno." if number == 0 else f"Thing number {number} matters, I would say."
            end = (await turn(app, f"{said} {'And this matters too. ' * 8}"))[-1].body
            assert isinstance(end, RunFinished), end
        assert len(await app.chats.messages("talk")) == 2 * turns
        state = await app.agent.state("talk")
    seen = prompts(shown)
    assert max(prompt["tokens"] for prompt in seen) <= WINDOW - ANSWER
    answers = [prompt for prompt in seen if prompt["lane"] == "respond"]
    assert len(answers) == turns
    assert all("Bruno" in prompt["text"] for prompt in answers)
    assert "Bruno" in [prompt for prompt in seen if prompt["lane"] == "plan"][-1]["text"]
    assert f"Thing number {turns - 2} matters" in answers[-1]["text"]
    assert len(state["messages"]) < 60
    assert len([prompt for prompt in seen if prompt["lane"] == "condense"]) < turns // 5
