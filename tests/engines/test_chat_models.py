"""Chat models behave alike, whoever runs them: the embedded engine, Ollama (a stand-in), llama.cpp's OpenAI server."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ollama_stand_in
import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, Field, SecretStr
from small_llm import CONTEXT, LIGHT, llama_openai_server, small_llm, with_options

from engines.catalog import Catalog, ModelEntry
from engines.controller import LoadProgress, ModelController
from engines.errors import ContextOverflowError, EngineError, InputError, NotFoundError, UnavailableError
from engines.loading import LoadContext
from engines.protocols import ChatReply, ChatRequest
from engines.text.chat import ChatModels, EmbeddedChat, structured
from engines.text.llm import LlamaCpp
from engines.text.remote import list_models

LONG_ANSWER = "Count from one to three hundred in words."


class OneFolder:
    """The `Weights` of a controller whose one model lies in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def require(self, entry: ModelEntry) -> Path:
        return self.folder

    def is_ready(self, entry: ModelEntry) -> bool:
        return True

    def revision(self, entry: ModelEntry) -> str:
        return ""


def catalog(default: str = LIGHT) -> Catalog:
    """The built-in entries, with ``default`` the default chat model; its context is short."""
    rest = {entry.id: entry.model_copy(update={"default": False}) for entry in Catalog.load()}
    return Catalog(rest | {default: with_options(rest[default]).model_copy(update={"default": True})})


@pytest.fixture
async def controller(weights: Callable[[str], Path]) -> AsyncIterator[ModelController]:
    made = own_controller(weights)
    yield made
    await made.close()


def own_controller(weights: Callable[[str], Path]) -> ModelController:
    small = small_llm(weights)
    return ModelController(catalog(small.entry.id), OneFolder(small.folder), budget_mb=4000)


@pytest.fixture
def chat(controller: ModelController, weights: Callable[[str], Path]) -> BaseChatModel:
    return ChatModels(catalog(small_llm(weights).entry.id), controller).get()


class CountedLlama(LlamaCpp):
    """Counts what it writes, and says when it is done."""

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        self.written = 0
        self.idle = threading.Event()

    def complete(self, request: ChatRequest, **call: Any) -> ChatReply:
        self.written, listener = 0, call.pop("on_token", None)
        self.idle.clear()

        def count(piece: str) -> None:
            self.written += 1
            if listener is not None:
                listener(piece)

        try:
            return super().complete(request, on_token=count, **call)
        finally:
            self.idle.set()


@pytest.fixture(scope="module")
def engine(weights: Callable[[str], Path]) -> Iterator[CountedLlama]:
    made = CountedLlama(small_llm(weights))
    yield made
    made.close()


@pytest.fixture(scope="module")
def openai_server(weights: Callable[[str], Path]) -> Iterator[str]:
    yield from llama_openai_server(small_llm(weights).folder, CONTEXT)


@dataclass
class Backend:
    chat: BaseChatModel
    written: Callable[[], int]
    """Tokens of the last answer; waits until it has ended."""


BACKENDS = ["embedded", "ollama-stand-in", "openai-llama.cpp"]


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "openai-llama.cpp":
        url = request.getfixturevalue("openai_server")
        chats = ChatModels(catalog(), unused_controller(), openai_url=f"{url}/v1", openai_key=SecretStr("the key"))
        yield Backend(chats.get("openai/local"), lambda: tokens_of_slot(url))
        return
    engine: CountedLlama = request.getfixturevalue("engine")

    def written() -> int:
        assert engine.idle.wait(60)
        return engine.written

    if request.param == "embedded":
        controller = ModelController(catalog(), OneFolder(Path()), budget_mb=4000, build=lambda _: Borrowed(engine))
        yield Backend(ChatModels(catalog(), controller).get(), written)
        await controller.close()
    else:
        with ollama_stand_in.serve(engine) as url:
            chats = ChatModels(catalog(), unused_controller(), ollama_url=url)
            yield Backend(chats.get(f"ollama/{ollama_stand_in.MODEL}"), written)


class Borrowed:
    """An engine that outlives the controller that lends it: it is loaded once for the module."""

    capability = "chat"

    def __init__(self, engine: LlamaCpp) -> None:
        self.engine = engine
        self.complete, self.count_tokens = engine.complete, engine.count_tokens

    def close(self) -> None: ...


def unused_controller() -> ModelController:
    return ModelController(catalog(), OneFolder(Path()), budget_mb=1)


def tokens_of_slot(url: str) -> int:
    asked = urllib.request.Request(f"{url}/slots", headers={"Authorization": "Bearer the key"})
    while True:
        [slot] = json.load(urllib.request.urlopen(asked))
        if not slot["is_processing"]:
            return int(slot["next_token"][0]["n_decoded"])


class Pet(BaseModel):
    species: Literal["axolotl", "okapi"]
    legs: int = Field(ge=0, le=9)
    name: str = Field(max_length=12)


