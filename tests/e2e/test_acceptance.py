"""What a user does on the first day, with the embedded models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from chat_page import ChatPage
from playwright.sync_api import expect

MEDIA = Path(__file__).parents[1] / "media"
Tab = Callable[[str], ChatPage]

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]


def test_hello_needs_no_tool(real_up: str, tab: Tab) -> None:
    page = tab(real_up)
    answer = page.ask("Hello! Who are you?")
    assert len(answer.inner_text()) > 10
    assert page.tools_used() == ""
    assert not page.problems()


def test_people_in_a_photo_are_counted(real_up: str, tab: Tab) -> None:
    page = tab(real_up)
    answer = page.ask("How many people are in this photo?", MEDIA / "astronaut.jpg")
    assert "Detect objects" in page.tools_used()
    expect(page.last_text).to_contain_text("1")
    expect(answer.locator("img")).to_be_visible()
    assert not page.problems()


def test_a_recording_becomes_spanish_speech(real_up: str, tab: Tab) -> None:
    page = tab(real_up)
    page.ask("Transcribe this recording, translate it into Spanish and read it aloud.", MEDIA / "jfk.flac")
    used = page.tools_used()
    assert used.index("Transcribe") < used.index("Translate") < used.index("Speak")
    assert page.audio_count() == 1
    assert not page.problems()


def test_a_review_is_judged(real_up: str, tab: Tab) -> None:
    page = tab(real_up)
    answer = page.ask("Is this review positive or negative? 'The room was dirty and the staff rude. Never again.'")
    assert "sentiment" in page.tools_used().lower()
    assert "negative" in answer.inner_text().lower()


def test_a_question_may_follow_in_the_same_conversation(real_up: str, tab: Tab) -> None:
    page = tab(real_up)
    page.ask("What is in this picture?", MEDIA / "chelsea.jpg")
    thread = page.thread_id
    answer = page.ask("How many cats are in it?")
    assert page.thread_id == thread
    expect(page.questions).to_have_count(2)
    assert "1" in answer.inner_text() or "one" in answer.inner_text().lower()
