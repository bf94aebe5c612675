"""Which turns memory reads, and how a memory is shown to the models."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from langchain_core.messages import HumanMessage

from graphs.context import response_messages
from graphs.recall import as_line
from graphs.remember import is_personal
from memory.longterm.types import MemoryInfo


@pytest.mark.parametrize(
    "message",
    [
        "I'm allergic to nuts",
        "we moved to Lyon",
        "Ich wohne in Graz.",
        "mi hermana se llama Lena",
        "Меня зовут Анна",
        "我住在柏林",
    ],
)
def test_whoever_speaks_of_themselves_may_say_something_to_keep(message: str) -> None:
    assert is_personal(message)


@pytest.mark.parametrize(
    "message", ["What is the capital of Norway?", "count the people", "paint two lighthouses", "hi"]
)
def test_most_messages_need_not_be_read(message: str) -> None:
    assert not is_personal(message)


def test_a_memory_says_whom_it_is_about_and_when_it_was_told() -> None:
    assert as_line(told("Is allergic to nuts.", "Tom")) == "Tom: Is allergic to nuts. (told on 2026-05-03)"
    assert as_line(told("Tom is allergic to nuts.", "Tom")) == "Tom is allergic to nuts. (told on 2026-05-03)"
    assert as_line(told("The user likes tea.", "user")) == "The user likes tea. (told on 2026-05-03)"


def test_the_answering_model_is_shown_what_is_recalled_before_what_tools_found() -> None:
    shown = str(response_messages([HumanMessage("Where do I live?")], [], {}, memories=["In Graz."])[-1].content)
    assert shown == "Where do I live?\n\nWhat you remember that may matter:\n- In Graz."


def told(text: str, about: str) -> MemoryInfo:
    day = datetime(2026, 5, 3, tzinfo=UTC)
    return MemoryInfo(
        id="m",
        kind="fact",
        text=text,
        about=about,
        context="",
        origin="turn",
        pinned=False,
        said_at=day,
        created_at=day,
        updated_at=day,
        superseded_by=None,
        superseded_at=None,
        run_id=None,
        thread_id=None,
        artifact_id=None,
    )
