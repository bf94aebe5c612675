"""The page against a real server, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_server import ENDLESS, HELLO, PEOPLE, Api, serving
from streamlit.testing.v1 import AppTest

import ui

PAGE = Path(ui.__file__).with_name("app.py")
BROKEN = {"when": "Break", "calls": [{"tool": "transcribe_audio", "audio": "jfk.flac"}]}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    with serving(tmp_path, [HELLO, PEOPLE, ENDLESS, BROKEN]) as address:
        monkeypatch.setenv("SENSORIUM_API", address)
        api = Api(address)
        yield api
        api.http.close()


def opened(thread: str = "") -> AppTest:
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    if thread:
        page.query_params["thread"] = thread
    return page.run()


def words(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(element.value for element in (*page.main.markdown, *page.main.text, *page.main.caption))


def test_an_empty_page_says_what_can_be_done(api: Api) -> None:
    page = opened()
    assert page.title[0].value == "What shall we look at?"
    assert "Detect objects" in words(page)
    assert page.sidebar.selectbox[0].options == ["Automatic", "A script"]


def test_a_message_is_answered_and_the_address_names_the_conversation(api: Api) -> None:
    page = opened()
    page.chat_input[0].set_value("Hello").run()
    assert "Hello, I am Sensorium." in words(page)
    thread = api.http.get("/api/threads").json()["threads"][0]["id"]
    assert thread in page.query_params["thread"]
    assert page.sidebar.button(key=f"thread-{thread}").label == "Hello"


def test_a_reload_shows_the_conversation_again(api: Api) -> None:
    thread = api.thread()
    api.run_to_end("How many people are in this picture?", "astronaut.jpg", thread=thread)
    page = opened(thread)
    shown = words(page)
    assert "See: " in shown
    assert len(page.get("image")) == 2
    assert page.main.expander[0].label == "Detect objects"
    assert any("NanoDet" in element.value for element in page.sidebar.markdown)


def test_a_reload_in_mid_answer_takes_up_the_run_which_stop_ends(api: Api) -> None:
    thread = api.thread()
    run = api.start("Go on endlessly", thread=thread)
    api.stream(run, stop_after=8)
    page = AppTest.from_file(str(PAGE), default_timeout=3)
    page.query_params["thread"] = thread
    with pytest.raises(RuntimeError, match="timed out"):  # the script follows the run as long as it works
        page.run()
    assert api.http.get(f"/api/runs/{run}").json()["status"] == "running"
    api.http.post(f"/api/runs/{run}/cancel")
    again = opened(thread)
    assert "word0 word1" in words(again)
    assert "Stopped." in words(again)
    assert not again.chat_input[0].disabled


def test_a_suggestion_is_sent_once(api: Api) -> None:
    page = opened()
    page.button(key="suggestion-0").click().run()
    assert "Done." in words(page)
    page.sidebar.button(key="new").click().run()
    assert page.title[0].value == "What shall we look at?"
    assert len(api.http.get("/api/threads").json()["threads"]) == 1


def test_what_can_not_be_done_is_one_clear_line_and_can_be_tried_again(api: Api) -> None:
    thread = api.thread()
    api.run_to_end("Break this", "jfk.flac", thread=thread)
    page = opened(thread)
    assert len(page.error) == 1
    assert "sensorium models pull" in page.error[0].value.replace("\\", "")
    page.button(key="again").click().run()
    assert len(api.http.get(f"/api/threads/{thread}").json()["runs"]) == 2


def test_a_refused_message_is_not_lost(api: Api) -> None:
    page = opened()
    page.sidebar.selectbox[0].select("scripted")
    text = "Hello" + "!" * 20_000
    page.chat_input[0].set_value(text).run()
    assert "Not sent" in page.error[0].value
    assert page.code[0].value == text


def test_a_conversation_that_is_gone_gives_an_empty_page(api: Api) -> None:
    page = opened("nope")
    assert page.title[0].value == "What shall we look at?"
    assert not page.error


def test_text_of_others_has_no_markup(api: Api) -> None:
    thread = api.thread()
    api.run_to_end("Hello ![x](https://elsewhere.example/x.png) $a$", thread=thread)
    page = opened(thread)
    assert page.main.text[0].value == "Hello ![x](https://elsewhere.example/x.png) $a$"
    assert "![x](" not in page.sidebar.button(key=f"thread-{thread}").label.replace("\\!", "")


def test_a_server_that_is_not_there_is_named_with_what_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_API", "http://127.0.0.1:9")
    page = opened()
    assert not page.exception
    assert "sensorium up" in page.error[0].value
