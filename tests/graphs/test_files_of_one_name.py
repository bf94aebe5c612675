"""Files that are called alike can each be named, however often a name comes again."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from langgraph.runtime import Runtime

from graphs.offers import REMEMBERED_FILES, offers_of_turn, remember, resolve
from graphs.plan import Offer, StepResult
from graphs.recall import recall
from graphs.state import Turn, TurnContext
from memory.events import PlannedStep
from memory.longterm.types import MemoryInfo
from tools.builtin import BUILT_IN

SPEC_OF = {spec.name: spec for spec in BUILT_IN}.__getitem__


def image(id_: str, name: str = "image.png") -> dict[str, Any]:
    return {"id": id_, "name": name, "kind": "image"}


def painted(id_: str, name: str = "picture.png") -> StepResult:
    return StepResult(
        tool="generate_image",
        fields={"image": id_},
        summary="",
        artifacts=[image(id_, name)],
        receipts=[],
        error="",
        error_fix="",
        error_code="",
    )


def named(offers: list[dict[str, Any]]) -> dict[str, str]:
    return {offer["name"]: offer["value"] for offer in offers}


def test_the_newest_file_has_the_plain_name_and_the_earlier_one_another() -> None:
    known = remember([image("red")], [], "", [], SPEC_OF)
    offers = offers_of_turn("", [image("blue")], known)
    assert [(offer["name"], offer["value"], offer["earlier"]) for offer in offers] == [
        ("image.png", "blue", False),
        ("image-2.png", "red", True),
    ]
    assert named(remember([image("blue")], [], "", known, SPEC_OF)) == {"image.png": "blue", "image-2.png": "red"}


def test_a_name_that_was_given_stays_when_a_third_file_comes() -> None:
    known: list[dict[str, Any]] = []
    for id_ in ("red", "blue", "green"):
        known = remember([image(id_)], [], "", known, SPEC_OF)
    assert named(known) == {"image.png": "green", "image-3.png": "blue", "image-2.png": "red"}


def test_what_tools_made_under_one_name_is_kept_too() -> None:
    known = remember([], [painted("cat")], "", [], SPEC_OF)
    assert named(remember([], [painted("dog")], "", known, SPEC_OF)) == {"picture.png": "dog", "picture-2.png": "cat"}


def test_a_file_that_is_sent_again_is_on_offer_once() -> None:
    known = remember([image("red")], [], "", [], SPEC_OF)
    assert named(offers_of_turn("", [image("red", "again.png")], known)) == {"again.png": "red"}
    assert named(remember([image("red", "again.png")], [], "", known, SPEC_OF)) == {"again.png": "red"}


def test_the_result_of_a_turn_with_many_files_can_be_named() -> None:
    attached = [image(f"a{number}", f"a{number}.png") for number in range(REMEMBERED_FILES)]
    known = named(remember(attached, [painted("made")], "", [], SPEC_OF))
    assert next(iter(known.items())) == ("picture.png", "made")
    assert len(known) == REMEMBERED_FILES


async def test_a_remembered_picture_is_offered_beside_one_of_its_name() -> None:
    state = Turn(message="Upscale the picture of the red barn", attachments=[], offers=[offered("blue")])
    found = await recall(state, runtime_with(pinned=[remembered("red"), remembered("blue")]))
    assert named(found["offers"]) == {"image.png": "blue", "image-2.png": "red"}


async def test_a_text_that_is_called_like_a_picture_stays_a_text() -> None:
    async def read_text(id_: str) -> str:
        raise AssertionError(f"{id_} was read")

    step = PlannedStep(id="$1", tool="speak", args={"text": "dog.png"})
    offers = [Offer("dog.png", "image", "id-of-dog", is_file=True)]
    assert await resolve(step, offers, {}, SPEC_OF, read_text) == {"text": "dog.png"}


def offered(id_: str) -> dict[str, Any]:
    return {"name": "image.png", "kind": "image", "value": id_, "earlier": False, "is_file": True}


def runtime_with(pinned: list[MemoryInfo]) -> Runtime[TurnContext]:
    class Memories:
        async def search(self, query: str, limit: int) -> list[Any]:
            return []

        async def pinned(self) -> list[MemoryInfo]:
            return pinned

    context = SimpleNamespace(memories=Memories(), familiar=None, emit=lambda body: None)
    return cast("Runtime[TurnContext]", SimpleNamespace(context=context))


def remembered(artifact_id: str) -> MemoryInfo:
    day = datetime(2026, 5, 3, tzinfo=UTC)
    return MemoryInfo(
        id=f"memory-of-{artifact_id}",
        kind="picture",
        text=f"image.png: a {artifact_id} barn",
        about="",
        context="",
        origin="turn",
        pinned=True,
        said_at=day,
        created_at=day,
        updated_at=day,
        superseded_by=None,
        superseded_at=None,
        run_id=None,
        thread_id=None,
        artifact_id=artifact_id,
    )
