"""Structured output: what does not fit the schema never passes for an answer, whatever the server let through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.runnables import Runnable

from engines.text.structured import structured

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 5}},
    "required": ["name"],
    "additionalProperties": False,
}
UNFIT = [{}, [], {"name": "Alexander"}, {"name": 7}, {"name": "Ann", "age": 7}]


class Ours(FakeListChatModel):
    """A server that is told the schema, and does not keep to it."""

    def constrained(self, schema: Any, **call: Any) -> Runnable[Any, Any]:
        return self


class Stranger(FakeListChatModel):
    """Any other LangChain chat model."""

    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **kwargs: Any) -> Any:
        return self | JsonOutputParser()


@pytest.mark.parametrize("kind", [Ours, Stranger])
async def test_what_fits_is_given_as_it_is(kind: type[FakeListChatModel]) -> None:
    assert await structured(kind(responses=['{"name": "Ann"}']), SCHEMA).ainvoke("Who?") == {"name": "Ann"}


@pytest.mark.parametrize("kind", [Ours, Stranger])
@pytest.mark.parametrize("unfit", UNFIT)
async def test_what_does_not_fit_a_dict_schema_is_refused(kind: type[FakeListChatModel], unfit: Any) -> None:
    with pytest.raises(OutputParserException, match="does not fit the schema"):
        await structured(kind(responses=[json.dumps(unfit)]), SCHEMA).ainvoke("Who?")


async def test_what_nearly_fits_is_given_beside_the_raw_answer_to_be_mended() -> None:
    made = await structured(Ours(responses=['{"name": "Alexander"}']), SCHEMA, include_raw=True).ainvoke("Who?")
    assert made["parsed"] == {"name": "Alexander"}
    assert made["parsing_error"] is None
