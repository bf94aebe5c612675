"""The embedded chat model: a GGUF file run in this process by llama.cpp's own server (``xllamacpp``).

Completions go through direct calls. llama.cpp also opens a socket; it is a Unix socket in a private folder
(loopback with a key where the system has none), and only token counts use it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from engines.errors import ContextOverflowError, EngineError, InputError
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken
from engines.protocols import ChatReply, ChatRequest
from engines.text.llama_server import LlamaOptions, LlamaServer
from engines.text.prefix_states import PrefixStates, body_of


class LlamaCpp:
    """`Chat` over the one ``*.gguf`` in the model's folder.

    Lane "plan" owns the first slot and "respond" the second; every other lane takes the last one, so that the
    planner's long prefix is never pushed out. A slot works on one request at a time; others wait for it.
    """

    capability: ClassVar[str] = "chat"

    def __init__(self, context: LoadContext) -> None:
        self._id = context.entry.id
        try:
            options = LlamaOptions.model_validate(dict(context.entry.options))
        except ValidationError as error:
            raise InputError(f"{self._id}: options: {error.errors()[0]['msg']}.", fix="Correct the entry.") from error
        context.cancel.check()
        gguf = _gguf(context, options)
        _read_ahead(gguf, context)
        context.on_progress(None, "loading the weights")
        self._prefixes = PrefixStates.of(gguf, options, context)
        try:
            self._server: LlamaServer | None = LlamaServer(
                gguf, options, threads=context.threads, gpu=context.device != "cpu", states=self._prefixes.folder
            )
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        except RuntimeError as error:
            raise EngineError(
                f"{self._id}: the weights can't be loaded: a damaged file, or a kind llama.cpp does not know.",
                fix=f"Fetch them again: sensorium models pull {self._id}",
            ) from error
        self._context_tokens = self._server.context_tokens
        self._slots = [threading.Lock() for _ in range(options.slots)]
        self._closing = CancelToken()

    @property
    def context_tokens(self) -> int:
        """Of each slot: prompt and answer together."""
        return self._context_tokens

    def count_tokens(self, text: str) -> int:
        """The model's own count, without the chat template's few tokens a message."""
        return self._open().count_tokens(text)

    def complete(
        self,
        request: ChatRequest,
        *,
        on_token: Callable[[str], None] | None = None,
        cancel: CancelToken = NEVER,
    ) -> ChatReply:
        """See `engines.protocols.Chat`. While a long prompt is read, a cancel is seen every ``batch_tokens``.

        Raises ContextOverflowError, InputError for a request or schema that can't be used, EngineError otherwise.
        """
        if not request.messages:
            raise InputError("A chat request needs at least one message.")
        if request.adapter and request.adapter not in self._open().adapters:
            raise InputError(f"{self._id} has no adapter {request.adapter!r}.", fix="Name it in the entry's options.")
        if request.max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, not {request.max_tokens}.")
        with self._slot(request.lane, cancel) as slot:
            stream = _Stream(on_token, (cancel, self._closing))
            try:
                self._prefixes.prepare(self._open(), request, slot, lambda: cancel.is_set() or self._closing.is_set())
                self._open().complete(body_of(request, slot, self._open().adapters), stream)
            except ValueError as error:
                raise InputError(f"{self._id} can't take this request: {error}.") from error
            except RuntimeError as error:
                raise EngineError(f"{self._id} failed: {error}.") from error
        cancel.check()
        return stream.reply(self._id)

    def close(self) -> None:
        """Stop what is under way and free the weights and the prompt caches."""
        self._closing.set()
        for lock in self._slots:
            lock.acquire()
        try:
            if self._server is not None:
                self._server.close()
            self._server = None
        finally:
            for lock in self._slots:
                lock.release()

    def _open(self) -> LlamaServer:
        if self._server is None or self._closing.is_set():
            raise EngineError(f"{self._id} was closed while it was in use.")
        return self._server

    @contextmanager
    def _slot(self, lane: str, cancel: CancelToken) -> Iterator[int]:
        """Wait here and not in the server's queue, where a cancel would not be seen."""
        last = len(self._slots) - 1
        slot = min({"plan": 0, "respond": 1}.get(lane, last), last)
        while not self._slots[slot].acquire(timeout=0.05):
            cancel.check()
        try:
            yield slot
        finally:
            self._slots[slot].release()


def _read_ahead(gguf: Path, context: LoadContext) -> None:
    """Bring the file into the system's cache, with progress and a look at the cancel token. llama.cpp holds Python's
    lock while it loads, and nobody could do anything else while it waited for a disk.
    """
    buffer, done, total = bytearray(1 << 24), 0, gguf.stat().st_size
    with gguf.open("rb", buffering=0) as file:
        while read := file.readinto(buffer):
            context.cancel.check()
            done += read
            context.on_progress(0.8 * done / total, "reading the weights")


def _gguf(context: LoadContext, options: LlamaOptions) -> Path:
    found = sorted(context.folder.glob(options.file or "*.gguf"))
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:10])
        raise EngineError(
            f"{context.entry.id}: its folder holds several models: {names}.",
            fix="Name one in the entry: options = { file = ... }",
        )
    raise EngineError(
        f"{context.entry.id}: its folder holds no {options.file or '.gguf file'}.",
        fix=f"Fetch it again: sensorium models pull {context.entry.id}",
    )


class _Stream:
    """Takes the server's chunks; answers True to stop it."""

    def __init__(self, on_token: Callable[[str], None] | None, stops: tuple[CancelToken, ...]) -> None:
        self._on_token = on_token
        self._stops = stops
        self._pieces: list[str] = []
        self._finish_reason = ""
        self._usage: Mapping[str, Any] = {}
        self._problem: Mapping[str, Any] | None = None
        self._raised: BaseException | None = None

    def __call__(self, chunk: Mapping[str, Any]) -> bool:
        if any(stop.is_set() for stop in self._stops):
            return True
        try:
            self._take(chunk)
        except BaseException as error:  # the native caller would swallow it: keep it for `reply`
            self._raised = error
        return self._raised is not None or self._problem is not None

    def _take(self, chunk: Mapping[str, Any]) -> None:
        if "error" in chunk:
            self._problem = chunk["error"]
            return
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices", ()):
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            if piece := choice.get("delta", {}).get("content"):
                self._pieces.append(piece)
                if self._on_token is not None:
                    self._on_token(piece)

    def reply(self, model_id: str) -> ChatReply:
        """Raises what went wrong on the way."""
        if self._raised is not None:
            raise self._raised
        if self._problem is not None:
            raise _error(model_id, self._problem)
        if not self._finish_reason:
            raise EngineError(f"{model_id} was closed while it was in use.")
        return ChatReply(
            text="".join(self._pieces),
            finish_reason="length" if self._finish_reason == "length" else "stop",
            prompt_tokens=self._usage.get("prompt_tokens", 0),
            completion_tokens=self._usage.get("completion_tokens", 0),
            cached_tokens=self._usage.get("prompt_tokens_details", {}).get("cached_tokens", 0),
        )


def _error(model_id: str, problem: Mapping[str, Any]) -> EngineError | InputError:
    if problem.get("type") == "exceed_context_size_error":
        return ContextOverflowError(
            f"The prompt is {problem.get('n_prompt_tokens')} tokens long; {model_id} takes {problem.get('n_ctx')}.",
            fix="Shorten it, or choose a model with a longer context.",
        )
    message = str(problem.get("message", problem)).rstrip(".")
    if problem.get("type") == "invalid_request_error":
        return InputError(f"{model_id} can't take this request: {message}.")
    return EngineError(f"{model_id} failed: {message}.")
