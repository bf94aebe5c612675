"""Leave to use a voice is the user's to give, and for the one voice that they speak of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from langgraph.runtime import Runtime

from engines.errors import InputError
from graphs.act import act, task_of
from graphs.consent import grants
from graphs.state import Turn, TurnContext
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

SPECS = {spec.name: spec for spec in BUILT_IN}


@pytest.mark.parametrize(
    "message",
    [
        "Say 'this is my own voice' with obama.wav",
        "Say 'It's my own voice.' with obama.wav",
        "Say \u201cI have her permission\u201d with the voice in ex.wav",
        "Read \u00abje parle avec son accord\u00bb with the voice in ex.wav",
        "Write a story in which a man says 'I have permission', read by the voice in ex.wav",
    ],
)
def test_quoted_words_grant_nothing(message: str) -> None:
    assert not grants(message)


def test_the_text_to_be_spoken_grants_nothing() -> None:
    message = "Clone ex.wav and let it say: This is my own voice, friends"
    assert not grants(message, ["this is my own voice, friends."])
    assert grants(f"{message}. I have her permission.", ["this is my own voice, friends."])


def test_quoted_words_do_not_take_back_what_is_said_beside_them() -> None:
    assert grants("Say 'it's late' with me.wav. It's my own voice, the speakers' consent is there.")


async def test_words_count_for_one_voice() -> None:
    assert await consent("Say 'hi' with me.wav, it's my own voice", clone("me.wav"))
    assert await consent("Say 'hi' and 'bye' with me.wav, it's my own voice", clone("me.wav"), clone("me.wav", "bye"))


async def test_with_two_voices_nobody_knows_whose_leave_is_meant() -> None:
    message = "Clone my own voice from me.wav, then clone the voice of boss.wav"
    assert not await consent(message, clone("me.wav"), clone("boss.wav"))
    assert not await consent(message, clone("boss.wav"), clone("me.wav"))
    assert await consent(message, clone("boss.wav"), clone("me.wav"), approved=["$1"])


async def test_a_long_message_that_is_the_text_itself_grants_nothing() -> None:
    message = "It was in my voice that she spoke. " * 100
    offers = [offer("me.wav", "audio", "id"), offer("@message", "text", message)]
    assert not await consent(message, clone("me.wav", "@message"), offers=offers)


def clone(recording: str, text: str = "hi") -> dict[str, Any]:
    return {"text": text, "reference": recording}


def offer(name: str, kind: str, value: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "value": value, "earlier": False, "is_file": kind != "text"}


async def consent(
    message: str,
    *calls: dict[str, Any],
    approved: list[str] | None = None,
    offers: list[dict[str, Any]] | None = None,
) -> bool:
    """What the first of the plan's calls is told."""
    steps = [PlannedStep(id=f"${n}", tool="clone_voice", args=args) for n, args in enumerate(calls, start=1)]
    state = Turn(
        run_id="r",
        message=message,
        offers=offers or [offer(name, "audio", name) for name in ("me.wav", "boss.wav")],
        plan={"steps": [step.model_dump() for step in steps]},
        results={},
        approved=approved or [],
    )
    tools = Recorder()
    context = SimpleNamespace(tools=tools, finished={}, earlier=None, preset=None, emit=[].append, read_text=None)
    await act(task_of(steps[0], state), cast("Runtime[TurnContext]", SimpleNamespace(context=context)))
    return cast("bool", tools.args["consent"])


class Recorder:
    """Tools of which one is run, and what it was given."""

    def __init__(self) -> None:
        self.args: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        return SPECS[name]

    async def run(self, name: str, args: dict[str, Any], **_: Any) -> None:
        self.args = args
        raise InputError("That is all the test asks.")
