"""What an engine is given when it is built, and how its class is found."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
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


def missing_packages(extra: str) -> list[str]:
    """Packages of one of the project's extras that are not installed."""
    lines = metadata.requires("sensorium") or []
    names = [re.match(r"[\w.-]+", line) for line in lines if re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", line)]
    return [match[0] for match in names if match and not _is_installed(match[0])]


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def missing_extra(entry: ModelEntry, error: ImportError) -> MissingExtraError:
    """The error for a library that is not installed, or that lacks a library of the system."""
    if not isinstance(error, ModuleNotFoundError):
        return MissingExtraError(
            f"{entry.id}: a library can't be loaded: {error}.",
            fix="Install the system's package for it (libgomp.so.1: apt install libgomp1).",
        )
    return MissingExtraError(
        f"{entry.id} needs the package {error.name!r}, which is not installed.",
        fix=f"Run: pip install 'sensorium[{entry.extra}]'" if entry.extra else f"Run: pip install {error.name}",
    )
