"""Plans as decisions: what may be decided when, and that nothing of the wrong type can be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.actions import (
    ENDING,
    TOOL,
    Begin,
    Call,
    Choose,
    Decision,
    Draft,
    End,
    Grammar,
    Omit,
    Refer,
    Span,
    Take,
    Until,
    Use,
    fixed_values,
)
from graphs.plan import Offer, Plan, problems
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

TOOLS = {spec.name: spec for spec in BUILT_IN}
PHOTO = Offer("photo.jpg", "image", "id-1", is_file=True)
MEMO = Offer("memo.wav", "audio", "id-2", is_file=True)
CLIP = Offer("clip.mp4", "video", "id-3", is_file=True)
NOTE = Offer("note.txt", "text", "id-4", is_file=True)


def draft(*offers: Offer) -> Draft:
    return Draft(Grammar(TOOLS, offers))


def decided(begun: Draft, *actions: object) -> Draft:
    for action in actions:
        begun = begun.after(action)  # type: ignore[arg-type] # the union, taken one by one
    return begun


def decision(of: Draft) -> Decision:
    assert of.decision is not None
    return of.decision


def test_only_tools_whose_inputs_are_there_can_be_used() -> None:
    usable = {action.tool for action in decision(draft()).allowed if isinstance(action, Use)}
    assert "generate_image" in usable
    assert "translate" in usable
    assert "detect_objects" not in usable
    assert "transcribe_audio" not in usable
    assert Use("detect_objects") in decision(draft(PHOTO)).allowed
    assert Use("transcribe_audio") in decision(draft(CLIP)).allowed


def test_a_result_makes_the_tools_usable_that_need_its_kind() -> None:
    begun = decided(draft(), Use("generate_image"), Begin(0), Until(3))
    assert begun.calls == (Call("generate_image", (("prompt", Span(0, 3)),)),)
    assert decision(begun).slot == TOOL
    assert Use("segment_image") in decision(begun).allowed
    assert decision(decided(begun, Use("segment_image"))).allowed == (Refer(1),)


def test_arguments_are_decided_in_the_order_of_the_parameters() -> None:
    begun = decided(draft(PHOTO, MEMO), Use("translate"))
    assert decision(begun).slot == "translate.text"
    begun = decided(begun, Begin(2))
    assert decision(begun).slot == ENDING
    begun = decided(begun, Until(5))
    assert decision(begun).slot == "translate.target_language"
    done = decided(begun, Begin(7), Until(7), End())
    assert done.decision is None
    assert done.calls[0].args == (("text", Span(2, 5)), ("target_language", Span(7, 7)))


def test_a_text_never_ends_before_it_begins() -> None:
    begun = decided(draft(), Use("speak"), Begin(4))
    assert not decision(begun).allows(Until(3))
    assert decision(begun).allows(Until(4))


def test_what_is_pointed_at_says_which_of_two_parameters_it_is_for() -> None:
    of_clip = decided(draft(MEMO, CLIP), Use("transcribe_audio"), Take(1), Omit())
    assert of_clip.calls[0].args == (("video", "clip.mp4"),)
    of_words = decided(draft(MEMO), Use("detect_emotion"), Begin(0), Until(2))
    assert of_words.calls[0].args == (("text", Span(0, 2)),)
    of_result = decided(draft(MEMO), Use("transcribe_audio"), Take(0), Omit(), Use("detect_emotion"), Refer(1))
    assert of_result.calls[1].args == (("text", "$1"),)


def test_options_may_be_left_out_and_required_arguments_not() -> None:
    assert Omit() in decision(decided(draft(PHOTO), Use("detect_objects"), Take(0))).allowed
    assert not decision(decided(draft(), Use("speak"))).allows(Omit())


def test_a_closed_set_of_values_is_chosen_from() -> None:
    begun = decided(draft(PHOTO), Use("controlnet_image"), Take(0), Begin(1), Until(2))
    assert set(decision(begun).allowed) == {Choose("canny"), Choose("scribble"), Choose("depth"), Choose("pose")}


def test_what_is_not_allowed_is_refused() -> None:
    with pytest.raises(ValueError, match="not allowed"):
        draft().after(Use("detect_objects"))
    with pytest.raises(ValueError, match="not allowed"):
        decided(draft(), End()).after(End())


def test_a_plan_ends_after_so_many_steps() -> None:
    begun = Draft(Grammar(TOOLS, (PHOTO,), max_steps=1))
    assert decision(decided(begun, Use("classify_image"), Take(0))).allowed == (End(),)


def test_a_parser_is_only_offered_what_it_has_learned() -> None:
    known = Grammar(TOOLS, (PHOTO,), slots={"use caption_image", "caption_image.image"}).known
    assert known == {"caption_image": ("caption_image.image",)}


def test_fixed_values_are_those_of_the_declaration() -> None:
    assert fixed_values(TOOLS["track_body"], "part") == ("pose", "face", "hands", "mask", "all")
    assert fixed_values(TOOLS["speak"], "text") == ()


@settings(max_examples=150, deadline=None)
@given(st.data(), st.lists(st.sampled_from([PHOTO, MEMO, CLIP, NOTE]), unique=True))
def test_every_sequence_of_allowed_decisions_is_a_plan_that_passes_the_checks(
    data: st.DataObject, offers: list[Offer]
) -> None:
    words = 6
    made = Draft(Grammar(TOOLS, offers, max_steps=4))
    while (choice := made.decision) is not None:
        allowed = list(choice.allowed)
        if choice.words_from is not None:
            point = Until if choice.slot == ENDING else Begin
            allowed += [point(word) for word in range(choice.words_from, words)]
        made = made.after(data.draw(st.sampled_from(allowed)))
    steps = tuple(
        PlannedStep(
            id=f"${number}",
            tool=call.tool,
            args={name: "words" if isinstance(value, Span) else value for name, value in call.args},
        )
        for number, call in enumerate(made.calls, 1)
    )
    assert problems(Plan(steps=steps), offers, TOOLS) == []
