"""Structured output that is the same for every chat model: constrained decoding, then a parser that forgives nothing.

LangChain's own JSON parser mends an answer that was cut off, silently; a plan that lost its last steps must not pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Protocol

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel, ValidationError


class Constrained(Protocol):
    """A chat model of ours: it knows how its server is told a schema."""

    def constrained(self, schema: Mapping[str, Any], **call: Any) -> Runnable[LanguageModelInput, AIMessage]: ...


def structured(
    model: BaseChatModel, schema: Mapping[str, Any] | type, *, include_raw: bool = False, **call: Any
) -> Runnable[LanguageModelInput, Any]:
    """``model`` with its answer held to ``schema`` and parsed: a dict, or an instance of a pydantic class.

    ``call``: lane, max_tokens, temperature, seed. With ``include_raw`` the result is
    ``{"raw": AIMessage, "parsed": ..., "parsing_error": ...}``. Raises OutputParserException when the answer was cut
    off or does not fit: many servers hold a model to a part of JSON Schema only. But where ``schema`` is a dict, what
    stands beside a raw answer is whatever JSON it is: who asks for both mends what nearly fits.
    """
    check = RunnableLambda(lambda parsed: _checked(parsed, schema), name="check")
    if not hasattr(model, "constrained"):  # somebody else's chat model
        call = {key: value for key, value in call.items() if key not in ("lane", "shared")}
        asked: Any = model.with_structured_output(schema, include_raw=include_raw, method="json_schema")  # type: ignore[arg-type] # a Mapping is a dict there
        asked = asked.bind(**call) if call else asked
        return asked if include_raw else asked | check  # type: ignore[no-any-return] # LangChain's own Any
    ours: Constrained = model
    # A fit dict is taken as it is: LangChain's conversion wants a title and drops what it does not know.
    as_json = dict(schema) if isinstance(schema, Mapping) else convert_to_json_schema(schema)
    answer = ours.constrained(as_json, **call)
    parse = RunnableLambda(lambda message: _parse(message, schema), name="parse")
    if not include_raw:
        return answer | parse | check
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parse, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableParallel(raw=answer) | parsed.with_fallbacks(
        [failed], exceptions_to_handle=(OutputParserException,), exception_key="parsing_error"
    )


def with_call_options(
    model: BaseChatModel, asked: Runnable[LanguageModelInput, AIMessage], **call: Any
) -> Runnable[LanguageModelInput, AIMessage]:
    """``asked``, which was made of ``model``, with call options (lane, shared, ...) where it is a model of ours."""
    return asked.bind(**call) if hasattr(model, "constrained") else asked


def _parse(message: AIMessage, schema: Mapping[str, Any] | type) -> Any:
    text = message.text
    metadata = message.response_metadata
    if "length" in (metadata.get("finish_reason"), metadata.get("done_reason")):
        raise OutputParserException("The answer was cut off before it was complete. Give it more max_tokens.", text)
    try:
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            return schema.model_validate_json(text)
        return json.loads(text)
    except (ValidationError, json.JSONDecodeError) as error:
        raise OutputParserException(f"The answer does not fit the schema: {error}", text) from error


def _checked(parsed: Any, schema: Mapping[str, Any] | type) -> Any:
    if not isinstance(schema, Mapping):  # pydantic has checked what it made
        return parsed
    import jsonschema  # type: ignore[import-untyped] # it has no types

    try:
        jsonschema.Draft202012Validator(schema).validate(parsed)
    except jsonschema.ValidationError as error:
        raise OutputParserException(
            f"The answer does not fit the schema at {error.json_path}: {error.message}", json.dumps(parsed)
        ) from error
    return parsed
