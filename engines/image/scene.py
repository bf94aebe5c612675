"""What is to be seen in a vector scene, and how a chat model reads it out of a description.

Decoding is held to the JSON schema of `Scene`, so that even a small model names only colours that can be painted,
relations that can be laid out and settings that can be drawn.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from engines.errors import EngineError, InputError
from engines.image.recolour import COLOURS
from engines.progress import NEVER, CancelToken
from engines.protocols import Chat, ChatRequest, ChatTurn

PROMPTS: Final = Path(__file__).with_name("prompts")

#: Longer descriptions are cut here: no scene has room for more.
MAX_CHARS: Final = 1500

#: So many kinds of things are read out of a description at most.
MAX_OBJECTS: Final = 12

Setting = Literal[
    "plain", "meadow", "forest", "beach", "sea", "underwater", "sky", "space", "city", "room", "mountains", "desert",
    "snow",
]  # fmt: skip
Time = Literal["day", "sunset", "night"]
Weather = Literal["clear", "cloudy", "rain", "snow"]
Size = Literal["small", "big", "huge"]
#: Parts of the picture, then relations to another thing.
Where = Literal[
    "left", "right", "top", "bottom", "center",
    "above", "under", "on", "behind", "in front of", "left of", "right of", "next to", "inside", "around",
]  # fmt: skip
PARTS: Final = frozenset({"left", "right", "top", "bottom", "center"})


class SceneObject(BaseModel):
    """So many of a thing. ``of`` names the object that ``where`` relates to."""

    model_config = ConfigDict(frozen=True)

    count: Annotated[int, Field(ge=1)] = 1
    size: Size | None = None
    colour: str = ""
    noun: str
    where: Where | None = None
    of: str = ""

    @field_validator("colour")
    @classmethod
    def _that_can_be_painted(cls, colour: str) -> str:
        """Not every server holds its model to the schema: beige is left out, and the art keeps its own colours."""
        return colour if colour in COLOURS else ""


class Scene(BaseModel):
    """A description as the chat model understood it."""

    model_config = ConfigDict(frozen=True)

    place: str = ""
    setting: Setting = "plain"
    time: Time = "day"
    weather: Weather = "clear"
    objects: tuple[SceneObject, ...] = ()
    without: tuple[str, ...] = ()


def read_scene(chat: Chat, prompt: str, *, cancel: CancelToken = NEVER) -> Scene:
    """What ``prompt``, in any language the chat model knows, asks to see.

    Raises InputError for an empty prompt, EngineError when the model's answer can't be used.
    """
    asked = " ".join(prompt.split())[:MAX_CHARS]
    if not asked:
        raise InputError("There is no description of the picture.", fix="Say what is to be seen.")
    few_shot = _few_shot()
    reply = chat.complete(
        ChatRequest(
            messages=[*few_shot, ChatTurn("user", asked)],
            max_tokens=80 + 60 * MAX_OBJECTS,
            json_schema=scene_schema(),
            lane="scene",
            shared=len(few_shot),
        ),
        cancel=cancel,
    )
    try:
        return Scene.model_validate_json(reply.text)
    except ValidationError as error:
        raise EngineError(
            "The chat model gave no scene that can be drawn.", fix="Describe the picture in fewer words."
        ) from error


def to_english(chat: Chat, prompt: str, *, cancel: CancelToken = NEVER) -> str:
    """``prompt`` in English, by the chat model: small ones translate, or read a scene, but not both at once."""
    asked = " ".join(prompt.split())[:MAX_CHARS]
    if not any(char.isalpha() for char in asked):
        return asked
    turns = [ChatTurn("system", (PROMPTS / "scene_english.md").read_text("utf-8").strip())]
    for example in tomllib.loads((PROMPTS / "scene.toml").read_text("utf-8"))["translation"]:
        turns += [ChatTurn("user", example["prompt"]), ChatTurn("assistant", example["english"])]
    request = ChatRequest(
        messages=[*turns, ChatTurn("user", asked)],
        max_tokens=4 * chat.count_tokens(asked) + 40,
        stop=["\n"],
        lane="scene",
        shared=len(turns),
    )
    return chat.complete(request, cancel=cancel).text.strip() or asked


@cache
def scene_schema() -> Mapping[str, Any]:
    """The schema that decoding is held to. What is optional is left out when the description does not say it."""
    noun = {"type": "string", "minLength": 1, "maxLength": 32}
    thing = {
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 1, "maximum": 999},
            "size": {"enum": list(get_args(Size))},
            "colour": {"enum": list(COLOURS)},
            "noun": noun,
            "where": {"enum": list(get_args(Where))},
            "of": noun,
        },
        "required": ["count", "noun"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "place": {"type": "string", "maxLength": 40},
            "setting": {"enum": list(get_args(Setting))},
            "time": {"enum": list(get_args(Time))},
            "weather": {"enum": list(get_args(Weather))},
            "objects": {"type": "array", "items": thing, "maxItems": MAX_OBJECTS},
            "without": {"type": "array", "items": noun, "maxItems": 6},
        },
        "required": ["place", "setting", "time", "weather", "objects"],
        "additionalProperties": False,
    }


@cache
def _few_shot() -> tuple[ChatTurn, ...]:
    turns = [ChatTurn("system", (PROMPTS / "scene.md").read_text("utf-8").strip())]
    for example in tomllib.loads((PROMPTS / "scene.toml").read_text("utf-8"))["example"]:
        turns += [ChatTurn("user", example["prompt"]), ChatTurn("assistant", example["scene"])]
    return tuple(turns)
