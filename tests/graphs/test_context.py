"""What the answering model gets to see."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from graphs.context import before, response_messages, size
from graphs.plan import StepResult


def result(summary: str, error: str = "", fix: str = "") -> StepResult:
    return StepResult(
        tool="t", fields={}, summary=summary, artifacts=[], receipts=[], error=error, error_fix=fix, error_code=""
    )


def asked(text: str, *files: str) -> HumanMessage:
    return HumanMessage(text, additional_kwargs={"files": list(files)})


def answered(text: str, *facts: str) -> AIMessage:
    return AIMessage(text, additional_kwargs={"facts": list(facts)})


def test_the_message_comes_last_with_its_files_and_what_the_tools_found() -> None:
    shown = response_messages(
        [asked("How many?", "a.jpg")], [result("3 dogs"), result("", "No voice.", "Get one.")], {}
    )
    assert shown[0].type == "system"
    assert shown[-1].content == (
        "How many?\n\n[Attached: a.jpg]\n\n"
        "Results of the tools that ran for this message:\n- 3 dogs\n- FAILED: No voice. Get one."
    )


def test_what_tools_found_in_earlier_turns_still_counts() -> None:
    shown = response_messages([asked("How many?"), answered("Three.", "3 dogs"), asked("Sure?")], [], {})
    assert [message.type for message in shown] == ["system", "human", "ai", "human"]
    assert "- 3 dogs" in str(shown[1].content)


def test_a_long_conversation_is_cut_at_its_beginning() -> None:
    turns = [message for n in range(500) for message in (asked(f"question {n} " * 20), answered(f"answer {n} " * 20))]
    shown = response_messages([*turns, asked("And now?")], [], {})
    assert len(shown) < 100
    assert shown[1].type == "human"
    assert "answer 499" in str(shown[-2].content)


def test_a_text_file_is_shown_and_a_long_one_is_cut() -> None:
    shown = response_messages([asked("Summarise it")], [], {"letter.txt": "Dear all. " * 10_000})
    content = str(shown[-1].content)
    assert "[letter.txt]\nDear all." in content
    assert content.endswith(" ...")
    assert len(content) < 10_000


def test_a_long_finding_is_cut_and_everything_when_less_is_asked_for() -> None:
    turns = [message for n in range(50) for message in (asked(f"question {n} " * 20), answered("yes"))]
    usual = response_messages([*turns, asked("What?")], [result("word " * 10_000)], {"a.txt": "x" * 10_000})
    less = response_messages([*turns, asked("What?")], [result("word " * 10_000)], {"a.txt": "x" * 10_000}, share=0.25)
    assert len(str(usual[-1].content)) < 17_000
    assert len(str(less[-1].content)) < 4_500
    assert 1 < len(less) < len(usual)


def test_the_planner_sees_the_end_of_the_conversation_in_short() -> None:
    assert before([asked("a" * 1_000), answered("b")]) == f"user: {'a' * 300} ...\nassistant: b"


def test_what_was_said_long_ago_stands_in_the_first_message_in_short() -> None:
    shown = response_messages([asked("a"), answered("b"), asked("c")], [], {}, summary="- The dog is Bruno.")
    assert [message.type for message in shown] == ["system", "human", "ai", "human"]
    assert shown[1].content == "[What was said before, in short]\n- The dog is Bruno.\n\na"
    assert "- The dog is Bruno." in str(
        response_messages([asked("c")], [], {}, summary="- The dog is Bruno.")[1].content
    )
    assert before([asked("c")], "- The dog\nis Bruno.") == "long ago: - The dog is Bruno.\nuser: c"


def test_what_memory_recalled_stands_with_the_message() -> None:
    shown = response_messages([asked("a")], [], {}, memories=["Likes tea.", "Lives in Porto."])
    assert str(shown[-1].content) == "a\n\nWhat you remember that may matter:\n- Likes tea.\n- Lives in Porto."


@pytest.mark.parametrize("window", [1_024, 2_048, 8_192, 32_768])
def test_everything_at_once_fits_into_every_window(window: int) -> None:
    turns = [
        message for n in range(500) for message in (asked(f"question {n} " * 20), answered("yes " * 50, "f" * 500))
    ]
    shown = response_messages(
        [*turns, asked("And now?")],
        [result("word " * 50_000)],
        {"a.txt": "x" * 100_000, "b.txt": "short"},
        summary="- fact\n" * 10_000,
        memories=["memory " * 1_000] * 10,
        window=window,
    )
    assert size(shown) <= window - min(512, window // 4)
    assert "short" in str(shown[-1].content)
