"""What a chat model made of a prompt's fixed beginning, kept on disk between processes.

A planner's instructions and examples are a thousand tokens that every process would read anew before its first answer:
half a minute of CPU time. Their state in llama.cpp's slot is written once and read back in milliseconds. It holds
nothing a user wrote.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engines.errors import EngineError
from engines.loading import LoadContext
from engines.protocols import ChatRequest
from engines.text.llama_server import LlamaOptions, LlamaServer

logger = logging.getLogger(__name__)

#: States kept in all; older ones go. There is one for each model, lane, set of tools and version of the prompts.
KEPT = 8


class PrefixStates:
    """The states of one loaded model. Each slot is prepared once for each prefix."""

    def __init__(self, folder: Path | None, model: str) -> None:
        self.folder = folder
        self._model = model
        self._ready: dict[int, str] = {}

    @classmethod
    def of(cls, gguf: Path, options: LlamaOptions, context: LoadContext) -> PrefixStates:
        """In the cache folder, if there is one that can be written. A changed file or setting has states of its own."""
        stat = gguf.stat()
        made_by = f"{context.entry.id} {stat.st_size} {stat.st_mtime_ns} {options.model_dump_json()}"
        folder = context.cache / "prompts" if context.cache else None
        if folder:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                logger.info("prompt states are not kept: %s", error)
                folder = None
        return cls(folder, made_by)

    def prepare(self, server: LlamaServer, request: ChatRequest, slot: int, stopped: Callable[[], bool]) -> None:
        """Bring the request's shared messages into the slot, from disk or by reading them. The slot must be held."""
        if request.adapter:  # it reads otherwise: what is in the slot is of no use to others
            self._ready.pop(slot, None)
        if not request.shared or self.folder is None:
            return
        shared = [[turn.role, turn.content] for turn in request.messages[: request.shared]]
        key = hashlib.sha256(json.dumps([self._model, shared]).encode()).hexdigest()[:32]
        if self._ready.get(slot) == key:
            return
        path = self.folder / f"{key}.state"
        if not self._restored(server, slot, path):
            reading = ChatRequest(request.messages[: request.shared], max_tokens=1)
            server.complete(body_of(reading, slot, server.adapters), lambda _: stopped())
            if stopped():
                return
            self._keep(server, slot, path)
        self._ready[slot] = key

    def _restored(self, server: LlamaServer, slot: int, path: Path) -> bool:
        if not path.is_file():
            return False
        try:
            server.restore_slot(slot, path.name)
            path.touch()
        except EngineError:  # cut off by a full disk, or made by another version of llama.cpp
            path.unlink(missing_ok=True)
            return False
        return True

    def _keep(self, server: LlamaServer, slot: int, path: Path) -> None:
        """What can't be written is read again next time."""
        unfinished = path.with_suffix(f".{id(self):x}.part")
        try:
            server.save_slot(slot, unfinished.name)
            unfinished.replace(path)
            for old in sorted(path.parent.glob("*.state"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
                old.unlink(missing_ok=True)
        except (EngineError, OSError) as error:
            logger.info("the prompt state was not kept: %s", error)
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


def body_of(request: ChatRequest, slot: int, adapters: Sequence[str] = ()) -> dict[str, Any]:
    """The request as llama.cpp's server takes it. ``adapters``: the names of those that are loaded, in order."""
    body: dict[str, Any] = {
        "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop),
        "id_slot": slot,
        "cache_prompt": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,  # a call between two batches of the prompt: the only place to cancel there
    }
    if request.json_schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"schema": dict(request.json_schema)}}
    if request.grammar:
        body["grammar"] = request.grammar
    if adapters:  # llama.cpp applies those of which nothing is said
        body["lora"] = [{"id": n, "scale": float(name == request.adapter)} for n, name in enumerate(adapters)]
    return body
