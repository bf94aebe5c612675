"""What a plan may name, and what the names become."""

from __future__ import annotations

from typing import Any

from graphs.offers import REMEMBERED_FILES, offers_of_turn, remember
from graphs.plan import StepResult
from tools.builtin import BUILT_IN

SPEC_OF = {spec.name: spec for spec in BUILT_IN}.__getitem__


def file(name: str, kind: str = "image") -> dict[str, Any]:
    return {"id": f"id-of-{name}", "name": name, "kind": kind}


def result(tool: str, text: str = "", artifacts: list[dict[str, Any]] | None = None) -> StepResult:
    made = {"audio": artifacts[0]["id"]} if artifacts else {}
    return StepResult(
        tool=tool,
        fields={"text": text, **made},
        summary="",
        artifacts=artifacts or [],
        receipts=[],
        error="",
        error_fix="",
        error_code="",
    )


def names(offers: list[dict[str, Any]]) -> list[str]:
    return [offer["name"] for offer in offers]


def test_two_files_of_one_name_get_two_names() -> None:
    offers = offers_of_turn("", [file("a.jpg"), file("a.jpg"), file("a.jpg")], [])
    assert names(offers) == ["a.jpg", "a-2.jpg", "a-3.jpg"]


def test_no_file_is_taken_for_a_step_or_a_text() -> None:
    assert names(offers_of_turn("", [file("$1"), file("@answer"), file("$@")], [])) == ["1", "answer", "file"]


def test_files_keep_their_names_in_later_turns() -> None:
    known = remember([file("a.jpg"), {**file("a.jpg"), "id": "other"}], [], "", [], SPEC_OF)
    assert [(offer["name"], offer["value"]) for offer in known] == [("a.jpg", "id-of-a.jpg"), ("a-2.jpg", "other")]


def test_what_was_attached_made_and_said_can_be_named_later() -> None:
    made = [file("speech.wav", "audio")]
    known = remember(
        [file("a.jpg")], [result("translate", "hola"), result("speak", artifacts=made)], "Done.", [], SPEC_OF
    )
    assert names(known) == ["speech.wav", "a.jpg", "@answer", "@translation"]
    assert next(offer["value"] for offer in known if offer["name"] == "@translation") == "hola"
    assert all(offer["earlier"] for offer in known)


def test_the_newest_text_wins_and_old_files_are_forgotten() -> None:
    known: list[dict[str, Any]] = []
    for number in range(20):
        known = remember([file(f"{number}.jpg")], [result("transcribe_audio", f"text {number}")], "", known, SPEC_OF)
    assert names(known) == [*(f"{n}.jpg" for n in range(19, 19 - REMEMBERED_FILES, -1)), "@transcript"]
    assert known[-1]["value"] == "text 19"


def test_a_picture_that_only_shows_what_was_found_is_not_on_offer() -> None:
    boxes = file("objects.png")
    found = StepResult(
        tool="detect_objects",
        fields={"picture": boxes["id"]},
        summary="",
        artifacts=[boxes],
        receipts=[],
        error="",
        error_fix="",
        error_code="",
    )
    assert names(remember([file("a.jpg")], [found], "One cat.", [], SPEC_OF)) == ["a.jpg", "@answer"]
