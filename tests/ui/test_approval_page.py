"""The question of a waiting run on the page: asked, edited, approved and denied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from counting_judge import add_counting_judge, entries
from live_server import Api, serving
from streamlit.testing.v1 import AppTest

import ui

PAGE = Path(ui.__file__).with_name("app.py")
RULE: dict[str, Any] = {
    "when": "Judge",
    "calls": [{"tool": "analyze_sentiment", "text": "one"}],
    "answer": "{results}",
}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_APPROVAL", json.dumps({"analyze_sentiment": "ask"}))
    with serving(tmp_path, [RULE], prepare=add_counting_judge) as address:
        monkeypatch.setenv("SENSORIUM_API", address)
        api = Api(address)
        yield api
        api.http.close()


def asking(api: Api) -> AppTest:
    """The page of a conversation whose run asks, opened anew."""
    thread = api.thread()
    run = api.start("Judge one", thread=thread)
    with api.http.stream("GET", f"/api/runs/{run}/events") as response:
        assert any('"approval.required"' in line for line in response.iter_lines())
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    page.query_params["thread"] = thread
    page.run()
    assert "May analyze\\_sentiment be run?" in words(page) or "May analyze_sentiment be run?" in words(page)
    return page


def words(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(element.value for element in (*page.main.markdown, *page.main.text, *page.main.caption))


def press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.main.button if button.label == label).click().run()


def test_a_question_is_shown_and_approving_goes_on(api: Api, tmp_path: Path) -> None:
    page = press(asking(api), "Approve")
    assert "positive" in words(page)
    assert entries(tmp_path / "diary.txt") == ["begin one", "end one"]


def test_an_edited_argument_is_what_is_done(api: Api, tmp_path: Path) -> None:
    page = asking(api)
    page.main.text_area[0].set_value("another")
    press(page, "Approve")
    assert entries(tmp_path / "diary.txt") == ["begin another", "end another"]


def test_a_bad_edit_is_told_and_the_run_goes_on_waiting(api: Api, tmp_path: Path) -> None:
    page = asking(api)
    page.main.text_area[0].set_value("")
    page = press(page, "Approve")
    assert any("analyze_sentiment: text" in error.value for error in page.main.error)
    assert entries(tmp_path / "diary.txt") == []


def test_what_is_denied_is_not_done_and_the_answer_says_why(api: Api, tmp_path: Path) -> None:
    page = asking(api)
    page.main.text_input[0].set_value("too private")
    page = press(page, "Don't do it")
    assert "too private" in words(page)
    assert entries(tmp_path / "diary.txt") == []
