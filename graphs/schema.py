"""The JSON schema of the next step, built anew for every decision.

What it admits is right by construction: tools that are on offer and whose inputs are there, attachments that exist,
earlier results of the right type. Decoding is constrained to it, so no model can leave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphs.plan import Offer, candidates
from memory.events import PlannedStep
from tools.spec import ToolSpec

ANSWER = "answer"
"""The pseudo-tool that ends a plan."""

MAX_TEXT = 1_500
"""Longest text a planner may write out, in characters. Without a bound small models can run on."""

Choices = Mapping[str, Sequence[str]]


def next_step_schema(
    tools: Mapping[str, ToolSpec], offers: Sequence[Offer], steps: Sequence[PlannedStep], choices: Choices
) -> dict[str, Any]:
    """Admits ``{"tool": "answer"}`` and every call that can be made now."""
    calls = (_call_schema(spec, form, tools, offers, steps, choices) for spec in tools.values() for form in spec.forms)
    end = _object({"tool": {"const": ANSWER}}, ["tool"])
    return {"anyOf": [*(schema for schema in calls if schema), end]}


def _call_schema(
    spec: ToolSpec,
    form: frozenset[str],
    tools: Mapping[str, ToolSpec],
    offers: Sequence[Offer],
    steps: Sequence[PlannedStep],
    choices: Choices,
) -> dict[str, Any] | None:
    """None: an input the tool needs is not there."""
    properties: dict[str, Any] = {"tool": {"const": spec.name}}
    required = ["tool"]
    for name in spec.parameters.model_fields:
        if name in spec.one_of and name not in form:
            continue
        kind = spec.media_parameters.get(name)
        source = spec.choices(name)
        if name not in form and not spec.is_planned(name):
            continue  # an option for users, such as a mask: a planner would fill it with whatever picture there is
        if kind:
            schema = _media_schema(kind, candidates(kind, offers, steps, tools))
            if schema is None and name in form:
                return None
        elif source:
            schema = {"enum": list(choices[source.choices])}
        else:
            schema = _written_schema(spec.parameters_schema(), name)
        if schema is not None:
            properties[name] = schema
            if name in form:
                required.append(name)
    return _object(properties, required)


def _media_schema(kind: str, names: list[str]) -> dict[str, Any] | None:
    if kind != "text":
        return {"enum": names} if names else None
    written = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
    return {"anyOf": [{"enum": names}, written]} if names else written


def _written_schema(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A parameter's own schema, without the ``null`` of an option: the planner leaves out what it doesn't set."""
    schema = dict(parameters["properties"][name])
    options = [option for option in schema.pop("anyOf", ()) if option.get("type") != "null"]
    for option in options[:1]:
        schema |= option
    if schema.get("type") == "string" and "enum" not in schema:
        schema.setdefault("maxLength", MAX_TEXT)
    return {key: value for key, value in schema.items() if key not in {"title", "description", "default"}}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
