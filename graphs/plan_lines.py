"""Plans as a few lines of text, for chat models that were tuned to write them.

    Files: A image gel.png; B audio lab.wav          read_text image=A
    Request: What do the lanes say? Then type up      transcribe_audio audio=B
    lab.wav and put it into French.                   translate text=$2 target_language="French"

A line is a call: the tool, and its arguments in the order of its signature. A letter is a file or an earlier result,
``$1`` the result of the first line, and text in quotes (as in JSON) is taken from the request. ``answer`` alone: no
tool.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import ascii_uppercase

from graphs.actions import fixed_values
from graphs.plan import Offer, literal
from tools.spec import ToolSpec
from tools.types import MediaKind

SYSTEM = "Plan."
"""The system message that such models were tuned with."""
ANSWER = "answer"
MOST_OFFERS = len(ascii_uppercase)
MOST_CALLS = 8

_ARGUMENT = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')
_STRING = r'string ::= "\"" ( [^"\\\x00-\x1f] | "\\" ["\\/bfnrt] )+ "\""'

Calls = Sequence[tuple[str, Mapping[str, str]]]
"""Tools with their arguments: names of offers, ``$1`` for the first call's result, fixed values, or text."""


def asked(request: str, offers: Sequence[Offer]) -> str:
    """The user message that such a model reads. Only the first `MOST_OFFERS` offers are shown."""
    named = list(zip(ascii_uppercase, offers, strict=False))
    lines = [
        f"{title}: " + "; ".join(f"{letter} {offer.kind} {offer.name}" for letter, offer in some)
        for title, some in (
            ("Files", [pair for pair in named if not pair[1].earlier]),
            ("Earlier", [pair for pair in named if pair[1].earlier]),
        )
        if some
    ]
    return "\n".join([*lines, f"Request: {request}"])


def written(calls: Calls, offers: Sequence[Offer], tools: Mapping[str, ToolSpec]) -> str:
    """The lines that stand for some calls."""
    letters = {offer.name: letter for letter, offer in zip(ascii_uppercase, offers, strict=False)}
    return "\n".join(_line(tools[tool], args, letters) for tool, args in calls) or ANSWER


def _line(spec: ToolSpec, args: Mapping[str, str], letters: Mapping[str, str]) -> str:
    parts = [spec.name]
    for name in spec.parameters.model_fields:
        if (value := args.get(name)) is not None:
            is_plain = re.fullmatch(r"\$\d", value) or value in fixed_values(spec, name)
            shown = letters.get(value) or (value if is_plain else json.dumps(value, ensure_ascii=False))
            parts.append(f"{name}={shown}")
    return " ".join(parts)


def understood(text: str, offers: Sequence[Offer]) -> list[tuple[str, dict[str, str]]]:
    """The calls that some lines stand for. What a model that keeps to `grammar` writes is always understood."""
    names = {letter: offer.name for letter, offer in zip(ascii_uppercase, offers, strict=False)}
    calls = list[tuple[str, dict[str, str]]]()
    for line in text.split("\n"):  # other ends of lines may stand in a text
        tool, _, rest = line.strip().partition(" ")
        if tool and tool != ANSWER:
            given = {name: _value(value, names) for name, value in _ARGUMENT.findall(rest)}
            calls.append((tool, given))
    return calls


def _value(shown: str, names: Mapping[str, str]) -> str:
    if shown.startswith('"'):
        return literal(str(json.loads(shown, strict=False)))
    return names.get(shown, shown)


def grammar(tools: Iterable[ToolSpec], offers: Sequence[Offer]) -> str:
    """The plans that are possible in a turn, as llama.cpp takes a grammar (GBNF).

    Files have the right type in them. Whether ``$1`` has is for the planner's checks to say.
    """
    rules = {spec.name: rule for spec in tools if (rule := _rule(spec, offers))}
    names = {tool: f"call-{number}" for number, tool in enumerate(rules)}
    return "\n".join(
        [
            f'root ::= "{ANSWER}" | call ("\\n" call){{0,{MOST_CALLS - 1}}}',
            f"call ::= {' | '.join(names.values())}",
            *(f"{names[tool]} ::= {rule}" for tool, rule in rules.items()),
            f'step ::= "$" [1-{MOST_CALLS}]',
            _STRING,
        ]
    )


def _rule(spec: ToolSpec, offers: Sequence[Offer]) -> str:
    """One call; the parameters of which it gives exactly one are alternatives where the first of them stands."""
    parts, either = [json.dumps(spec.name)], list(_either(spec, offers))
    is_open = bool(either)
    for name in spec.parameters.model_fields:
        if name in spec.one_of:
            if is_open:
                parts.append(f"( {' | '.join(either)} )")
            is_open = False
        elif spec.is_planned(name):
            value = f'" {name}=" ( {_values(spec, name, offers)} )'
            parts.append(value if name in spec.required else f"( {value} )?")
    return " ".join(parts)


def _either(spec: ToolSpec, offers: Sequence[Offer]) -> Iterator[str]:
    for name in spec.parameters.model_fields:
        if name in spec.one_of:
            yield f'" {name}=" ( {_values(spec, name, offers)} )'


def _values(spec: ToolSpec, name: str, offers: Sequence[Offer]) -> str:
    kind: MediaKind | None = spec.media_parameters.get(name)
    if kind is None:
        fixed = fixed_values(spec, name)
        return " | ".join(json.dumps(value) for value in fixed) if fixed else "string"
    letters = [f'"{letter}"' for letter, offer in zip(ascii_uppercase, offers, strict=False) if offer.kind == kind]
    return " | ".join([*letters, "step", *(["string"] if kind == "text" else [])])
