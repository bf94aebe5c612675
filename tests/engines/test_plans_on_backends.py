"""The same request gives the same plan, whichever backend is asked and by whichever means.

The OpenAI-compatible server is llama.cpp's own, where the embedded model prints its native calls: they are read as
printed ones. Ollama is a stand-in over the embedded model (see `ollama_stand_in`). The request is one that half a
billion parameters are sure of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import ollama_stand_in
import pytest
from pydantic import SecretStr
from small_llm import llama_openai_server, small_llm
from test_chat_models import Borrowed, OneFolder, catalog, unused_controller

from engines.catalog import Planning
from engines.controller import ModelController
from engines.errors import PlanError
from engines.text.chat import ChatModels
from engines.text.llm import LlamaCpp
from graphs.plan import Offer, Plan, Request
from graphs.planner import Planner
from memory.events import PlannedStep
from tools.builtin import BUILT_IN

CONTEXT_TOKENS = 4096
NAMES = {"openai": "openai/local", "ollama": f"ollama/{ollama_stand_in.MODEL}"}
TOOLS = [spec for spec in BUILT_IN if spec.name in ("transcribe_audio", "translate", "speak")]
CHOICES = {"translation-languages": ["Spanish", "French"], "voice-styles": ["female"]}
MEMO = Offer("memo.wav", "audio", "id")


@pytest.fixture(scope="module")
def engine(weights: Callable[[str], Path]) -> Iterator[LlamaCpp]:
    made = LlamaCpp(small_llm(weights, context_tokens=CONTEXT_TOKENS))
    yield made
    made.close()


@pytest.fixture(scope="module")
def openai_server(weights: Callable[[str], Path]) -> Iterator[str]:
    yield from llama_openai_server(small_llm(weights).folder, CONTEXT_TOKENS)


@pytest.fixture
async def ask(request: pytest.FixtureRequest, backend: str) -> AsyncIterator[Callable[[Planning], ChatModels]]:
    """``ask(planning)``: the backend's models, told how they are asked for plans."""
    if backend == "openai":
        url = request.getfixturevalue("openai_server")
        key = SecretStr("the key")
        yield lambda planning: ChatModels(
            catalog(),
            unused_controller(),
            openai_url=f"{url}/v1",
            openai_key=key,
            planning={NAMES["openai"]: planning},
        )
        return
    engine: LlamaCpp = request.getfixturevalue("engine")
    if backend == "ollama":
        with ollama_stand_in.serve(engine) as url:
            yield lambda planning: ChatModels(
                catalog(), unused_controller(), ollama_url=url, planning={NAMES["ollama"]: planning}
            )
        return
    controller = ModelController(catalog(), OneFolder(Path()), budget_mb=4000, build=lambda _: Borrowed(engine))
    default = catalog().default("chat").id
    yield lambda planning: ChatModels(catalog(), controller, planning={default: planning})
    await controller.close()


async def planned(models: ChatModels, backend: str) -> Plan:
    request = Request("Transcribe memo.wav.", [MEMO])
    plan, _ = await Planner(TOOLS, CHOICES, means="chat").plan(request, models.get(NAMES.get(backend)))
    return plan


@pytest.mark.models
@pytest.mark.parametrize(
    ("backend", "planning"),
    [
        ("embedded", "schema"),
        ("embedded", "text"),
        ("openai", "schema"),
        ("openai", "tools"),
        ("openai", "text"),
        ("ollama", "schema"),
        ("ollama", "tools"),
        ("ollama", "text"),
    ],
)
async def test_the_plan_is_the_same(backend: str, planning: Planning, ask: Callable[[Planning], ChatModels]) -> None:
    plan = await planned(ask(planning), backend)
    assert plan.steps == (PlannedStep(id="$1", tool="transcribe_audio", args={"audio": "memo.wav"}),)


@pytest.mark.models
@pytest.mark.parametrize("backend", ["embedded"])
async def test_embedded_models_say_that_they_cannot_be_told_of_tools(
    backend: str, ask: Callable[[Planning], ChatModels]
) -> None:
    with pytest.raises(PlanError, match=r"can't be told of tools.*schema"):
        await planned(ask("tools"), backend)
