"""Calls that a model prints as text are found in every shape that is common, and prose about tools is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.printed_calls import LONGEST, PrintedCall, printed_calls

TOOLS = {"speak", "translate", "answer"}
SPEAK = PrintedCall("speak", {"text": "hello"})
TRANSLATE = PrintedCall("translate", {"text": "$1", "target_language": "French"})


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "speak", "arguments": {"text": "hello"}}',
        '{"tool": "speak", "text": "hello"}',
        '{"tool": "speak", "args": {"text": "hello"}}',
        '{"id": "call_1", "tool": "speak", "text": "hello"}',
        '{"action": "speak", "action_input": {"text": "hello"}}',
        '{"name": "speak", "parameters": {"text": "hello"}}',
        '{"name": "functions.speak", "arguments": {"text": "hello"}}',
        '{"name": "speak", "arguments": "{\\"text\\": \\"hello\\"}"}',
        '{"type": "function", "function": {"name": "speak", "arguments": "{\\"text\\": \\"hello\\"}"}}',
        '{"tool_calls": [{"function": {"name": "speak", "arguments": {"text": "hello"}}}]}',
        '{"speak": {"text": "hello"}}',
        '[{"name": "speak", "arguments": {"text": "hello"}}]',
        '```json\n{"name": "speak", "arguments": {"text": "hello"}}\n```',
        '```json\n{"name": "speak", "arguments": {"text": "hello"}}',
        '```\n{\n  "name": "speak",\n  "arguments": {\n    "text": "hello"\n  }\n}\n```',
        '``` json\n{"name": "speak", "arguments": {"text": "hello"}}```',
        '`{"tool": "speak", "text": "hello"}`',
        '<tool_call>\n{"name": "speak", "arguments": {"text": "hello"}}\n</tool_call>',
        '<tool_call>\n```json\n{"name": "speak", "arguments": {"text": "hello"}}\n```\n</tool_call>',
        '<tool_call>{"name": "speak", "arguments": {"text": "hello"}}',
        '<function=speak>{"text": "hello"}</function>',
        "<tool_call>\n<function=speak>\n<parameter=text>\nhello\n</parameter>\n</function>\n</tool_call>",
        '<|python_tag|>{"name": "speak", "parameters": {"text": "hello"}}<|eom_id|>',
        '<|python_tag|>speak(text="hello")',
        '[TOOL_CALLS] [{"name": "speak", "arguments": {"text": "hello"}}]',
        '[speak(text="hello")]',
        "speak(text='hello')",
        'functions.speak(text="hello",)',
        '```tool_code\nspeak(text="hello")\n```',
        "{'name': 'speak', 'arguments': {'text': 'hello',},}",
        '{name: "speak", arguments: {text: "hello"}} // done',
        '{"name": "speak", /* aloud */ "arguments": {"text": "hello"} # so\n}',
        'Sure! I will read it aloud:\n\n{"name": "speak", "arguments": {"text": "hello"}}\n\nAnything else?',
        'The next call is: {"tool": "speak", "text": "hello"}.',
        '<think>Or {"tool": "translate"}?\n{"tool": "translate"}</think>\n{"tool": "speak", "text": "hello"}',
        '{"tool": "translate"} is wrong.\n</think>{"tool": "speak", "text": "hello"}',
    ],
)
def test_one_call_is_found(text: str) -> None:
    assert printed_calls(text, TOOLS) == [SPEAK]


@pytest.mark.parametrize(
    "text",
    [
        (
            '[{"name": "speak", "arguments": {"text": "hello"}}, {"tool": "translate", "text": "$1", '
            '"target_language": "French"}]'
        ),
        '{"tool":"speak","text":"hello"}\n{"tool":"translate","text":"$1","target_language":"French"}',
        '[speak(text="hello"), translate(text="$1", target_language="French")]',
        (
            '<tool_call>{"name": "speak", "arguments": {"text": "hello"}}</tool_call>\n'
            '<tool_call>{"name": "translate", "arguments": {"text": "$1", "target_language": "French"}}</tool_call>'
        ),
        (
            'First:\n```json\n{"tool": "speak", "text": "hello"}\n```\nthen:\n'
            '```json\n{"tool": "translate", "text": "$1", "target_language": "French"}\n```'
        ),
        '{"plan": [{"tool": "speak", "text": "hello"}, {"translate": {"text": "$1", "target_language": "French"}}]}',
    ],
)
def test_several_come_in_their_order(text: str) -> None:
    assert printed_calls(text, TOOLS) == [SPEAK, TRANSLATE]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can speak and translate.",
        "Use translate(text, target_language) to put a text into another language.",
        "- speak(text): reads a text aloud",
        "speak(text)",
        "speak()",
        "Call `speak(text='hello')` and I will read it.",
        'With {"tool": "speak", "text": "hello"} you would hear it.',
        'For example {"name": "speak", "arguments": {"text": "hello"}}',
        '{"tool": "speak", "text": "hello"} is how that is written.',
        '{"name": "Ada", "age": 36}',
        '{"name": "Ada", "parameters": {"age": 36}}',
        '{"name": "speak", "description": "reads aloud"}',
        '{"name": "speak", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}',
        '```bash\nspeak(text="hello")\n```',
        '```python\ndef f():\n    return 1\n\nspeak(text="hello")\n```',
        '<think>{"tool": "speak", "text": "hello"}',
        '{"name": "speak", "arguments": {"text": "hel',
        '[{"tool": "speak", "text": "hello"}, {"tool": "tran',
        '[speak(text="hello"), translate(text=',
        '[{"tool": "speak", "text": "hello"}, "and so on"]',
        '{"name": "speak", "arguments": ["hello"]}',
    ],
)
def test_what_is_no_call_is_left_alone(text: str) -> None:
    assert printed_calls(text, TOOLS) == []


def test_inside_marks_that_only_calls_have_any_name_counts() -> None:
    call = '{"name": "fly", "arguments": {}}'
    assert printed_calls(f"<tool_call>{call}</tool_call>", TOOLS) == [PrintedCall("fly", {})]
    assert printed_calls(call, TOOLS) == []


def test_values_keep_their_types() -> None:
    text = '{tool: "speak", a: 1, b: -2.5e1, c: True, d: null, e: [\'x\', {f: false}], g: "\\ud83d\\ude00\\ud83d"}'
    (call,) = printed_calls(text, TOOLS)
    assert call.args == {
        "a": 1,
        "b": -25.0,
        "c": True,
        "d": None,
        "e": ["x", {"f": False}],
        "g": "😀\N{REPLACEMENT CHARACTER}",
    }


def test_what_is_nested_without_end_is_no_call() -> None:
    assert printed_calls("[" * LONGEST, TOOLS) == []
    assert printed_calls('{"tool":' * LONGEST, TOOLS) == []


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    assert isinstance(printed_calls(text, TOOLS), list)


PIECES = [*"[]{}()<>:,=`'\"\\|/*#\n a1.-", "speak", "```json\n", "```", "<tool_call>", "</tool_call>", "<|python_tag|>"]
PIECES += [
    '"tool": "speak"',
    '"name": "speak", "arguments": ',
    "<function=speak>",
    "<think>",
    "</think>",
    "1e999",
    "\\u",
]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_nothing_that_looks_like_a_call_makes_it_fail(text: str) -> None:
    assert all(isinstance(call.tool, str) and isinstance(call.args, dict) for call in printed_calls(text, TOOLS))


@given(
    st.dictionaries(st.from_regex(r"[a-z]\w{0,8}", fullmatch=True), st.text(st.characters(exclude_categories=["Cs"])))
)
def test_any_text_may_be_an_argument(args: dict[str, str]) -> None:
    printed = json.dumps({"name": "speak", "arguments": args})
    assert printed_calls(f"Here it is:\n{printed}\nDone.", TOOLS) == [PrintedCall("speak", args)]
