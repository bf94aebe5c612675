"""Refuse classifiers whose head is not in their weights: transformers would fill it with random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.catalog import ModelEntry
from engines.errors import EngineError


def require_head(entry: ModelEntry, model: Any, loading_info: Mapping[str, Any]) -> None:
    """``loading_info`` is what ``from_pretrained(..., output_loading_info=True)`` gives beside the model.

    Raises EngineError that names the first weight of the head that is missing.
    """
    body = f"{model.base_model_prefix}."
    if lost := sorted(key for key in loading_info["missing_keys"] if not str(key).startswith(body)):
        raise EngineError(
            f"{entry.id}: {lost[0]} is not in its weights: its classifier would be random.",
            fix="Use a model whose classifier was saved with it in this library's names.",
        )