@pytest.mark.models
class TestEveryBackend:
    async def test_answers(self, backend: Backend) -> None:
        answer = await backend.chat.ainvoke([SystemMessage("Answer with one word."), HumanMessage("Say hello.")])
        assert "hello" in answer.text.lower()

    async def test_streams_the_answer_in_pieces(self, backend: Backend) -> None:
        chunks = [chunk async for chunk in backend.chat.astream("Write: one two three four five")]
        assert len([chunk for chunk in chunks if chunk.text]) >= 5
        assert "two three four" in "".join(chunk.text for chunk in chunks)

    async def test_says_what_it_read_and_wrote(self, backend: Backend) -> None:
        bound = backend.chat.bind(max_tokens=6)
        whole = await bound.ainvoke(LONG_ANSWER)
        streamed = [chunk async for chunk in bound.astream(LONG_ANSWER)]
        total = streamed[0]
        for chunk in streamed[1:]:
            total += chunk
        for message in (whole, total):
            usage = message.usage_metadata
            assert usage is not None
            assert usage["output_tokens"] == 6
            assert 15 < usage["input_tokens"] < 60
            assert usage["total_tokens"] == usage["input_tokens"] + 6

    async def test_takes_the_same_call_options(self, backend: Backend) -> None:
        bound = backend.chat.bind(lane="plan", max_tokens=20, temperature=0.8, seed=3, stop=["four"])
        first, second = await bound.ainvoke("Write: one two three four five"), await bound.ainvoke("Write: one two")
        assert "four" not in first.text
        assert second.usage_metadata is not None
        assert second.usage_metadata["output_tokens"] <= 20

    async def test_a_consumer_that_leaves_stops_the_model(self, backend: Backend) -> None:
        stream = backend.chat.bind(max_tokens=400).astream(LONG_ANSWER)
        seen = 0
        async for chunk in stream:
            seen += bool(chunk.text)
            if seen == 3:
                break
        await stream.aclose()  # type: ignore[attr-defined] # it is an async generator
        assert await asyncio.to_thread(backend.written) < 100

    async def test_a_task_that_is_cancelled_stops_the_model(self, backend: Backend) -> None:
        begun = asyncio.Event()

        async def consume() -> None:
            async for chunk in backend.chat.bind(max_tokens=400).astream(LONG_ANSWER):
                if chunk.text:
                    begun.set()

        task = asyncio.create_task(consume())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(backend.written) < 100

    async def test_a_deadline_stops_the_model(self, backend: Backend) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await backend.chat.bind(max_tokens=2000).ainvoke(LONG_ANSWER)
        assert await asyncio.to_thread(backend.written) < 500

    async def test_a_prompt_that_is_too_long_is_an_overflow(self, backend: Backend) -> None:
        with pytest.raises(ContextOverflowError):
            await backend.chat.ainvoke("word " * (CONTEXT * 2))
        with pytest.raises(ContextOverflowError):
            [_ async for _ in backend.chat.astream("word " * (CONTEXT * 2))]

    @pytest.mark.parametrize("schema", [Pet, Pet.model_json_schema()], ids=["class", "dict"])
    async def test_structured_output_fits_the_schema(self, backend: Backend, schema: Any) -> None:
        made = await structured(backend.chat, schema, lane="plan", max_tokens=80).ainvoke("Write about the weather.")
        pet = made if isinstance(made, Pet) else Pet.model_validate(made)
        assert pet.species in ("axolotl", "okapi")

    async def test_structured_output_with_the_raw_answer_beside_it(self, backend: Backend) -> None:
        made = await structured(backend.chat, Pet.model_json_schema(), include_raw=True, max_tokens=80).ainvoke(
            "A pet?"
        )
        assert json.loads(made["raw"].text) == made["parsed"]
        assert made["raw"].usage_metadata["output_tokens"] > 5
        assert made["parsing_error"] is None

    async def test_structured_output_that_was_cut_off_is_not_mended(self, backend: Backend) -> None:
        with pytest.raises(OutputParserException, match="cut off"):
            await structured(backend.chat, Pet, max_tokens=6).ainvoke("A pet?")
        made = await structured(backend.chat, Pet, include_raw=True, max_tokens=6).ainvoke("A pet?")
        assert made["parsed"] is None
        assert "cut off" in str(made["parsing_error"])


