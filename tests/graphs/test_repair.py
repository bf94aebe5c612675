"""Plans that can't run as they are: mended by type, from the context, or turned into a question."""

from __future__ import annotations

from typing import Any

import pytest

from graphs.plan import Offer, Plan, Request, faults, literal, references
from graphs.repair import Repair
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

TOOLS = {spec.name: spec for spec in BUILT_IN}
CHOICES = {
    "translation-languages": ["Spanish", "French"],
    "object-labels": ["person", "dog"],
    "voice-styles": ["female"],
}
PHOTO = Offer("photo.jpg", "image", "id-1", is_file=True)
OTHER = Offer("other.jpg", "image", "id-2", is_file=True)
MEMO = Offer("memo.wav", "audio", "id-3", is_file=True)
OLD = Offer("old.png", "image", "id-4", earlier=True, is_file=True)


def plan(*calls: dict[str, Any]) -> Plan:
    steps = [
        PlannedStep(id=f"${n}", tool=call["tool"], args={k: v for k, v in call.items() if k != "tool"})
        for n, call in enumerate(calls, 1)
    ]
    return Plan(steps=tuple(steps))


def mended(made: Plan, *offers: Offer, message: str = "do it", before: str = "") -> Plan:
    found = Repair(TOOLS, CHOICES).mended(made, Request(message, offers, before))
    assert found is not None
    assert found.question or faults(found, offers, TOOLS, CHOICES) == []
    return found


def calls(made: Plan) -> list[tuple[str, dict[str, Any]]]:
    return [(step.tool, step.args) for step in made.steps]


def test_a_plan_that_can_run_stays_as_it_is() -> None:
    right = plan({"tool": "detect_objects", "image": "photo.jpg", "target": "dog"})
    assert mended(right, PHOTO) == right


def test_a_missing_picture_is_the_one_that_is_there() -> None:
    assert calls(mended(plan({"tool": "detect_objects"}), PHOTO)) == [("detect_objects", {"image": "photo.jpg"})]
    assert calls(mended(plan({"tool": "detect_objects"}), OLD)) == [("detect_objects", {"image": "old.png"})]


def test_a_sound_where_a_picture_belongs_is_replaced_and_said() -> None:
    made = mended(plan({"tool": "detect_objects", "image": "memo.wav"}), MEMO, PHOTO)
    assert calls(made) == [("detect_objects", {"image": "photo.jpg"})]
    assert made.notes == ("detect_objects gets photo.jpg for its image.",)


def test_the_latest_result_goes_before_an_attachment() -> None:
    made = mended(plan({"tool": "generate_image", "prompt": "a fox"}, {"tool": "segment_image"}), PHOTO)
    assert calls(made)[1] == ("segment_image", {"image": "$1"})


def test_of_several_pictures_the_user_says_which() -> None:
    assert mended(plan({"tool": "detect_objects"}), PHOTO, OTHER).question == (
        "Which one do you mean: photo.jpg or other.jpg?"
    )


def test_a_missing_step_is_put_in_and_the_others_move_up() -> None:
    made = mended(
        plan(
            {"tool": "classify_image", "image": "photo.jpg"},
            {"tool": "analyze_sentiment"},
            {"tool": "speak", "text": "$2"},
        ),
        MEMO,
        PHOTO,
    )
    # The sentiment's text may be what the picture was found to show: it is a result, so it goes before a new step.
    assert calls(made)[1] == ("analyze_sentiment", {"text": "$1"})
    made = mended(plan({"tool": "analyze_sentiment"}, {"tool": "speak", "text": "$1"}), MEMO)
    assert calls(made) == [
        ("transcribe_audio", {"audio": "memo.wav"}),
        ("analyze_sentiment", {"text": "$1"}),
        ("speak", {"text": "$2"}),
    ]
    assert made.edges == ((0, 1), (1, 2))


@pytest.mark.parametrize("tool", ["segment_image", "upscale_image", "transcribe_audio"])
def test_nothing_is_made_up_from_what_was_said_before(tool: str) -> None:
    answer = Offer("@answer", "text", "The capital of France is Paris.", earlier=True)
    assert mended(plan({"tool": tool}), answer).question.startswith("I need a ")


def test_what_the_turn_itself_gives_may_be_made_into_media() -> None:
    made = mended(plan({"tool": "transcribe_audio", "audio": "memo.wav"}, {"tool": "upscale_image"}), MEMO)
    assert calls(made)[1:] == [("generate_image", {"prompt": "$1"}), ("upscale_image", {"image": "$2"})]
    notes = Offer("notes.txt", "text", "id-5", is_file=True)
    assert calls(mended(plan({"tool": "upscale_image"}), notes))[0] == ("generate_image", {"prompt": "notes.txt"})


def test_what_can_not_be_made_is_asked_for() -> None:
    assert mended(plan({"tool": "recognize_action"}), PHOTO).question == (
        "I need a video for that: tell what a person is doing in a video or clip, and when. Please attach or name it."
    )


def test_a_language_is_taken_from_the_words_or_asked_for() -> None:
    made = mended(plan({"tool": "translate", "text": "good day"}), message="good day, for my French friend")
    assert calls(made) == [("translate", {"text": "good day", "target_language": "French"})]
    asked = mended(plan({"tool": "translate", "text": "good day"})).question
    assert asked == "One thing is missing (translate): into which language?"


