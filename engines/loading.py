"""What an engine is given when it is built, and how its class is found."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.catalog import ModelEntry
from engines.errors import EngineError, MissingExtraError
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Engine


@dataclass(frozen=True, slots=True)
class LoadContext:
    """Handed to ``EngineClass(context)``, which loads the model and returns when it is ready to work."""

    entry: ModelEntry
    folder: Path
    """Where the model's files are, checked and complete. Meaningless for an entry without files."""
    threads: int = 2
    device: str = "cpu"
    parts: Mapping[str, Any] = field(default_factory=dict)
    """Capability -> engine, for each capability in ``entry.uses``."""
    on_progress: OnProgress = ignore_progress
    cancel: CancelToken = NEVER
    cache: Path | None = None
    """A folder for what can be made again, such as prompt states; None: keep nothing between processes."""


def engine_class(entry: ModelEntry) -> type[Engine]:
    """Import the class an entry names. Raises EngineError when it can't be found."""
    module_name, _, class_name = entry.engine.partition(":")
    try:
        found: type[Engine] = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise EngineError(f"{entry.id}: the engine {entry.engine} can't be imported: {error}.") from error
    return found


def missing_extra(entry: ModelEntry, error: ImportError) -> MissingExtraError:
    """The error for a library that is not installed."""
    package = error.name or str(error)
    return MissingExtraError(
        f"{entry.id} needs the package {package!r}, which is not installed.",
        fix=f"Run: pip install 'sensorium[{entry.extra}]'" if entry.extra else f"Run: pip install {package}",
    )
