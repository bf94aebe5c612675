"""However long the message, the model sees what its tools found, and all of what failed."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage

from engines.errors import InputError
from graphs.budget import fit, tokens
from graphs.context import response_messages
from graphs.plan import StepResult, failure

PLAIN = "All the words in here are plain. "


def found(summary: str) -> StepResult:
    return StepResult(
        tool="t", fields={}, summary=summary, artifacts=[], receipts=[], error="", error_fix="", error_code=""
    )


def shown(results: list[StepResult], said: str, window: int, texts: dict[str, str] | None = None) -> str:
    return str(response_messages([HumanMessage(said)], results, texts or {}, window=window)[-1].content)


@pytest.mark.parametrize(
    ("said", "window"),
    [
        (PLAIN * 606, 8_192),
        (PLAIN * 606, 6_144),
        ("天气很好我们去公园玩" * 600, 8_192),
        ("a[i] = b[j];\n" * 900, 8_192),
    ],
)
def test_what_failed_is_told_whole(said: str, window: int) -> None:
    reason = (
        "translate: text: String should have at most 20000 characters, and this one has rather more than that. " * 3
    )
    failures = [failure("translate", InputError(reason, fix="Give less.")), failure("speak", InputError("No voice."))]
    told = shown(failures, said, window)
    assert f"- FAILED: {reason} Give less." in told
    assert "- FAILED: No voice." in told


@pytest.mark.parametrize("window", [6_144, 1_024])
def test_no_result_and_no_text_is_shown_empty(window: int) -> None:
    told = shown([found("3 dogs"), found("one cat " * 500)], PLAIN * 606, window, {"a.txt": "Dear all, " * 500})
    assert "- 3 dogs" in told
    assert "- one cat one cat" in told
    assert "[a.txt]\nDear all, Dear all" in told


def test_results_stay_in_the_order_of_their_steps() -> None:
    results = [found("first"), failure("speak", InputError("second.")), found("third")]
    told = shown(results, "Go", 8_192)
    assert told.endswith("- first\n- FAILED: second. \n- third")


def test_at_least_so_much_is_kept_of_every_text() -> None:
    kept = fit(["short", "a " * 1_000, "b " * 1_000], 0, least=20)
    assert kept[0] == "short"
    assert all(10 < tokens(text) <= 30 for text in kept[1:])
