"""What did not need the empty result of another step is carried out, in a real turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from counting_judge import add_counting_judge, entries
from homes import turn
from scripted_chat import write_script

from agent.app import open_app
from memory.events import PlanMade, RunFinished

DOG = {"tool": "detect_objects", "image": "astronaut.jpg", "target": "dog"}
PERSON = {"tool": "detect_objects", "image": "astronaut.jpg", "target": "person"}
CAT = {"tool": "detect_objects", "image": "astronaut.jpg", "target": "cat"}


async def test_the_rest_of_a_plan_is_carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    calls = [DOG, {"tool": "analyze_sentiment", "text": "$1"}, PERSON, {"tool": "analyze_sentiment", "text": "$3"}]
    write_script(tmp_path, [{"when": "Find", "calls": calls, "again": [[CAT]], "answer": "{results}"}])
    diary = add_counting_judge(tmp_path)
    async with open_app() as app:
        events = await turn(app, "Find a dog, or a person", "astronaut.jpg")
    plans = [[step.id for step in event.body.steps] for event in events if isinstance(event.body, PlanMade)]
    assert plans == [["$1", "$2", "$3", "$4"], ["$5"]]
    assert entries(diary) == ["begin Found in the picture: 1 person.", "end Found in the picture: 1 person."]
    end = events[-1].body
    assert isinstance(end, RunFinished)
    assert end.answer.count("Skipped") == 1
