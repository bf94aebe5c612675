"""The smallest embedded chat model that has been pulled, with a short context."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.catalog import Catalog, ModelEntry
from engines.loading import LoadContext

LIGHT = "qwen2.5-coder-0.5b"
CONTEXT = 1024


def small_llm(weights: Callable[[str], Path], **options: object) -> LoadContext:
    """The light model, else the default one; the test is skipped without either."""
    catalog = Catalog.load()
    try:
        entry, folder = catalog.get(LIGHT), weights(LIGHT)
    except pytest.skip.Exception:
        entry = catalog.default("chat")
        folder = weights(entry.id)
    return LoadContext(entry=with_options(entry, **options), folder=folder)


def with_options(entry: ModelEntry, **options: object) -> ModelEntry:
    return entry.model_copy(update={"options": {"context_tokens": CONTEXT, **options}})


def llama_openai_server(folder: Path, context_tokens: int) -> Iterator[str]:
    """The address of llama.cpp's own OpenAI-compatible server on the model in a folder; its key is ``the key``."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(next(folder.glob("*.gguf")))
    params.n_ctx, params.n_gpu_layers, params.verbosity, params.cpuparams.n_threads = context_tokens, 0, -1, 2
    params.api_keys = ["the key"]
    server = xllamacpp.Server(params)
    yield server.listening_address
    del server
