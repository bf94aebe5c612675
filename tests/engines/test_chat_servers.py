"""Chat servers that are busy, silent or gone, what Ollama has, and fetching a model there.

Ollama is a stand-in over the embedded model (see `ollama_stand_in`); the OpenAI-compatible server is llama.cpp's own.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import flaky_proxy
import ollama_stand_in
import pytest
from flaky_proxy import Proxy
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from PIL import Image
from pydantic import SecretStr
from small_llm import CONTEXT, llama_openai_server, small_llm

from engines.catalog import Catalog, ModelEntry
from engines.controller import ModelController
from engines.downloads import PullProgress
from engines.errors import DownloadError, EngineError, UnavailableError
from engines.progress import Cancelled, CancelToken
from engines.readiness import Shelf
from engines.text.chat import ChatModels
from engines.text.llm import LlamaCpp
from engines.text.ollama_pull import pull_on_ollama


class Nothing:
    """The `Weights` of a machine without any."""

    def require(self, entry: ModelEntry) -> Path:
        raise AssertionError(entry.id)

    def is_ready(self, entry: ModelEntry) -> bool:
        return not entry.has_weights

    def revision(self, entry: ModelEntry) -> str:
        return ""


def chat_models(provider: str, url: str, *, timeout: float = 60) -> ChatModels:
    unused = ModelController(Catalog.load(), Nothing(), budget_mb=1)
    urls = {"ollama_url": url} if provider == "ollama" else {"openai_url": f"{url}/v1"}
    return ChatModels(Catalog.load(), unused, openai_key=SecretStr("the key"), timeout_seconds=timeout, **urls)


@pytest.fixture(scope="module")
def engine(weights: Callable[[str], Path]) -> Iterator[LlamaCpp]:
    made = LlamaCpp(small_llm(weights))
    yield made
    made.close()


@pytest.fixture(scope="module")
def llama_cpp(weights: Callable[[str], Path]) -> Iterator[str]:
    yield from llama_openai_server(small_llm(weights).folder, CONTEXT)


@pytest.fixture(params=["ollama", "openai"])
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def proxy(request: pytest.FixtureRequest, provider: str) -> Iterator[Proxy]:
    if provider == "openai":
        with flaky_proxy.before(request.getfixturevalue("llama_cpp")) as made:
            yield made
        return
    engine: LlamaCpp = request.getfixturevalue("engine")
    with ollama_stand_in.serve(engine) as url, flaky_proxy.before(url) as made:
        yield made


def name(provider: str) -> str:
    return f"ollama/{ollama_stand_in.MODEL}" if provider == "ollama" else "openai/local"


def chat(provider: str, proxy: Proxy, timeout: float = 60) -> BaseChatModel:
    return chat_models(provider, proxy.address, timeout=timeout).get(name(provider))


@pytest.mark.models
class TestAServerThatIsNotReliable:
    async def test_is_asked_again_when_it_is_busy(self, provider: str, proxy: Proxy) -> None:
        proxy.busy = 2
        answer = await chat(provider, proxy).bind(max_tokens=8).ainvoke("Say hello.")
        assert answer.text
        assert len(proxy.requests) == 3

    async def test_is_asked_again_when_the_connection_breaks_before_a_word(self, provider: str, proxy: Proxy) -> None:
        proxy.dropped = 1
        pieces = [chunk.text async for chunk in chat(provider, proxy).bind(max_tokens=8).astream("Say hello.")]
        assert "".join(pieces)
        assert len(proxy.requests) == 2

    async def test_is_given_up_when_it_stays_busy(self, provider: str, proxy: Proxy) -> None:
        proxy.busy = 99
        with pytest.raises(EngineError, match="503"):
            await chat(provider, proxy).ainvoke("Say hello.")
        assert len(proxy.requests) == 3

    async def test_is_given_up_when_it_says_nothing(self, provider: str, proxy: Proxy) -> None:
        proxy.silent.set()
        with pytest.raises(EngineError, match=r"said nothing for too long.*SENSORIUM_CHAT_TIMEOUT_SECONDS"):
            await chat(provider, proxy, timeout=0.3).ainvoke("Say hello.")


@pytest.mark.models
class TestOllama:
    async def test_calls_of_tools_come_back_parsed(self, engine: LlamaCpp) -> None:
        @tool
        def look_up_weather(city: str) -> str:
            """Tell the weather of a city."""
            return f"Rain in {city}"

        with ollama_stand_in.serve(engine) as url:
            model = chat_models("ollama", url).get(name("ollama"))
            answer = await model.bind_tools([look_up_weather]).ainvoke("How is the weather in Lisbon?")
        assert isinstance(answer.tool_calls, list)
        (call,) = answer.tool_calls
        assert call["name"] == "look_up_weather"
        assert isinstance(call["args"]["city"], str)

    async def test_pictures_reach_a_model_that_can_see(self, engine: LlamaCpp) -> None:
        picture = io.BytesIO()
        Image.new("RGB", (8, 8), "red").save(picture, "PNG")
        data = base64.b64encode(picture.getvalue()).decode()
        asked = HumanMessage(
            [
                {"type": "text", "text": "What colour?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
            ]
        )
        seen = ollama_stand_in.Seen()
        with ollama_stand_in.serve(engine, seen) as url:
            await chat_models("ollama", url).get(name("ollama")).bind(max_tokens=4).ainvoke([asked])
        assert seen.images == 1

    async def test_an_entry_of_the_catalog_stands_for_a_model_there(self, engine: LlamaCpp) -> None:
        with ollama_stand_in.serve(engine) as url:
            models = chat_models("ollama", url)
            assert models.describe("ollama-mistral").id == "ollama/mistral"
            with pytest.raises(Exception, match="mistral"):
                await models.get("ollama-mistral").ainvoke("Hello")

    def test_what_it_has_is_ready_and_the_rest_can_be_pulled(self, engine: LlamaCpp) -> None:
        entry = Catalog.load().get("ollama-mistral")
        seen = ollama_stand_in.Seen()
        with ollama_stand_in.serve(engine, seen) as url:
            found = Shelf(Catalog.load(), Nothing(), {"ollama_url": url}).readiness(entry)
            assert (found.state, found.fix) == ("needs weights", "sensorium models pull ollama-mistral")
            steps: list[PullProgress] = []
            pull_on_ollama(url, "mistral", on_progress=steps.append)
            assert Shelf(Catalog.load(), Nothing(), {"ollama_url": url}).readiness(entry).state == "ready"
        assert max(step.total for step in steps) == sum(ollama_stand_in.LAYERS.values())
        assert steps[-1].message == "ready"
        assert [step.done for step in steps] == sorted(step.done for step in steps)

    def test_a_pull_can_be_cancelled_and_can_fail(self, engine: LlamaCpp) -> None:
        with ollama_stand_in.serve(engine) as url:
            cancel = CancelToken()
            cancel.set()
            with pytest.raises(Cancelled):
                pull_on_ollama(url, "mistral", on_progress=lambda _: None, cancel=cancel)
            with pytest.raises(DownloadError, match="could not get no-such: pull model manifest"):
                pull_on_ollama(url, "no-such", on_progress=lambda _: None)


def test_a_server_that_is_not_there_is_said_so_with_how_to_start_it() -> None:
    nowhere = "http://127.0.0.1:9"
    found = Shelf(Catalog.load(), Nothing(), {"ollama_url": nowhere}).readiness(Catalog.load().get("ollama-mistral"))
    assert found.state == "needs server"
    assert "ollama serve" in found.fix
    with pytest.raises(UnavailableError, match="ollama serve"):
        pull_on_ollama(nowhere, "mistral", on_progress=lambda _: None)
