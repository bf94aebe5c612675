"""llama.cpp's server in this process: started without noise, closed without leftovers."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from engines.errors import EngineError
from engines.openmp import set_waiting_policy

DATA = Path(__file__).parents[1] / "data"
#: The kernel keeps a Unix socket's path in 108 bytes, some systems in 104.
LONGEST_SOCKET_PATH = 100


class LlamaOptions(BaseModel):
    """What a catalog entry may set in ``options``."""

    file: str = ""
    """The .gguf to load, in a folder that holds several."""
    context_tokens: int = Field(default=8192, ge=256)
    """Of each slot: prompt and answer together."""
    slots: int = Field(default=2, ge=1, le=16)
    """Completions at once; each slot keeps its own prompt prefix warm."""
    batch_tokens: int = Field(default=128, ge=32)
    """Prompt tokens read between two looks at the cancel token."""
    prompt_cache_mb: int = Field(default=256, ge=0)
    """Memory for prefixes that were pushed out of their slot; they come back without being read again."""
    adapters: dict[str, Path] = Field(default_factory=dict)
    """LoRA weights (.gguf) that a request may name, by that name. Relative paths: in the package's data folder."""


class LlamaServer:
    """One loaded model.

    Raises RuntimeError when llama.cpp does not take the file, EngineError for an adapter that is not there, ImportError
    without xllamacpp.
    """

    def __init__(
        self, gguf: Path, options: LlamaOptions, *, threads: int, gpu: bool, states: Path | None = None
    ) -> None:
        """``states`` is the folder that `save_slot` writes to and `restore_slot` reads from."""
        set_waiting_policy()
        import xllamacpp

        adapters = [_adapter(xllamacpp, DATA / path) for path in options.adapters.values()]
        self.adapters = tuple(options.adapters)
        self._key = secrets.token_urlsafe(24)
        self._folder = tempfile.mkdtemp(prefix="sensorium-")  # only this user may enter it
        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.n_ctx = options.context_tokens * options.slots  # llama.cpp gives each slot its share
        params.n_parallel = options.slots
        params.n_batch = params.n_ubatch = options.batch_tokens
        params.cache_ram_mib = options.prompt_cache_mb
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        if not gpu:
            params.n_gpu_layers = 0
        # Read, not mapped: most weights are repacked for the CPU, and the file's pages would stay beside them.
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
        params.fit_params = False  # it would change the context to what it thinks fits
        params.verbosity = -1
        params.n_threads_http = 1
        params.warmup = False  # a second more in the constructor, which holds the interpreter's lock
        params.endpoint_slots = params.ui = False
        params.api_keys = [self._key]
        params.lora_adapters = adapters
        if states is not None:
            params.slot_save_path = f"{states}{os.sep}"
        params.hostnames = [self._host()]
        try:
            self._native = xllamacpp.Server(params)
            self.context_tokens: int = self._ask("GET", "/props")["default_generation_settings"]["n_ctx"]
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def complete(self, body: Mapping[str, Any], on_chunk: Callable[[Mapping[str, Any]], bool]) -> None:
        """Blocking, without the interpreter's lock. ``on_chunk`` returns True to stop."""
        self._native.handle_chat_completions(body, on_chunk)

    def count_tokens(self, text: str) -> int:
        return len(self._ask("POST", "/tokenize", {"content": text})["tokens"])

    def save_slot(self, slot: int, name: str) -> None:
        """Write a slot's state (about 28 kB a token for a 1.5 B model) to a file in ``states``. Raises EngineError."""
        self._ask("POST", f"/slots/{slot}?action=save", {"filename": name})

    def restore_slot(self, slot: int, name: str) -> None:
        """Raises EngineError for a file that is not there or was made by another model."""
        self._ask("POST", f"/slots/{slot}?action=restore", {"filename": name})

    def close(self) -> None:
        """Ends llama.cpp's threads and frees the weights: the native destructor does it."""
        del self._native
        shutil.rmtree(self._folder, ignore_errors=True)

    def _host(self) -> str:
        path = str(Path(self._folder, "llama.sock"))
        return path if hasattr(socket, "AF_UNIX") and len(path.encode()) <= LONGEST_SOCKET_PATH else "127.0.0.1"

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = _connect(self._native.listening_address)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise EngineError(f"llama.cpp answered {response.status} to {path}.")
        return json.loads(answer)


def _adapter(xllamacpp: Any, path: Path) -> Any:
    """Raises EngineError when it is not there: llama.cpp would not say which file it missed."""
    if not path.is_file():
        raise EngineError(f"There is no adapter {path}.", fix="Correct the entry's options.")
    adapter = xllamacpp.CommonAdapterLoraInfo()
    adapter.path, adapter.scale = str(path), 0.0
    return adapter


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connect(address: str) -> http.client.HTTPConnection:
    url = urlsplit(address)
    if url.scheme == "unix":
        return _UnixConnection(url.path)
    return http.client.HTTPConnection(url.hostname or "127.0.0.1", url.port, timeout=60)
