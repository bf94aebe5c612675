"""LangChain's chat models for Ollama and OpenAI-compatible servers, made to take and raise what `EmbeddedChat` does.

Import it when such a model is asked for: both libraries are slow to import.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import httpx
import ollama
import openai
from langchain_core.exceptions import ContextOverflowError as LangChainContextOverflowError
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from engines.catalog import Planning
from engines.errors import ContextOverflowError, EngineError, InputError, NotFoundError, SensoriumError
from engines.text.remote import Provider, unreachable

#: What servers write when a prompt is too long for the model.
OVERFLOW_SIGNS = ("context length", "context size", "context window", "context_length", "exceed_context")

#: Call options that mean something to embedded models only.
OURS = ("lane", "shared")

#: How often a request is sent again that a busy server turned away, or whose connection broke before it said a word.
RETRIES = 2
WAIT_SECONDS = 0.5
"""Before the first retry; twice as long before the next."""

_BUSY = {408, 429, 502, 503, 504}


class OllamaChat(ChatOllama):
    """`ChatOllama` with `EmbeddedChat`'s call options. Ollama gives no sign when it cuts a prompt that is too long."""

    planning: Planning = "schema"

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        # Upstream's own way to a whole answer is to gather a stream; ours is the one that retries.
        with _clear_errors("ollama", self.base_url, self.model):
            return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        stream = super()._astream
        with _clear_errors("ollama", self.base_url, self.model):
            async for chunk in _patiently(lambda: stream(messages, None, run_manager, **self._told(stop, kwargs))):
                yield chunk

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with _clear_errors("ollama", self.base_url, self.model):
            return super()._generate(messages, None, run_manager, **self._told(stop, kwargs))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        with _clear_errors("ollama", self.base_url, self.model):
            yield from super()._stream(messages, None, run_manager, **self._told(stop, kwargs))

    def constrained(self, schema: Mapping[str, Any], **call: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with decoding held to a JSON schema."""
        return self.bind(format=dict(schema), **call)

    def _told(self, stop: list[str] | None, call: Mapping[str, Any]) -> dict[str, Any]:
        """Ollama takes these as ``options``, all or none."""
        rest = {key: value for key, value in call.items() if key not in (*OURS, "max_tokens", "temperature", "seed")}
        options = {
            "num_ctx": self.num_ctx,
            "num_predict": call.get("max_tokens", self.num_predict),
            "temperature": call.get("temperature", self.temperature),
            "seed": call.get("seed", self.seed),
            "stop": stop,
        }
        return {"options": {key: value for key, value in options.items() if value is not None}} | rest


class OpenAIChat(ChatOpenAI):
    """`ChatOpenAI` for any server that speaks its protocol, with `EmbeddedChat`'s call options."""

    planning: Planning = "schema"

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with _clear_errors("openai", self.openai_api_base, self.model_name):
            return await super()._agenerate(*args, **_without_ours(kwargs))

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        with _clear_errors("openai", self.openai_api_base, self.model_name):
            async for chunk in super()._astream(*args, **_without_ours(kwargs)):
                yield chunk

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with _clear_errors("openai", self.openai_api_base, self.model_name):
            return super()._generate(*args, **_without_ours(kwargs))

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        with _clear_errors("openai", self.openai_api_base, self.model_name):
            yield from super()._stream(*args, **_without_ours(kwargs))

    def constrained(self, schema: Mapping[str, Any], **call: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with decoding held to a JSON schema."""
        wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema)}}
        # As `response_format` the client would parse the answer too, and raise without it when it was cut off.
        return self.bind(extra_body={"response_format": wanted}, **call)


def _without_ours(call: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in call.items() if key not in OURS}


async def _patiently(
    start: Callable[[], AsyncIterator[ChatGenerationChunk]],
) -> AsyncIterator[ChatGenerationChunk]:
    """The stream, begun again where the server was busy or the connection broke before the first word."""
    for attempt in itertools.count():
        begun = False
        try:
            async for chunk in start():
                begun = True
                yield chunk
        except (ollama.ResponseError, httpx.RemoteProtocolError, httpx.ReadError) as error:
            busy = error.status_code in _BUSY if isinstance(error, ollama.ResponseError) else True
            if begun or not busy or attempt == RETRIES:
                raise
            await asyncio.sleep(WAIT_SECONDS * 2**attempt)
        else:
            return


@contextlib.contextmanager
def _clear_errors(provider: Provider, base_url: str | None, model: str) -> Iterator[None]:
    """Turn what the clients raise into the project's errors."""
    try:
        yield
    except LangChainContextOverflowError as error:
        raise _refused(f"{provider}/{model}", 400, f"context length: {error}") from error
    except ollama.ResponseError as error:
        raise _refused(f"{provider}/{model}", error.status_code, error.error) from error
    except openai.APIStatusError as error:
        raise _refused(f"{provider}/{model}", error.status_code, error.message) from error
    except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout, openai.APITimeoutError) as error:
        raise EngineError(
            f"{provider}/{model} said nothing for too long.",
            fix="Look at the server, or raise SENSORIUM_CHAT_TIMEOUT_SECONDS.",
        ) from error
    except (httpx.ConnectError, httpx.ConnectTimeout, ConnectionError, openai.APIConnectionError) as error:
        raise unreachable(provider, base_url or "its usual address") from error
    except (httpx.HTTPError, openai.APIError) as error:
        raise EngineError(f"{provider}/{model} failed: {error or type(error).__name__}") from error


def _refused(model: str, status: int, message: str) -> SensoriumError:
    line = next(iter(message.strip().splitlines()), "").rstrip(".")
    if any(sign in message.lower() for sign in OVERFLOW_SIGNS):
        return ContextOverflowError(
            f"The prompt does not fit in the context of {model}: {line}.",
            fix="Shorten it, or choose a model with a longer context.",
        )
    match status:
        case 404:
            return NotFoundError(
                f"The server has no model {model!r}: {line}.", fix="See which it has, or pull it there."
            )
        case 401 | 403:
            return InputError(f"The server of {model} refuses the key: {line}.", fix="Set the right key.")
        case 400 | 422:
            return InputError(f"{model} can't take this request: {line}.")
        case _:
            return EngineError(f"{model} failed with HTTP {status}: {line}.")
