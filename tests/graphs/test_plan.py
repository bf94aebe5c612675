"""The checker proves a plan before any model is loaded, whoever made it."""

from __future__ import annotations

from graphs.plan import Offer, Plan, literal, problems
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

TOOLS = {spec.name: spec for spec in BUILT_IN}
MEMO = Offer("memo.wav", "audio", "id")


def plan(*steps: tuple[str, dict[str, object]]) -> Plan:
    return Plan(steps=tuple(PlannedStep(id=f"${i}", tool=tool, args=args) for i, (tool, args) in enumerate(steps, 1)))


CHAIN = plan(
    ("transcribe_audio", {"audio": "memo.wav"}),
    ("translate", {"text": "$1", "target_language": "Spanish"}),
    ("speak", {"text": "$2"}),
)


def test_a_chain_is_sound_and_its_edges_follow_the_references() -> None:
    assert problems(CHAIN, [MEMO], TOOLS) == []
    assert CHAIN.edges == ((0, 1), (1, 2))


def test_steps_without_references_have_no_edges() -> None:
    assert plan(("speak", {"text": "a"}), ("speak", {"text": "b"})).edges == ()


def test_an_unknown_tool_is_named() -> None:
    assert problems(plan(("fly", {})), [], TOOLS) == ["$1: there is no tool 'fly'."]


def test_an_attachment_that_is_not_there_is_named() -> None:
    assert problems(CHAIN, [], TOOLS) == ["$1: audio must be an audio, and 'memo.wav' is none."]


def test_a_forward_reference_is_refused() -> None:
    found = problems(plan(("speak", {"text": "$2"}), ("translate", {"text": "x", "target_language": "es"})), [], TOOLS)
    assert found == ["$1: text must be text, and '$2' is none."]


def test_facts_may_be_read_aloud() -> None:
    found = plan(("detect_objects", {"image": "a.jpg"}), ("speak", {"text": "$1"}))
    assert problems(found, [Offer("a.jpg", "image", "id")], TOOLS) == []


def test_an_amount_is_a_text_and_no_reference() -> None:
    said = plan(("speak", {"text": "x"}), ("speak", {"text": literal("$1")}))
    assert problems(said, [], TOOLS) == []
    assert said.edges == ()
    assert literal("$1.50") == "$1.50"


def test_only_media_are_results_of_steps() -> None:
    clip = Offer("v.mp4", "video", "id", is_file=True)
    assert problems(plan(("enrol_action", {"video": "v.mp4", "label": "$1"})), [clip], TOOLS) == [
        "$1: label can't be a step's result, as '$1' is."
    ]


def test_a_result_of_the_wrong_type_is_refused() -> None:
    found = problems(plan(("speak", {"text": "x"}), ("translate", {"text": "$1", "target_language": "es"})), [], TOOLS)
    assert found == ["$2: text must be text, and '$1' is none."]


def test_missing_and_surplus_arguments_are_named() -> None:
    found = problems(plan(("translate", {"text": "x", "volume": 3})), [], TOOLS)
    assert found == ["$1: translate needs target_language.", "$1: translate has no volume."]
