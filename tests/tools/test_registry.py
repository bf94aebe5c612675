"""Running tools: events, receipts, lineage, time limits, and the same tools for any LangChain agent."""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import scripted_app, upload
from scripted_chat import write_script
from slow_sentiment import add_slow_sentiment

from agent.app import open_app
from engines.errors import EngineError, InputError, NotFoundError
from memory.events import EventBody, ToolFinished


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


async def test_a_tool_reports_its_way_from_start_to_receipt(tmp_path: Path) -> None:
    heard: list[EventBody] = []
    async with scripted_app(tmp_path, []) as app:
        (photo,) = await upload(app, "astronaut.jpg")
        outcome = await app.tools.run("detect_objects", {"image": photo}, call_id="1", emit=heard.append)
    kinds = [body.type for body in heard if body.type not in ("model.loading", "tool.progress")]
    assert kinds == ["tool.started", "tool.artifact", "tool.finished"]
    assert isinstance(heard[-1], ToolFinished)
    assert heard[-1].receipts[0].model == "nanodet-416"
    assert outcome.artifacts[0].name == "objects.png"


async def test_unknown_tools_and_bad_arguments_are_named(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        with pytest.raises(NotFoundError, match="No tool is called 'fly'"):
            await app.tools.run("fly", {}, call_id="1", emit=lambda body: None)
        with pytest.raises(InputError, match="image: Field required"):
            await app.tools.run("detect_objects", {}, call_id="1", emit=lambda body: None)
        with pytest.raises(NotFoundError):
            await app.tools.run("detect_objects", {"image": "nothing"}, call_id="1", emit=lambda body: None)


async def test_what_no_model_can_find_is_not_said_to_be_missing(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        (photo,) = await upload(app, "astronaut.jpg")
        with pytest.raises(InputError, match="'People' is nothing the model knows"):
            await app.tools.run(
                "detect_objects", {"image": photo, "target": "People"}, call_id="1", emit=lambda body: None
            )


async def test_a_tool_over_its_time_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_TOOL_TIMEOUT_SECONDS", "0.5")
    write_script(tmp_path, [])
    add_slow_sentiment(tmp_path, seconds=2)
    async with open_app() as app:
        with pytest.raises(EngineError, match=r"analyze_sentiment was stopped after 0\.5 s"):
            await app.tools.run("analyze_sentiment", {"text": "fine"}, call_id="1", emit=lambda body: None)


async def test_any_langchain_agent_can_use_the_tools(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        (photo,) = await upload(app, "astronaut.jpg")
        tools = {tool.name: tool for tool in app.tools.langchain_tools(emit=lambda body: None)}
        assert tools["detect_objects"].args["image"]["description"] == "the picture"
        message = await tools["detect_objects"].ainvoke(
            {"type": "tool_call", "id": "1", "name": "detect_objects", "args": {"image": photo, "target": "person"}}
        )
        assert message.content == "Found in the picture: 1 person."
        assert message.artifact.artifacts[0].kind == "image"
