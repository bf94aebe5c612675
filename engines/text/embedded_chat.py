"""A LangChain chat model over an engine that the `ModelController` lends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel, Field, SkipValidation

from engines.catalog import Planning
from engines.controller import LoadProgress, ModelController
from engines.errors import InputError
from engines.protocols import Chat, ChatReply, ChatRequest
from engines.text.chat_messages import turns, usage
from engines.text.home_loop import HomeLoop
from engines.text.structured import structured

#: What `bind` and a call may set for one request.
CALL_OPTIONS = frozenset({"lane", "shared", "max_tokens", "temperature", "seed", "json_schema", "grammar", "adapter"})

#: What LangChain passes along for its tracers.
TRACER_OPTIONS = frozenset({"ls_structured_output_format"})


class EmbeddedChat(BaseChatModel):
    """An ordinary LangChain chat model, with ``bind(lane=, shared=, max_tokens=, temperature=, seed=, ...)``
    (`CALL_OPTIONS`).

    Cancelling the consumer of a stream, or the task that awaits an answer, stops the engine within a token or two.
    The controller lives on one event loop (see `HomeLoop`). The blocking methods (``invoke``, ``stream``,
    ``get_num_tokens``) are for threads without a loop; inside one they raise EngineError.
    """

    model_id: str
    title: str
    """Named in errors."""
    controller: SkipValidation[ModelController] = Field(exclude=True, repr=False)
    home: SkipValidation[HomeLoop] = Field(default_factory=HomeLoop, exclude=True, repr=False)
    on_loading: Callable[[LoadProgress], None] | None = Field(default=None, exclude=True, repr=False)
    """Called on the controller's loop while the weights are loaded."""
    lane: str = "respond"
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    planning: Planning = "schema"
    """How it is asked for plans. By "tools" it can't be: llama.cpp's models here print their calls."""

    @property
    def _llm_type(self) -> str:
        return "sensorium-embedded"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {
            "model_id": self.model_id,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider="sensorium",
            ls_model_name=self.model_id,
            ls_model_type="chat",
            ls_temperature=kwargs.get("temperature", self.temperature),
            ls_max_tokens=kwargs.get("max_tokens", self.max_tokens),
        )
        if stop:
            params["ls_stop"] = stop
        return params

    # ------------------------------------------------------------------------------------------------ asynchronous

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 # LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        return self._result(await self._complete(self._request(messages, stop, kwargs), None))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        task = loop.create_task(
            self._complete(request, lambda piece: loop.call_soon_threadsafe(pieces.put_nowait, piece)),
            name=f"answer of {self.model_id}",
        )
        task.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                chunk = _piece(piece)
                if run_manager:
                    await run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            yield self._last(await task)
        finally:
            task.cancel()  # the consumer may have gone away: the engine stops too
            await asyncio.wait([task])

    async def count_tokens(self, text: str) -> int:
        """The model's own count."""

        async def count() -> int:
            async with self.controller.use(Chat, self.model_id, on_loading=self.on_loading) as lease:
                return await lease.run(lambda engine, _: engine.count_tokens(text))

        return await self.home.run(count)

    async def _complete(self, request: ChatRequest, on_token: Callable[[str], object] | None) -> ChatReply:
        return await self.home.run(lambda: self._complete_at_home(request, on_token))

    async def _complete_at_home(self, request: ChatRequest, on_token: Callable[[str], object] | None) -> ChatReply:
        def listen(piece: str) -> None:
            if on_token is not None:
                on_token(piece)

        async with self.controller.use(Chat, self.model_id, on_loading=self.on_loading) as lease:
            return await lease.run(lambda engine, cancel: engine.complete(request, on_token=listen, cancel=cancel))

    # ---------------------------------------------------------------------------------------------------- blocking

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 # LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, kwargs)
        return self._result(self.home.run_blocking(lambda: self._complete_at_home(request, None)))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        pieces: SimpleQueue[str | None] = SimpleQueue()

        async def complete() -> ChatReply:
            try:
                return await self._complete_at_home(request, pieces.put)
            finally:
                pieces.put(None)

        future = self.home.start(complete)
        try:
            while (piece := pieces.get()) is not None:
                chunk = _piece(piece)
                if run_manager:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            yield self._last(future.result())
        finally:
            future.cancel()

    def get_num_tokens(self, text: str) -> int:
        """The model's own count, for threads without an event loop; elsewhere ``await count_tokens(text)``."""
        return self.home.run_blocking(lambda: self.count_tokens(text))

    def get_token_ids(self, text: str) -> list[int]:
        """Not offered: LangChain's default would fetch another model's tokenizer."""
        raise NotImplementedError("EmbeddedChat counts tokens, but does not name them: use count_tokens().")

    # ------------------------------------------------------------------------------------------- structured output

    def constrained(self, schema: Mapping[str, Any], **call: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with decoding held to a JSON schema; ``call`` as in ``bind``."""
        return self.bind(json_schema=dict(schema), **call)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "json_schema",
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """By constrained decoding: what comes back fits the schema, or was cut off and raises OutputParserException."""
        if method != "json_schema":
            raise InputError(f"{self.title} has no structured output by {method!r}.", fix="Use method='json_schema'.")
        return structured(self, schema, include_raw=include_raw, **kwargs)

    # ------------------------------------------------------------------------------------------------------ shared

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, call: Mapping[str, Any]) -> ChatRequest:
        if unknown := sorted(call.keys() - CALL_OPTIONS - TRACER_OPTIONS):
            raise InputError(
                f"{self.title} knows no option {unknown[0]!r}.", fix=f"Known: {', '.join(sorted(CALL_OPTIONS))}, stop."
            )
        return ChatRequest(
            messages=turns(messages, self.title),
            max_tokens=call.get("max_tokens", self.max_tokens),
            temperature=call.get("temperature", self.temperature),
            seed=call.get("seed", self.seed),
            stop=tuple(stop or ()),
            json_schema=call.get("json_schema"),
            grammar=call.get("grammar", ""),
            adapter=call.get("adapter", ""),
            lane=call.get("lane", self.lane),
            shared=call.get("shared", 0),
        )

    def _result(self, reply: ChatReply) -> ChatResult:
        message = AIMessage(content=reply.text, usage_metadata=usage(reply), response_metadata=self._metadata(reply))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _last(self, reply: ChatReply) -> ChatGenerationChunk:
        message = AIMessageChunk(
            content="",
            usage_metadata=usage(reply),
            response_metadata=self._metadata(reply),
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)

    def _metadata(self, reply: ChatReply) -> dict[str, Any]:
        return {"model_name": self.model_id, "model_provider": "sensorium", "finish_reason": reply.finish_reason}


def _piece(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))
