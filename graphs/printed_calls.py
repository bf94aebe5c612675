"""Calls of tools that a chat model has printed as text, in the shapes that models are trained on.

Read are ``{"name": ..., "arguments": {...}}`` and its kin (`graphs.loose_json` forgives the spelling), lists of them,
``name(key="value")``, and both inside code fences, ``<tool_call>``, ``<function=name>``, ``[TOOL_CALLS]`` and
``<|python_tag|>``. A call stands apart from the prose around it: it begins a line or follows a colon, and ends its
line. Whatever else a text says about tools is no call, and neither is what was only thought (``<think>``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from graphs.loose_json import next_item, read_name, read_value, skip_space

LONGEST = 20_000
"""Characters that are looked at; no reply that plans is longer."""

_NAMES = ("name", "tool", "function", "tool_name", "function_name", "action")
_ARGUMENTS = ("arguments", "args", "parameters", "params", "input", "tool_input", "action_input")
_LISTS = ("tool_calls", "function_calls", "calls", "steps", "plan")
_BESIDE = {"id", "type", "index", "call_id", "tool_call_id"}

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_BLOCK = re.compile(
    r"<(?P<tag>tool_call|function_call)>(?P<tagged>.*?)(?:</(?P=tag)>|\Z)"
    r"|<function=(?P<function>[\w.]+)>(?P<given>.*?)(?:</function>|\Z)"
    r"|(?:<\|python_tag\|>|\[TOOL_CALLS\])(?P<rest>.*?)(?:<\|eo[mt]_id\|>|</s>|\Z)"
    r"|```[^\S\n]*(?P<language>[\w-]*)[^\S\n]*\n?(?P<fenced>.*?)(?:```|\Z)",
    re.DOTALL,
)
_PARAMETER = re.compile(r"<parameter=(\w+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_APART = re.compile(r"(?:^|:)[ \t]*`?(?=[\[{]|[\w.]+\()", re.MULTILINE)
_LINE_ENDS = re.compile(r"[ \t`,;.]*(?:(?://|#)[^\n]*)?(?:\n|\r|\Z)")
_DOTTED = re.compile(r"(?:[^\W\d]\w*\.)*([^\W\d]\w*)\(")
_LANGUAGES = {"", "json", "jsonc", "json5", "javascript", "js", "python", "py", "tool_code", "tool_call", "text"}


@dataclass(frozen=True, slots=True)
class PrintedCall:
    """A call as printed. Nothing about its arguments has been checked."""

    tool: str
    args: dict[str, Any]


def printed_calls(text: str, tools: Collection[str]) -> list[PrintedCall]:
    """The calls in the order in which they stand; empty: the text makes none. Never raises.

    ``tools`` are the names that count. Inside marks that only calls have, such as ``<tool_call>``, any name does.
    """
    text = _THOUGHT.sub("", text[:LONGEST]).rpartition("</think>")[2]
    found: list[PrintedCall] = []
    at = 0
    for block in _BLOCK.finditer(text):
        found += _apart(text[at : block.start()], tools)
        found += _in_block(block, tools)
        at = block.end()
    return found + list(_apart(text[at:], tools))


def _in_block(block: re.Match[str], tools: Collection[str]) -> list[PrintedCall]:
    if (name := block["function"]) is not None:
        return _of_function(name, block["given"])
    if block["fenced"] is None:
        body = block["tagged"] if block["tag"] else block["rest"]
        inner = _BLOCK.fullmatch(body.strip())
        if inner and inner["function"] is not None:
            return _of_function(inner["function"], inner["given"])
        return _sequence(inner["fenced"] if inner and inner["fenced"] else body, None)
    return _sequence(block["fenced"], tools) if block["language"].lower() in _LANGUAGES else []


def _of_function(name: str, given: str) -> list[PrintedCall]:
    """``<function=name>`` around a JSON object, or around ``<parameter=key>value</parameter>``."""
    if pairs := _PARAMETER.findall(given):
        return [PrintedCall(name.rpartition(".")[2], dict(pairs))]
    args = arguments_of(given) if given.strip() else {}
    return [] if args is None else [PrintedCall(name.rpartition(".")[2], args)]


def _sequence(body: str, tools: Collection[str] | None) -> list[PrintedCall]:
    """Calls and nothing else, one after the other; empty where there is anything else. ``tools`` None: any name."""
    found: list[PrintedCall] = []
    at = skip_space(body, 0)
    while at < len(body):
        try:
            calls, at = _read(body, at, tools)
        except ValueError:
            return []
        if not calls:
            return []
        found += calls
        at = skip_space(body, at)
        while body[at : at + 1] in (",", ";"):
            at = skip_space(body, at + 1)
    return found


def _apart(text: str, tools: Collection[str]) -> Iterator[PrintedCall]:
    """The calls that stand apart from the prose around them."""
    at = 0
    while begins := _APART.search(text, at):
        at = max(begins.end(), at + 1)
        try:
            calls, end = _read(text, begins.end(), tools)
        except ValueError:
            continue
        if calls and _LINE_ENDS.match(text, end):
            yield from calls
            at = end


def _read(text: str, at: int, tools: Collection[str] | None) -> tuple[list[PrintedCall], int]:
    """What stands at ``at``: a call, a list of calls, or a value that is none (no calls). Raises ValueError."""
    if _DOTTED.match(text, at):
        call, at = _read_python(text, at, tools)
        return [call], at
    if text[at : at + 1] == "[" and _DOTTED.match(text, inside := skip_space(text, at + 1)):
        calls, at, more = [], inside, True
        while more:
            call, at = _read_python(text, at, tools)
            calls.append(call)
            more, at = next_item(text, at, "]")
        return calls, at
    value, end = read_value(text, at)
    return _calls_of(value, tools), end


def _read_python(text: str, at: int, tools: Collection[str] | None) -> tuple[PrintedCall, int]:
    """``speak(text="hello")``. Without the names of its arguments it is no call. Raises ValueError."""
    head = _DOTTED.match(text, at)
    if head is None or not _counts(head[1], tools):
        raise ValueError(f"no call at {at}")
    args: dict[str, Any] = {}
    at = skip_space(text, head.end())
    more, at = (False, at + 1) if text[at : at + 1] == ")" else (True, at)
    if not more and tools is not None:
        raise ValueError(f"{head[1]}() is how prose names a tool")
    while more:
        name, at = read_name(text, at)
        at = skip_space(text, at)
        if text[at : at + 1] != "=":
            raise ValueError(f"no = at {at}")
        args[name], at = read_value(text, at + 1)
        more, at = next_item(text, at, ")")
    return PrintedCall(head[1], args), at


def _calls_of(value: Any, tools: Collection[str] | None) -> list[PrintedCall]:
    """The calls that a value stands for; a list counts when each of its items does."""
    if isinstance(value, list):
        each = [_calls_of(item, tools) for item in value]
        return [call for calls in each for call in calls] if all(each) else []
    if not isinstance(value, dict):
        return []
    for key in _LISTS:
        if isinstance(value.get(key), list):
            return _calls_of(value[key], tools)
    if isinstance(value.get("function"), dict):
        return _calls_of(value["function"], tools)
    call = _call_of(value, marked=tools is None)
    if call is None and len(value) == 1:
        ((name, args),) = value.items()
        call = PrintedCall(name, args) if isinstance(args, dict) else None
    return [call] if call and _counts(call.tool, tools) else []


def _call_of(value: dict[str, Any], *, marked: bool) -> PrintedCall | None:
    key = next((key for key in _NAMES if isinstance(value.get(key), str)), None)
    if key is None:
        return None
    name = value[key].rpartition(".")[2].strip()
    for place in _ARGUMENTS:
        args = arguments_of(value.get(place))
        if args is not None:
            return None if _is_definition(args) else PrintedCall(name, args)
    if key == "tool":  # the planner's own form: the arguments stand beside the name
        return PrintedCall(name, {k: v for k, v in value.items() if k != key and k not in _BESIDE})
    return PrintedCall(name, {}) if marked else None


def arguments_of(given: Any) -> dict[str, Any] | None:
    """The arguments of a call: an object, or a string that holds one and nothing else. None: neither."""
    if isinstance(given, str):
        try:
            value, end = read_value(given)
        except ValueError:
            return None
        given = value if skip_space(given, end) == len(given) else None
    return given if isinstance(given, dict) else None


def _is_definition(args: dict[str, Any]) -> bool:
    """Whether it is the JSON schema of a tool's parameters: a tool that is described, not called."""
    return args.get("type") == "object" and isinstance(args.get("properties"), dict)


def _counts(name: str, tools: Collection[str] | None) -> bool:
    return tools is None or name in tools
