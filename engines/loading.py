"""What an engine is given when it is built, and how its class is found."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.filesize import decimal

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
    """``cpu``, ``cuda``, ``cuda:1``, ``mps`` ...; not ``cpu`` only for entries that say ``device = true``."""
    parts: Mapping[str, Any] = field(default_factory=dict)
    """Capability -> engine, for each capability in ``entry.uses``."""
    on_progress: OnProgress = ignore_progress
    cancel: CancelToken = NEVER
    cache: Path | None = None
    """A folder for what can be made again, such as prompt states; None: keep nothing between processes."""
    setting: str = ""
    """The value of the setting that the entry needs."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Id -> folder, for each entry in ``entry.weights_of``."""
    optional_setting: str = ""
    """The value of ``entry.optional_setting``; empty: it is not set."""


def engine_class(entry: ModelEntry) -> type[Engine]:
    """Import the class an entry names. Raises EngineError when it can't be found."""
    module_name, _, class_name = entry.engine.partition(":")
    try:
        found: type[Engine] = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise EngineError(f"{entry.id}: the engine {entry.engine} can't be imported: {error}.") from error
    return found


def missing_packages(entry: ModelEntry) -> list[str]:
    """What an entry needs that is not installed: packages, by its extra and its own list, and its program."""
    wanted = [*(_packages_of(entry.extra) if entry.extra else ()), *entry.packages]
    missing = [package for package in wanted if not _is_installed(package)]
    return [*missing, entry.program] if entry.program and not shutil.which(entry.program) else missing


def how_to_install(entry: ModelEntry) -> str:
    """The command that installs what an entry needs."""
    extra = f"pip install 'sensorium[{entry.extra}]'" if entry.extra else ""
    own = entry.install or (f"pip install {' '.join(entry.packages)}" if entry.packages else "")
    return " && ".join(command for command in (extra, own) if command)


def how_to_get(entry: ModelEntry, *others: ModelEntry) -> str:
    """What brings the weights of an entry, and of others, here."""
    entries = (entry, *others)
    place = next((each.snapshot.folder for each in entries if each.snapshot and each.snapshot.folder), "")
    if place:
        return f"put the model into {place}"
    total = sum(each.bytes for each in entries)
    size = f" ({decimal(total)})" if total else ""
    return f"sensorium models pull {' '.join(each.id for each in entries)}{size}"


def _packages_of(extra: str) -> list[str]:
    lines = metadata.requires("sensorium") or []
    names = [re.match(r"[\w.-]+", line) for line in lines if re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", line)]
    return [match[0] for match in names if match]


def _is_installed(package: str) -> bool:
    try:
        _version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


@cache
def _version(package: str) -> str:
    """Remembered once it is there: reading it takes a millisecond. What is missing may be installed meanwhile."""
    return metadata.version(package)


def missing_extra(entry: ModelEntry, error: ImportError) -> MissingExtraError:
    """The error for a library that is not installed, or that lacks a library of the system."""
    if not isinstance(error, ModuleNotFoundError):
        return MissingExtraError(
            f"{entry.id}: a library can't be loaded: {error}.",
            fix="Install the system's package for it (libgomp.so.1: apt install libgomp1).",
        )
    return MissingExtraError(
        f"{entry.id} needs the package {error.name!r}, which is not installed.",
        fix=f"Run: {how_to_install(entry) or f'pip install {error.name}'}",
    )
