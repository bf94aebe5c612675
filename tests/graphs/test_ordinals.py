"""Files that a request counts: of this message, or of the conversation."""

from __future__ import annotations

from typing import Any

import pytest

from graphs.offers import offers_of_turn, remember
from graphs.ordinals import with_ordinals
from graphs.plan import Offer, Plan, Request
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

TOOLS = {spec.name: spec for spec in BUILT_IN}


def picture(number: int, **more: Any) -> Offer:
    return Offer(f"p{number}.png", "image", f"id{number}", is_file=True, number=number, **more)


SENT = [picture(1), picture(2), picture(3)]
#: 1 and 3 were sent, 2 was made of 1; the newest stands first.
EARLIER = [picture(3, earlier=True), picture(2, earlier=True, made=True), picture(1, earlier=True)]


def step(number: int, tool: str, **args: Any) -> PlannedStep:
    return PlannedStep(id=f"${number}", tool=tool, args=args)


def meant(message: str, offers: list[Offer], chosen: str = "p9.png") -> Any:
    """The picture that a plan with ``chosen`` takes at last."""
    offers = [*offers, Offer("p9.png", "image", "id9", is_file=True, earlier=True)]
    plan = with_ordinals(Plan(steps=(step(1, "upscale_image", image=chosen),)), Request(message, offers), TOOLS)
    return plan.steps[0].args["image"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Enlarge the second picture", "p2.png"),
        ("Enlarge the 3rd of the photos", "p3.png"),
        ("Enlarge the FIRST image", "p1.png"),
        ("enlarge the last attached photo", "p3.png"),
        ("Enlarge the fourth picture", "p9.png"),  # there are not so many
        ("First enlarge the picture", "p9.png"),  # counts something else
        ("Enlarge the second picture like the first picture", "p9.png"),  # speaks of two
        ("Enlarge the second picture and find people in the first", "p9.png"),
        ("Enlarge the second picture, not the other one", "p9.png"),
        ("Enlarge the second picture, p1.png", "p9.png"),  # names one
        ("Enlarge the second recording", "p9.png"),
    ],
)
def test_of_several_that_come_with_the_message_their_order_counts(message: str, expected: str) -> None:
    assert meant(message, [*SENT, *EARLIER]) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Enlarge the first picture", "p1.png"),
        ("Enlarge the second picture", "p2.png"),
        ("Enlarge the second picture I sent", "p3.png"),
        ("Enlarge the second photo that I've sent you", "p3.png"),
        ("Enlarge the latest picture", "p3.png"),
        ("Enlarge the first picture you made", "p9.png"),  # one is not counted
    ],
)
def test_else_they_count_as_the_conversation_got_them(message: str, expected: str) -> None:
    assert meant(message, EARLIER) == expected


def test_where_the_first_ones_are_forgotten_only_the_last_is_sure() -> None:
    assert meant("Enlarge the first picture", EARLIER[:2]) == "p9.png"
    assert meant("Enlarge the last picture", EARLIER[:2]) == "p3.png"


def test_calls_that_come_to_the_same_are_made_once() -> None:
    both = Plan(
        steps=(
            step(1, "caption_image", image="p1.png"),
            step(2, "caption_image", image="p2.png"),
            step(3, "speak", text="$2"),
        )
    )
    plan = with_ordinals(both, Request("Describe the second picture and read it aloud", SENT), TOOLS)
    assert [(each.tool, each.args) for each in plan.steps] == [
        ("caption_image", {"image": "p2.png"}),
        ("speak", {"text": "$1"}),
    ]
    assert plan.notes == ("The second picture is p2.png.",)


def test_a_plan_that_has_it_right_stays_as_it_is() -> None:
    plan = Plan(steps=(step(1, "caption_image", image="p2.png"),))
    assert with_ordinals(plan, Request("Describe the second picture", SENT), TOOLS) is plan


def test_files_are_counted_through_the_turns_in_the_order_they_came() -> None:
    def ref(id_: str) -> dict[str, str]:
        return {"id": id_, "kind": "image", "name": "image.png"}

    made = {"tool": "upscale_image", "error": "", "artifacts": [ref("big")], "fields": {"image": "big"}}
    known = remember([ref("red"), ref("green")], [made], "Done.", [], TOOLS.__getitem__)  # type: ignore[list-item] # of a result, what counts
    known = remember([ref("blue")], [], "Done.", known, TOOLS.__getitem__)
    offers = offers_of_turn("", [ref("new")], known)
    files = sorted((item for item in offers if item["is_file"]), key=lambda item: item["number"])
    assert [(item["value"], item["number"], item["made"]) for item in files] == [
        ("red", 1, False),
        ("green", 2, False),
        ("big", 3, True),
        ("blue", 4, False),
        ("new", 5, False),
    ]