def test_a_language_nobody_knows_is_a_question_and_a_thing_nobody_knows_a_note() -> None:
    made = plan({"tool": "translate", "text": "hi", "target_language": "Klingon"})
    assert mended(made).question == (
        "I can't take Klingon for the target language. I know these: Spanish, French. Which one?"
    )
    made = mended(plan({"tool": "detect_objects", "image": "photo.jpg", "target": "unicorn"}), PHOTO)
    assert calls(made) == [("detect_objects", {"image": "photo.jpg"})]
    assert made.notes == ("'unicorn' is nothing that detect_objects knows: it was left out.",)


BEFORE = "user: Translate hello into Spanish\nassistant: hola"


def into(message: str, text: str = "good night", before: str = BEFORE) -> str:
    """The language that a translation without one gets, or what is asked."""
    made = mended(plan({"tool": "translate", "text": text}), message=message, before=before)
    return made.question or str(made.steps[0].args["target_language"])


@pytest.mark.parametrize(
    "message",
    [
        "Put 'good night' into French",
        "Put 'good night' into everyday french, please",
        "Translate 'good night' from Spanish to French",
        "Turn this Spanish sentence into French: good night",
        "Into French from Spanish: good night",
        "good night, in French",
        "This is in Spanish, French please: good night",
        "A French version of 'good night'",
    ],
)
def test_the_language_that_the_request_asks_for_comes_first(message: str) -> None:
    assert into(message) == "French"


def test_a_language_that_the_text_speaks_of_is_not_asked_for() -> None:
    assert into("Translate 'put it into French' into Spanish", "put it into French", "") == "Spanish"


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("Translate 'good night' into Klingon", "Klingon"),
        ("translate good night into klingon", "klingon"),
        ("Put 'good night' into Klingon", "Klingon"),
        ("Translate this Spanish sentence into Klingon: good night", "Klingon"),
        ("Translate from French to Elvish: good night", "Elvish"),
        ("How do you say good night in Klingon?", "Klingon"),
        ("Translate 'bye' into French and 'good night' into Klingon", "Klingon"),
    ],
)
def test_a_language_nobody_knows_is_asked_about_and_not_guessed(message: str, word: str) -> None:
    assert into(message) == f"I can't take {word} for the target language. I know these: Spanish, French. Which one?"


@pytest.mark.parametrize(
    "message", ["And 'good night'?", "Turn it into text and translate it", "Put the translation into speech"]
)
def test_where_the_request_asks_for_no_language_it_is_the_one_from_before(message: str) -> None:
    assert into(message) == "Spanish"
    assert into(message, before="") == "One thing is missing (translate): into which language?"


def test_what_a_text_is_written_in_is_not_asked_for() -> None:
    asked = "One thing is missing (translate): into which language?"
    assert into("Translate this French sentence: good night", before="") == asked
    assert into("Translate good night from French", before="") == asked


def test_an_argument_that_the_tool_does_not_have_is_dropped() -> None:
    made = mended(plan({"tool": "classify_image", "image": "photo.jpg", "colour": "red"}), PHOTO)
    assert calls(made) == [("classify_image", {"image": "photo.jpg"})]


def test_a_voice_may_be_described_in_any_words() -> None:
    right = plan({"tool": "speak", "text": "hello", "voice": "an old sailor"})
    assert mended(right) == right


def test_a_tool_that_does_not_exist_is_for_whoever_made_the_plan() -> None:
    assert Repair(TOOLS, CHOICES).mended(plan({"tool": "teleport"}), Request("go")) is None


@pytest.mark.parametrize("reference", ["$7", "$2", "$1"])
def test_a_reference_to_what_is_not_there_never_runs(reference: str) -> None:
    made = mended(plan({"tool": "speak", "text": reference}), MEMO)
    assert calls(made)[0] == ("transcribe_audio", {"audio": "memo.wav"})
    assert calls(made)[1] == ("speak", {"text": "$1"})


@pytest.mark.parametrize("value", ["$5", "$1"])
def test_an_amount_that_the_request_says_is_no_reference(value: str) -> None:
    answer = Offer("@answer", "text", "It is dear.", earlier=True)
    made = mended(plan({"tool": "speak", "text": value}), answer, message=f"Say '{value}' aloud")
    assert calls(made) == [("speak", {"text": literal(value)})]
    assert references(made.steps[0]) == ()


def test_a_step_where_no_result_can_be_is_said_left_out_or_asked_for() -> None:
    clip = Offer("v.mp4", "video", "id-6", is_file=True)
    gesture = plan({"tool": "enrol_action", "video": "v.mp4", "label": "$1"})
    said = mended(gesture, clip, message="Learn the gesture in v.mp4 as $1")
    assert [references(step) for step in said.steps] == [()]
    assert said.steps[0].args["label"] == literal("$1")
    assert mended(gesture, clip).question == "One thing is missing (enrol action): the action's name?"
    looked = mended(plan({"tool": "caption_image", "image": "photo.jpg", "question": "$2"}), PHOTO)
    assert calls(looked) == [("caption_image", {"image": "photo.jpg"})]
