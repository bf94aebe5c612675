"""What the user has chosen holds in every turn, over the settings, but never over what they deny."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from broken_chat import add_broken
from counting_judge import add_counting_judge, entries
from homes import events_of, turn, types
from scripted_chat import write_script

from agent.app import Answer, App, open_app
from agent.preferences import AUTO, ToolPolicy
from engines.errors import DeniedError, InputError, NotFoundError
from memory.events import RunFinished

JUDGE = {"when": "Judge", "calls": [{"tool": "analyze_sentiment", "text": "one"}], "answer": "{results}"}
HELLO = {"when": "Hello", "answer": "Hello."}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_OLLAMA_URL", "http://127.0.0.1:9")
    write_script(tmp_path, [JUDGE, HELLO])
    return tmp_path


async def of_tool(app: App, tool: str = "analyze_sentiment") -> ToolPolicy:
    return next(each for each in (await app.preferences.profile()).approval if each.tool == tool)


async def waiting(app: App) -> str:
    """A run that asks its user."""
    info = await app.agent.start("Judge", thread_id="talk")
    async for event in app.agent.events(info.id):
        if event.type == "approval.required":
            return info.id
    raise AssertionError("nothing was asked")


async def test_a_tool_asks_first_once_the_user_wants_it_and_no_more_once_it_is_taken_back(home: Path) -> None:
    diary = add_counting_judge(home)
    async with open_app() as app:
        assert (await of_tool(app)).chosen_by == "default"
        await app.preferences.change(approval={"analyze_sentiment": "ask"})
        assert await of_tool(app) == ToolPolicy(tool="analyze_sentiment", policy="ask", chosen_by="user")
        await waiting(app)
        assert entries(diary) == []
    async with open_app() as app:  # it is kept
        assert (await of_tool(app)).policy == "ask"
        await app.preferences.change(approval={"analyze_sentiment": None})
        assert "approval.required" not in types(await turn(app, "Judge"))
    assert entries(diary) != []


async def test_what_is_dangerous_may_be_let_go_unasked(home: Path) -> None:
    async with open_app() as app:
        assert (await of_tool(app, "clone_voice")).policy == "ask"
        await app.preferences.change(approval={"clone_voice": "auto"})
        assert (await of_tool(app, "clone_voice")).policy == "auto"


@pytest.mark.parametrize("action", ["deny", "edit"])
async def test_what_was_asked_is_answered_whatever_is_chosen_meanwhile(
    home: Path, action: Literal["deny", "edit"]
) -> None:
    diary = add_counting_judge(home)
    async with open_app() as app:
        await app.preferences.change(approval={"analyze_sentiment": "ask"})
        run_id = await waiting(app)
        await app.preferences.change(approval={"analyze_sentiment": "auto"})
        answer = Answer(action=action, args={"text": "two"} if action == "edit" else None)
        await app.agent.approve(run_id, {"*": answer})
        last = (await events_of(app, run_id))[-1]
        assert isinstance(last.body, RunFinished), last.body
    assert [line for line in entries(diary) if line.startswith("end ")] == (["end two"] if action == "edit" else [])


async def test_what_is_denied_meanwhile_is_not_done(home: Path) -> None:
    diary = add_counting_judge(home)
    async with open_app() as app:
        await app.preferences.change(approval={"analyze_sentiment": "ask"})
        run_id = await waiting(app)
        await app.preferences.change(approval={"analyze_sentiment": "deny"})
        await app.agent.approve(run_id, {"*": Answer(action="approve")})
        assert "do not allow it" in (await events_of(app, run_id))[-1].body.answer  # type: ignore[union-attr]  # it has finished
    assert entries(diary) == []


async def test_what_is_denied_can_not_be_called_directly_either(home: Path) -> None:
    diary = add_counting_judge(home)
    async with open_app() as app:
        await app.preferences.change(approval={"analyze_sentiment": "deny"})
        with pytest.raises(DeniedError, match="analyze_sentiment may not be used"):
            await app.tools.run("analyze_sentiment", {"text": "one"}, call_id="c", emit=lambda _: None)
        await app.preferences.change(approval={"analyze_sentiment": "ask"})
        await app.tools.run("analyze_sentiment", {"text": "one"}, call_id="c", emit=lambda _: None)
    assert [line for line in entries(diary) if line.startswith("end ")] == ["end one"]


async def test_what_the_settings_deny_stays_denied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app() as app:
        await app.preferences.change(approval={"analyze_sentiment": "auto"})
    monkeypatch.setenv("SENSORIUM_APPROVAL", json.dumps({"analyze_sentiment": "deny"}))
    diary = add_counting_judge(home)
    async with open_app() as app:
        assert await of_tool(app) == ToolPolicy(tool="analyze_sentiment", policy="deny", chosen_by="settings")
        await turn(app, "Judge")
        with pytest.raises(InputError, match="The settings deny analyze_sentiment"):
            await app.preferences.change(approval={"analyze_sentiment": "ask"})
        await app.preferences.change(approval={"analyze_sentiment": None})
    assert entries(diary) == []


async def test_the_users_model_answers_turns_that_name_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_broken(home)
    monkeypatch.setenv("SENSORIUM_MODEL", "broken")
    async with open_app() as app:
        assert (await turn(app, "Hello"))[-1].type == "run.failed"
        await app.preferences.change(model="scripted")
        assert (await turn(app, "Hello"))[-1].type == "run.finished"
        await app.preferences.change(model=AUTO)
        assert isinstance((await turn(app, "Hello"))[-1].body, RunFinished)
        info = await app.agent.start("Hello", thread_id="talk", model="broken")  # named: that one
        assert (await events_of(app, info.id))[-1].type == "run.failed"
        await app.preferences.change(model=None)
        assert (await turn(app, "Hello"))[-1].type == "run.failed"


async def test_a_turn_that_named_no_model_is_retried_with_the_users_choice_of_now(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_broken(home)
    monkeypatch.setenv("SENSORIUM_MODEL", "scripted")
    async with open_app() as app:
        await app.preferences.change(model="broken")
        failed = (await turn(app, "Hello"))[-1]
        assert failed.type == "run.failed"
        await app.preferences.change(model=None)
        again = await app.agent.retry(failed.run_id)
        assert (await events_of(app, again.id))[-1].type == "run.finished"
        named = await app.agent.start("Hello", thread_id="talk", model="broken")
        await events_of(app, named.id)
        again = await app.agent.retry(named.id)
        assert (await events_of(app, again.id))[-1].type == "run.failed"


async def test_a_chosen_model_that_is_gone_is_named_with_what_to_do_and_leaves_nothing_behind(home: Path) -> None:
    add_broken(home)
    async with open_app() as app:
        first = (await turn(app, "Hello"))[-1]
        await app.preferences.change(model="broken")
    (home / "catalog.toml").unlink()
    write_script(home, [JUDGE, HELLO])
    async with open_app() as app:
        with pytest.raises(NotFoundError, match=r"is gone: broken\. Choose another: sensorium me"):
            await app.agent.start("Hello", thread_id="talk")
        with pytest.raises(NotFoundError, match="is gone: broken"):
            await app.timetravel.fork("talk", run_id=first.run_id, text="Hello again")
        assert [thread.id for thread in await app.chats.threads()] == ["talk"]
        assert len(await app.chats.runs("talk")) == 1


async def test_a_choice_of_what_there_is_not_is_refused_and_changes_nothing() -> None:
    async with open_app() as app:
        before = await app.preferences.profile()
        with pytest.raises(InputError, match="No tool is called 'fly'"):
            await app.preferences.change(name="Ada", approval={"fly": "auto"})
        with pytest.raises(InputError, match="'perhaps' is no policy"):
            await app.preferences.change(approval={"speak": "perhaps"})  # type: ignore[dict-item]  # on purpose
        with pytest.raises(NotFoundError):
            await app.preferences.change(name="Ada", model="no-such-model")
        with pytest.raises(InputError, match="1 to 255 characters"):
            await app.preferences.change(name="", model="scripted")
        with pytest.raises(InputError, match="16 kB"):
            await app.preferences.change(name="Ada", model="ollama/" + "x" * 17_000)
        assert await app.preferences.profile() == before
        assert (await app.preferences.change(name="Ada Größe 数")).name == "Ada Größe 数"
