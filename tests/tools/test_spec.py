"""One declaration gives the parameters, the plan's types, the LangChain tool and the docs."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from engines.errors import InputError
from tools.builtin import BUILT_IN
from tools.call import ToolCall
from tools.spec import tool
from tools.types import AudioRef, Cost, ImageRef, OneOf, Text, ToolResult

BY_NAME = {spec.name: spec for spec in BUILT_IN}


class Caption(ToolResult):
    text: Text
    picture: ImageRef

    def summary(self) -> str:
        return self.text


@tool(cost=Cost(seconds=1))
async def caption(
    call: ToolCall,
    image: ImageRef,
    sound: AudioRef | None = None,
    label: Annotated[str | None, OneOf("object-labels")] = None,
    words: Annotated[int, Field(ge=1, le=50)] = 10,
) -> Caption:
    """Describe a picture
    in a sentence.

    More than the first paragraph is for people.
    """
    return Caption(text=f"{words} words about {image}", picture=image)


def test_name_and_purpose_come_from_the_function() -> None:
    assert (caption.name, caption.purpose) == ("caption", "Describe a picture in a sentence.")


def test_types_say_what_may_stand_where() -> None:
    assert caption.media_parameters == {"image": "image", "sound": "audio"}
    assert caption.produces == {"text": "text", "image": "picture"}
    assert caption.required == {"image"}
    assert caption.choices("label") == OneOf("object-labels")
    assert caption.choices("words") is None


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({}, "caption: image: Field required"),
        ({"image": "x", "words": 99}, "caption: words: Input should be less than or equal to 50"),
        ({"image": "x", "colour": "red"}, "caption: colour: Extra inputs are not permitted"),
        ({"image": 3}, "caption: image: Input should be a valid string"),
    ],
)
def test_arguments_that_do_not_fit_are_named(args: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        caption.validate(args)


def test_numbers_may_come_as_text_from_a_command_line() -> None:
    assert caption.validate({"image": "x", "words": "5"}).model_dump()["words"] == 5


def test_every_tool_has_a_purpose_described_parameters_and_a_schema() -> None:
    sixteen = (
        "generate_image edit_image controlnet_image segment_image detect_objects estimate_depth classify_image "
        "caption_image transcribe_audio detect_speech speak clone_voice translate analyze_sentiment detect_emotion "
        "recognize_action"
    )
    assert set(sixteen.split()) <= set(BY_NAME)
    for spec in BUILT_IN:
        assert spec.purpose.endswith(".")
        assert all(prop.get("description") for prop in spec.parameters_schema()["properties"].values()), spec.name


def test_a_chain_of_the_built_in_tools_fits_together() -> None:
    assert BY_NAME["transcribe_audio"].produces == {"text": "text"}
    assert BY_NAME["translate"].media_parameters == {"text": "text"}
    assert BY_NAME["speak"].produces == {"audio": "audio"}
    assert BY_NAME["speak"].gives == {"audio"}
    assert BY_NAME["analyze_sentiment"].gives == {"text"}
