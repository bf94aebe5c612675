"""What becomes of the rest of a plan when one of its steps found nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from langchain_core.messages import HumanMessage
from langgraph.runtime import Runtime

from graphs.plan import Plan, Request, StepResult
from graphs.planning import plan
from graphs.state import Turn, TurnContext
from memory.events import PlannedStep, Usage
from tools.builtin import BUILT_IN
from tools.image.detect_objects import FoundObject, ObjectsFound

SPECS = {spec.name: spec for spec in BUILT_IN}


def detected(id_: str, target: str) -> PlannedStep:
    return PlannedStep(id=id_, tool="detect_objects", args={"image": "a.jpg", "target": target})


def judged(id_: str, text: str) -> PlannedStep:
    return PlannedStep(id=id_, tool="analyze_sentiment", args={"text": text})


def spoken(id_: str, text: str) -> PlannedStep:
    return PlannedStep(id=id_, tool="speak", args={"text": text})


OLD = (detected("$1", "dog"), judged("$2", "$1"), spoken("$3", "$2"), detected("$4", "person"), judged("$5", "fine"))


def found(*labels: str) -> StepResult:
    objects = [FoundObject(label=label, score=0.9, left=0, top=0, right=9, bottom=9) for label in labels]
    result = ObjectsFound(objects=objects, counts={}, target=None, picture="id")
    return StepResult(
        tool="detect_objects",
        fields=result.model_dump(mode="json"),
        summary="",
        artifacts=[],
        receipts=[],
        error="",
        error_fix="",
        error_code="",
    )


class Going:
    """A planner that goes on with given steps, and what it was asked."""

    def __init__(self, *new: PlannedStep) -> None:
        self.new = new
        self.asked = Request("")

    async def plan(self, request: Request, chat: object) -> tuple[Plan, Usage]:
        self.asked = request
        return Plan(steps=(*(item.step for item in request.done), *self.new)), Usage()


async def planned_again(planner: Going) -> dict[str, Any]:
    """After ``$1`` found nothing and ``$4`` found somebody."""
    state = Turn(
        message="Find a dog, or a person",
        messages=[HumanMessage("Find a dog, or a person")],
        offers=[],
        plan=Plan(steps=OLD).model_dump(),
        results={"$1": found(), "$4": found("person")},
        again=["$1"],
    )
    tools = SimpleNamespace(get=SPECS.__getitem__)
    context = SimpleNamespace(tools=tools, planner=planner, chat=None, preset=None, emit=[].append)
    return await plan(state, cast("Runtime[TurnContext]", SimpleNamespace(context=context)))


async def test_only_what_needs_the_missing_result_is_given_up() -> None:
    made = await planned_again(Going(detected("$6", "cat")))
    assert {name: result["error"] for name, result in made["results"].items()} == {
        "$2": "Skipped, because $1 found nothing and another way was planned.",
        "$3": "Skipped, because $2 found nothing and another way was planned.",
    }


async def test_a_new_step_may_build_on_one_that_is_still_to_run() -> None:
    planner = Going(spoken("$6", "$5"))
    made = await planned_again(planner)
    usable = [item.step.id for item in planner.asked.done if item.is_usable]
    assert usable == ["$4", "$5"]
    assert [step["id"] for step in made["plan"]["steps"]] == ["$1", "$2", "$3", "$4", "$5", "$6"]


async def test_what_is_still_to_run_is_not_planned_a_second_time() -> None:
    made = await planned_again(Going(judged("$6", "fine"), detected("$7", "cat")))
    assert [step["id"] for step in made["plan"]["steps"]][-2:] == ["$5", "$7"]
    assert "$5" not in made["results"]