@pytest.mark.models
class TestEmbedded:
    async def test_loads_when_it_is_first_used_and_says_so(
        self, controller: ModelController, weights: Callable[[str], Path]
    ) -> None:
        small = small_llm(weights).entry.id
        heard: list[LoadProgress] = []
        chat = ChatModels(catalog(small), controller, on_loading=heard.append).get()
        assert not heard
        await chat.ainvoke("hi", max_tokens=1)
        assert heard[-1].model == small
        assert heard[-1].fraction == 1.0

    async def test_tells_what_came_from_the_prompt_cache(self, chat: BaseChatModel) -> None:
        bound = chat.bind(max_tokens=1)
        rules = SystemMessage("A rule that is repeated. " * 40)
        await bound.ainvoke([rules, HumanMessage("one")])
        again = await bound.ainvoke([rules, HumanMessage("two")])
        assert again.usage_metadata is not None
        assert again.usage_metadata["input_token_details"]["cache_read"] > 150

    async def test_counts_tokens_as_the_engine_does(self, chat: BaseChatModel) -> None:
        assert isinstance(chat, EmbeddedChat)
        assert await chat.count_tokens("hello hello") == 2
        assert await asyncio.to_thread(chat.get_num_tokens, "hello hello") == 2

    async def test_blocking_calls_work_from_threads_and_not_on_the_loop(self, chat: BaseChatModel) -> None:
        bound = chat.bind(max_tokens=8)
        from_loop = await bound.ainvoke("Write: one two three")
        assert (await asyncio.to_thread(bound.invoke, "Write: one two three")).text == from_loop.text
        streamed = await asyncio.to_thread(lambda: [chunk.text for chunk in bound.stream("Write: one two three")])
        assert "".join(streamed) == from_loop.text
        with pytest.raises(EngineError, match=r"await model\.ainvoke"):
            chat.invoke("hi")

    def test_blocking_calls_need_no_loop_at_all(self, weights: Callable[[str], Path]) -> None:
        controller = own_controller(weights)
        chat = ChatModels(catalog(small_llm(weights).entry.id), controller).get().bind(max_tokens=4)
        assert chat.invoke("hi").text
        assert asyncio.run(chat.ainvoke("hi")).text == chat.invoke("hi").text  # another loop: work stays at home
        chat.bound.home.run_blocking(controller.close)  # type: ignore[attr-defined] # of the EmbeddedChat

    async def test_reads_blocks_of_text_and_results_of_tools(self, chat: BaseChatModel) -> None:
        blocks = HumanMessage([{"type": "text", "text": "What was "}, {"type": "text", "text": "the secret word?"}])
        calling = AIMessage("", tool_calls=[{"name": "lookup", "args": {"key": "secret"}, "id": "1"}])
        answer = await chat.ainvoke([blocks, calling, ToolMessage("The word is marmalade.", tool_call_id="1")])
        assert "marmalade" in answer.text.lower()

    async def test_says_that_it_cant_see(self, chat: BaseChatModel) -> None:
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        with pytest.raises(InputError, match=r"Qwen.*can't see pictures"):
            await chat.ainvoke([HumanMessage([picture])])

    async def test_an_unknown_option_is_refused(self, chat: BaseChatModel) -> None:
        with pytest.raises(InputError, match="knows no option 'top_q'"):
            await chat.ainvoke("hi", top_q=3)


class TestChoosing:
    async def test_what_does_not_exist_is_not_found(self) -> None:
        chats = ChatModels(catalog(), unused_controller(), ollama_url="http://127.0.0.1:1")
        for name in ("gpt-17", "elsewhere/thing", "ollama/", "ollama", "minilm-l6-v2"):
            with pytest.raises(NotFoundError):
                chats.get(name)
        with pytest.raises(UnavailableError, match="SENSORIUM_OPENAI_URL"):
            chats.get("openai/thing")

    async def test_describes_models_for_receipts(self) -> None:
        chats = ChatModels(Catalog.load(), unused_controller())
        default = chats.describe()
        assert default.id == "qwen2.5-coder-1.5b"
        assert default.licence == "Apache-2.0"
        assert default.sha256 == Catalog.load().get(default.id).sha256
        served = chats.describe("ollama/llama3.2:3b")
        assert (served.id, served.sha256) == ("ollama/llama3.2:3b", None)
        assert "llama3.2:3b" in served.title

    async def test_a_server_that_is_not_there_says_how_to_start_it(self) -> None:
        nobody = "http://127.0.0.1:1"
        chats = ChatModels(catalog(), unused_controller(), ollama_url=nobody, openai_url=f"{nobody}/v1")
        with pytest.raises(UnavailableError, match="Start it with: ollama serve"):
            await chats.get("ollama/any").ainvoke("hi")
        with pytest.raises(UnavailableError, match="No OpenAI-compatible server answers"):
            [_ async for _ in chats.get("openai/any").astream("hi")]
        with pytest.raises(UnavailableError, match=r"No Ollama server answers at .*ollama serve"):
            await list_models("ollama", nobody)

    @pytest.mark.models
    async def test_lists_what_a_server_has(self, engine: CountedLlama, openai_server: str) -> None:
        with ollama_stand_in.serve(engine) as url:
            assert await list_models("ollama", url) == (ollama_stand_in.MODEL,)
            with pytest.raises(UnavailableError, match="no OpenAI-compatible server"):
                await list_models("openai", f"{url}/v1")
            with pytest.raises(NotFoundError, match="ollama/none"):
                await ChatModels(catalog(), unused_controller(), ollama_url=url).get("ollama/none").ainvoke("hi")
        assert len(await list_models("openai", f"{openai_server}/v1", SecretStr("the key"))) == 1
        chats = ChatModels(catalog(), unused_controller(), openai_url=f"{openai_server}/v1")
        with pytest.raises(InputError, match="refuses the key"):
            await chats.get("openai/any").ainvoke("hi")
