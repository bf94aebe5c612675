"""What the next step's schema lets a model say, checked with a JSON schema validator of its own."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from graphs.plan import Offer
from graphs.schema import next_step_schema
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

TOOLS = {spec.name: spec for spec in BUILT_IN}
CHOICES = {
    "translation-languages": ["Spanish", "French"],
    "object-labels": ["person", "dog"],
    "voice-styles": ["female", "British female"],
}
PHOTO = Offer("photo.jpg", "image", "id-1")
MEMO = Offer("memo.wav", "audio", "id-2")
TRANSCRIBED = PlannedStep(id="$1", tool="transcribe_audio", args={"audio": "memo.wav"})
SPOKEN = PlannedStep(id="$2", tool="speak", args={"text": "$1"})


def admits(decision: dict[str, Any], offers: list[Offer], steps: list[PlannedStep]) -> bool:
    schema = next_step_schema(TOOLS, offers, steps, CHOICES)
    return jsonschema.Draft202012Validator(schema).is_valid(decision)


@pytest.mark.parametrize(
    ("decision", "offers", "steps"),
    [
        ({"tool": "answer"}, [], []),
        ({"tool": "detect_objects", "image": "photo.jpg"}, [PHOTO], []),
        ({"tool": "detect_objects", "image": "photo.jpg", "target": "dog"}, [PHOTO], []),
        ({"tool": "translate", "text": "good morning", "target_language": "French"}, [], []),
        ({"tool": "translate", "text": "$1", "target_language": "Spanish"}, [MEMO], [TRANSCRIBED]),
        ({"tool": "transcribe_audio", "audio": "$2"}, [MEMO], [TRANSCRIBED, SPOKEN]),
        ({"tool": "edit_image", "image": "photo.jpg", "instruction": "make it winter"}, [PHOTO], []),
        ({"tool": "edit_image", "image": "photo.jpg", "instruction": "enlarge", "mode": "upscale"}, [PHOTO], []),
        ({"tool": "controlnet_image", "image": "photo.jpg", "prompt": "a fox", "control": "pose"}, [PHOTO], []),
    ],
)
def test_what_is_possible_is_admitted(decision: dict[str, Any], offers: list[Offer], steps: list[PlannedStep]) -> None:
    assert admits(decision, offers, steps)


@pytest.mark.parametrize(
    ("why", "decision", "offers", "steps"),
    [
        ("no such tool", {"tool": "fly"}, [PHOTO], []),
        ("no picture is there", {"tool": "detect_objects", "image": "photo.jpg"}, [], []),
        ("no such file", {"tool": "detect_objects", "image": "other.jpg"}, [PHOTO], []),
        ("a sound where a picture belongs", {"tool": "detect_objects", "image": "memo.wav"}, [PHOTO, MEMO], []),
        ("a picture where a sound belongs", {"tool": "transcribe_audio", "audio": "photo.jpg"}, [PHOTO, MEMO], []),
        ("a text result where a sound belongs", {"tool": "detect_speech", "audio": "$1"}, [MEMO], [TRANSCRIBED]),
        ("a step that is not there yet", {"tool": "transcribe_audio", "audio": "$3"}, [MEMO], [TRANSCRIBED, SPOKEN]),
        ("no such label", {"tool": "detect_objects", "image": "photo.jpg", "target": "unicorn"}, [PHOTO], []),
        ("no such language", {"tool": "translate", "text": "hi", "target_language": "Klingon"}, [], []),
        ("an argument is missing", {"tool": "translate", "text": "hi"}, [], []),
        ("an argument too many", {"tool": "analyze_sentiment", "text": "hi", "volume": 11}, [], []),
        ("an empty text", {"tool": "speak", "text": ""}, [], []),
        (
            "an optional picture that only users give",
            {"tool": "edit_image", "image": "photo.jpg", "instruction": "a hat", "mask": "photo.jpg"},
            [PHOTO],
            [],
        ),
    ],
)
def test_what_is_impossible_is_not(
    why: str, decision: dict[str, Any], offers: list[Offer], steps: list[PlannedStep]
) -> None:
    assert not admits(decision, offers, steps), why


def test_options_with_good_defaults_are_left_to_the_user() -> None:
    assert not admits({"tool": "speak", "text": "hi", "speed": 2.0}, [], [])


def test_a_text_file_may_stand_for_a_text() -> None:
    letter = Offer("letter.txt", "text", "id-3")
    schema = next_step_schema(TOOLS, [letter], [], CHOICES)
    speak = next(call for call in schema["anyOf"] if call["properties"]["tool"] == {"const": "speak"})
    assert speak["properties"]["text"]["anyOf"][0] == {"enum": ["letter.txt"]}
