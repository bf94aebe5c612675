"""How many times a request says, and where it goes."""

from __future__ import annotations

import pytest

from graphs.multiples import said_multiple, with_multiples
from graphs.plan import Plan
from memory.events import PlannedStep
from tools.offered import offered_tools

TOOLS = {spec.name: spec for spec in offered_tools()}


@pytest.mark.parametrize(
    ("text", "multiple"),
    [
        ("Make it twice as large", 2),
        ("double the resolution", 2),
        ("I want it DOUBLED", 2),
        ("tripled, please", 3),
        ("enlarge it 3x", 3),
        ("enlarge it 3 x.", 3),
        ("upscale x4", 4),
        ("\u00d72 please", 2),
        ("four times the size", 4),
        ("1.5 times as wide", 1.5),
        ("a fourfold enlargement", 4),
        ("twice, I mean 2x", 2),
        ("enlarge it", None),
        ("as 640x480", None),
        ("640 x 480, or 3 x 4", None),
        ("2x or 4x", None),
        ("a doubtful pixel", None),
        ("version 2", None),
        ("", None),
    ],
)
def test_a_multiple_is_read(text: str, multiple: float | None) -> None:
    assert said_multiple(text) == multiple


def planned(message: str, **args: object) -> object:
    step = PlannedStep(id="$1", tool="upscale_image", args={"image": "a.png", **args})
    return with_multiples(Plan(steps=(step,)), message, TOOLS).steps[0].args.get("factor")


def test_it_is_set_where_it_was_left_out_and_fits() -> None:
    assert planned("Make it twice as large") == 2
    assert planned("Make it larger") is None
    assert planned("Make it 3x as large", factor=4.0) == 4
    assert planned("Make it 100 times as large") is None


def test_other_tools_are_left_alone() -> None:
    step = PlannedStep(id="$1", tool="speak", args={"text": "one"})
    assert with_multiples(Plan(steps=(step,)), "Say it twice", TOOLS).steps == (step,)
