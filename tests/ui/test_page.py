"""The page against a real server, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
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
    text = "Hello" + "!" * 20_000
    page.chat_input[0].set_value(text).run()
    assert "Not sent" in page.error[0].value
    assert page.code[0].value == text


def test_a_conversation_that_is_gone_gives_an_empty_page(api: Api) -> None:
    page = opened("nope")
    assert page.title[0].value == "What shall we look at?"
    assert not page.error


def test_a_branch_leads_back_to_where_it_branched_off(api: Api) -> None:
    thread = api.thread()
    api.run_to_end("Hello", thread=thread)
    run = api.start("Bye", thread=thread)
    api.stream(run)
    fork = {"run_id": run, "text": "Hello again"}
    branch = api.http.post(f"/api/threads/{thread}/fork", json=fork).raise_for_status().json()
    api.stream(branch["run_id"])
    page = opened(branch["thread_id"])
    assert [text.value for text in page.main.text] == ["Hello", "Hello again"]
    page.button(key="origin").click().run()
    assert [text.value for text in page.main.text] == ["Hello", "Bye"]
    api.http.delete(f"/api/threads/{thread}").raise_for_status()
    assert "has been deleted" in words(opened(branch["thread_id"]))


def test_an_answer_is_replayed_and_compared(api: Api) -> None:
    thread = api.thread()
    run = api.start("Hello", thread=thread)
    api.stream(run)
    page = opened(thread)
    page.button(key=f"replay-{run}").click().run()
    assert [text.value for text in page.main.text] == ["Hello"]
    (fork,) = [each["id"] for each in api.http.get("/api/threads").json()["threads"] if each["id"] != thread]
    (replay,) = api.http.get(f"/api/threads/{fork}").json()["runs"]
    api.stream(replay["id"])
    assert "Plan: the same. Answer: the same." in words(opened(fork))
    api.http.delete(f"/api/threads/{thread}").raise_for_status()
    st.cache_data.clear()
    assert "Replay of an answer that has been deleted." in words(opened(fork))


def test_an_answer_is_rated_and_the_reason_is_kept(api: Api) -> None:
    def said() -> list[tuple[str, str]]:
        found = api.http.get("/api/feedback").json()["feedback"]
        return [(each["rating"], each["comment"]) for each in found]

    thread = api.thread()
    run = api.start("Hello", thread=thread)
    api.stream(run)
    page = opened(thread)
    page.feedback(key=f"thumb-{run}").set_value(0).run()
    assert said() == [("down", "")]
    page.text_input(key=f"why-{run}").set_value("Too short, größe").run()
    assert said() == [("down", "Too short, größe")]
    again = opened(thread)
    assert again.feedback(key=f"thumb-{run}").value == 0
    again.feedback(key=f"thumb-{run}").set_value(1).run()
    assert [rating for rating, _ in said()] == ["up"]
    again.feedback(key=f"thumb-{run}").set_value(None).run()
    assert said() == []


def test_the_chat_model_that_is_chosen_holds_for_all_turns(api: Api) -> None:
    page = opened()
    page.sidebar.selectbox(key="model").select("scripted").run()
    assert api.http.get("/api/me").json()["model"] == "scripted"
    again = opened()
    assert again.sidebar.selectbox(key="model").value == "scripted"
    again.sidebar.selectbox(key="model").select("auto").run()
    assert api.http.get("/api/me").json()["model"] is None


def test_a_reason_survives_a_change_of_mind(api: Api) -> None:
    thread = api.thread()
    run = api.start("Hello", thread=thread)
    api.stream(run)
    api.http.put(f"/api/runs/{run}/feedback", json={"rating": "down", "comment": "Too short"}).raise_for_status()
    page = opened(thread)
    for thumb in (1, 0):
        page.feedback(key=f"thumb-{run}").set_value(thumb).run()
    (said,) = api.http.get("/api/feedback").json()["feedback"]
    assert (said["rating"], said["comment"]) == ("down", "Too short")


def test_an_address_that_names_no_conversation_opens_an_empty_page(api: Api) -> None:
    for name in ("../me", "a/../../models", "x?y=#"):
        page = opened(name)
        assert not page.exception
        assert page.title[0].value == "What shall we look at?"


def test_what_a_tool_may_do_is_chosen_and_usage_is_shown(api: Api) -> None:
    api.run_to_end("Hello")
    page = opened()
    page.button(key="permissions").click().run()
    assert page.selectbox(key="policy-clone_voice").value == "ask"
    page.selectbox(key="policy-clone_voice").set_value("deny").run()
    chosen = [each for each in api.http.get("/api/me").json()["approval"] if each["chosen_by"] == "user"]
    assert [(each["tool"], each["policy"]) for each in chosen] == [("clone_voice", "deny")]
    again = opened()
    again.button(key="permissions").click().run()
    assert "scripted: 1 answer" in "\n".join(element.value for element in again.caption)


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
