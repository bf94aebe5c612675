"""The smallest embedded chat model that has been pulled, with a short context."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engines.catalog import Catalog, ModelEntry
from engines.loading import LoadContext

LIGHT = "qwen2.5-coder-0.5b"
CONTEXT = 1024


def small_llm(weights: Callable[[str], Path], **options: int) -> LoadContext:
    """The light model, else the default one; the test is skipped without either."""
    catalog = Catalog.load()
    try:
        entry, folder = catalog.get(LIGHT), weights(LIGHT)
    except pytest.skip.Exception:
        entry = catalog.default("chat")
        folder = weights(entry.id)
    return LoadContext(entry=with_options(entry, **options), folder=folder)


def with_options(entry: ModelEntry, **options: int) -> ModelEntry:
    return entry.model_copy(update={"options": {"context_tokens": CONTEXT, **options}})
