"""What the page does in a browser, with a script for a chat model: everything but the quality of answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from chat_page import ChatPage
from playwright.sync_api import expect

MEDIA = Path(__file__).parents[1] / "media"
RESULTS = Path(__file__).parents[2] / "test-results"
Tab = Callable[[str], ChatPage]


def test_a_greeting_is_answered(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    expect(page.ask("Hello")).to_contain_text("Hello, I am Sensorium.")
    assert page.thread_id
    assert page.tools_used() == ""


def test_a_picture_is_attached_looked_at_and_shown_with_what_was_found(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    answer = page.ask("How many people are in this picture?", MEDIA / "astronaut.jpg")
    expect(answer).to_contain_text("1 person")
    assert "Detect objects" in page.tools_used()
    expect(page.questions.last.locator("img")).to_be_visible()
    expect(answer.locator("img")).to_be_visible()
    assert answer.locator("img").evaluate("picture => picture.naturalWidth") > 0


def test_a_reload_in_mid_answer_loses_nothing(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    page.send("Count slowly")
    page.wait_until_writing("word3")
    page.page.reload()
    answer = page.wait_for_answer()
    expect(answer).to_contain_text(" ".join(f"word{n}" for n in range(40)))
    expect(page.questions).to_have_count(1)


def test_stop_stops_and_what_was_written_stays(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    page.send("Go on endlessly")
    page.wait_until_writing("word5")
    page.stop_button.click()
    answer = page.wait_for_answer()
    expect(answer).to_contain_text("Stopped.")
    expect(answer).to_contain_text("word0 word1 word2 word3 word4 word5")
    page.new_conversation()
    expect(page.ask("Hello")).to_contain_text("Hello, I am Sensorium.")


def test_another_conversation_can_be_opened_while_one_is_answered(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    page.send("Count slowly, please")
    page.wait_until_writing("word1")
    page.new_conversation()
    expect(page.ask("Hello, you")).to_contain_text("Hello, I am Sensorium.")
    page.open_conversation("Count slowly, please")
    expect(page.wait_for_answer()).to_contain_text("word39")


def test_two_windows_show_the_same_answer_being_made(scripted_up: str, tab: Tab) -> None:
    one = tab(scripted_up)
    one.send("Count slowly in two windows")
    one.wait_until_writing("word1")
    two = tab(scripted_up)
    two.open_conversation("Count slowly in two windows")
    for page in (one, two):
        expect(page.wait_for_answer()).to_contain_text("word39")


def test_a_conversation_is_deleted_for_good(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    page.ask("Hello, delete me")
    page.delete_conversation("Hello, delete me")
    expect(page.conversations.filter(has_text="Hello, delete me")).to_have_count(0)
    expect(page.questions).to_have_count(0)


def test_a_message_is_edited_and_answered_in_a_conversation_of_its_own(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    page.ask("Hello, first")
    page.ask("Hello, second")
    before = page.thread_id
    page.edit("Hello, second", " ")
    expect(page.page.get_by_role("dialog").get_by_test_id("stAlert")).to_contain_text("The message is empty")
    page.page.keyboard.press("Escape")
    page.edit("Hello, second", "Hello, edited")
    expect(page.questions.last).to_contain_text("Hello, edited", timeout=30_000)
    expect(page.wait_for_answer()).to_contain_text("Hello, I am Sensorium.")
    assert page.thread_id != before
    expect(page.questions.first).to_contain_text("Hello, first")
    page.page.get_by_role("button", name="Branched from an earlier conversation").click()
    expect(page.questions.last).to_contain_text("Hello, second")
    assert page.thread_id == before


def test_who_did_not_like_an_answer_is_asked_why(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    page.ask("Hello, how was it?").get_by_role("radio", name="Thumbs down").click()
    expect(page.page.get_by_placeholder("What was wrong?")).to_be_visible(timeout=30_000)


def test_permissions_are_shown(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    page.page.get_by_role("button", name="Permissions and usage").click()
    chosen = page.page.get_by_role("dialog").get_by_role("combobox", name="Clone voice")
    expect(chosen).to_have_value("Asks first", timeout=30_000)


def test_a_voice_message_is_recorded_and_sent(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    page.record(seconds=1.5)
    expect(page.questions.last.locator("audio")).to_be_visible(timeout=30_000)
    expect(page.questions.last).to_contain_text("Transcribe this recording.")


def test_the_microphone_the_attachments_and_the_stop_button_have_names(scripted_up: str, tab: Tab) -> None:
    page = tab(scripted_up)
    tree = page.page.locator("body").aria_snapshot()
    for name in ("New conversation", "Chat model"):
        assert name in tree
    unnamed = re.findall(r"- button$", tree, re.MULTILINE)
    assert len(unnamed) == 0, tree


def test_a_picture_is_seen_while_it_is_made(painting_up: tuple[str, Path], tab: Tab) -> None:
    address, let_on = painting_up
    page = tab(address)
    page.send("Draw a kite")
    preview = page.page.get_by_alt_text("Generate image: how far it is")
    expect(preview).to_be_visible(timeout=60_000)
    assert preview.evaluate("picture => picture.naturalWidth") > 0
    page.page.screenshot(path=RESULTS / "preview-while-painting.png")
    let_on.touch()
    answer = page.wait_for_answer()
    expect(answer).to_contain_text("There it is.")
    expect(page.page.get_by_alt_text("picture.png")).to_be_visible()
    expect(preview).to_have_count(0)
