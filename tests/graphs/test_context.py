"""What the answering model gets to see."""

from __future__ import annotations

from langchain_core.messages import AIMessage, HumanMessage

from graphs.context import before, response_messages
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
