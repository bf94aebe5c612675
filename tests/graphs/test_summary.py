"""What becomes of turns that the window has no room for."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from graphs.budget import Budget, tokens
from graphs.summary import ROUNDS, extract, split, summarise

WINDOW = 2_048


class Notes(BaseChatModel):
    """Writes what it is told to, or breaks; and keeps what it was shown."""

    says: str
    shown: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "notes"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        self.shown.append(messages)
        if not self.says:
            raise ConnectionError("the server has gone")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.says))])


def conversation(turns: int, words: int = 20) -> list[AnyMessage]:
    return [
        message
        for n in range(turns)
        for message in (
            HumanMessage(f"My number {n} matters. " + "And so on. " * words, id=f"q{n}"),
            AIMessage(f"Noted {n}. " + "Indeed. " * words, id=f"a{n}", additional_kwargs={"facts": [f"{n} dogs."]}),
        )
    ]


def test_nothing_is_older_while_there_is_room() -> None:
    messages = conversation(2)
    assert split(messages, WINDOW).older == ()
    assert split([], WINDOW).newer == []


def test_what_stays_begins_with_a_question_and_leaves_room_for_the_next_turns() -> None:
    messages = conversation(40)
    parts = split(messages, WINDOW)
    assert [*parts.older, *parts.newer] == messages
    assert parts.newer[0].type == "human"
    assert split(parts.newer, WINDOW).older == ()
    assert split([*parts.newer, *conversation(1)], WINDOW).older == ()


def test_the_last_turn_stays_however_long_it_is() -> None:
    messages = [*conversation(3), *conversation(1, words=5_000)]
    assert split(messages, WINDOW).newer == messages[-2:]


async def test_the_model_is_shown_the_notes_and_what_was_said_within_its_window() -> None:
    chat = Notes(says="```\n- Its name is Bruno.\n\n- 3 dogs.\n```")
    summary = await summarise("- Old news.", conversation(4), chat, WINDOW)
    assert summary == "- Its name is Bruno.\n- 3 dogs."
    (shown,) = chat.shown
    assert "My number 3 matters." in str(shown[1].content)
    assert "- Old news." in str(shown[1].content)
    assert "My number 0 matters." in str(shown[1].content)
    assert sum(tokens(str(message.text)) for message in shown) < WINDOW - 512


async def test_more_than_the_window_takes_is_shown_in_portions_and_the_oldest_by_first_sentences() -> None:
    chat = Notes(says="- Notes.")
    await summarise("", conversation(200), chat, WINDOW)
    assert len(chat.shown) == ROUNDS
    assert "- user: My number 0 matters." in str(chat.shown[0][1].content)
    assert "Notes so far:\n- Notes." in str(chat.shown[1][1].content)
    assert "My number 199 matters." in str(chat.shown[-1][1].content)
    for shown in chat.shown:
        assert sum(tokens(str(message.text)) for message in shown) < WINDOW - 512


async def test_a_summary_that_is_too_long_is_cut() -> None:
    summary = await summarise("", conversation(2), Notes(says="- fact\n" * 5_000), WINDOW)
    assert tokens(summary) <= Budget.divide(WINDOW).summary


async def test_when_the_model_fails_first_sentences_are_kept() -> None:
    summary = await summarise("- Bruno is a dog.", conversation(2), Notes(says=""), WINDOW)
    assert summary.splitlines()[:4] == [
        "- Bruno is a dog.",
        "- user: My number 0 matters.",
        "- assistant: Noted 0.",
        "- found: 0 dogs.",
    ]


def test_of_too_much_the_oldest_and_newest_statements_of_the_user_stay() -> None:
    summary = extract("- user: My dog is called Bruno.", conversation(300), limit=150)
    assert tokens(summary) <= 150
    assert "Bruno" in summary
    assert "My number 299 matters." in summary
    assert "assistant" not in summary
