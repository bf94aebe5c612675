"""Models that are a folder in a library's own layout: fetching one from the hub, and knowing that it is whole.

A fetched folder holds `.snapshot.json`: the commit it was fetched at, and each file with its size and its sha256.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from engines.catalog import Snapshot
from engines.downloads import Meter, SourceError, folder_bytes, run_client, sha256_of
from engines.progress import CancelToken

_HUB_CLIENT = Path(__file__).with_name("hub_client.py")
_PROBE_SECONDS = 8.0
_NOTE = ".snapshot.json"


def is_whole(folder: Path, *, in_place: bool) -> bool:
    """Whether every file that was fetched is there in its size. A folder of the user's own only has to hold something:
    its library says what it misses.
    """
    files = _note(folder).get("files", {})
    try:
        if in_place:
            return folder.is_dir() and any(folder.iterdir())
        return bool(files) and all((folder / name).stat().st_size == size for name, size in files.items())
    except OSError:
        return False


def damaged(folder: Path) -> list[str]:
    """The files of a fetched folder that no longer have the sha256 they were fetched with. Reads all of them."""
    known: dict[str, str] = _note(folder).get("sha256", {})
    return [name for name, sha256 in known.items() if sha256_of(folder / name) != sha256]


def revision(folder: Path) -> str:
    """The commit that was fetched; empty when nothing says so."""
    return str(_note(folder).get("revision", ""))


def fetch(snapshot: Snapshot, folder: Path, meter: Meter, cancel: CancelToken) -> None:
    """Fetch the snapshot into ``folder``, or what an unfinished try left of it there.

    Raises SourceError when the hub doesn't give it, Cancelled on a cancel.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise SourceError("HF_HUB_OFFLINE is set")
    python = [sys.executable, "-P", str(_HUB_CLIENT)]
    meter.start(snapshot.bytes, f"asking the hub for {snapshot.repo}")
    run_client([*python, "probe"], cancel=cancel, timeout=_PROBE_SECONDS)
    meter.start(snapshot.bytes, f"from the hub: {snapshot.repo}")
    run_client(
        [*python, "snapshot", snapshot.repo, snapshot.revision, str(folder), *snapshot.patterns],
        env={"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        on_tick=lambda: meter.count("hub", folder_bytes(folder)),
        cancel=cancel,
    )
    meter.finish()


def _note(folder: Path) -> dict[str, Any]:
    try:
        note = json.loads((folder / _NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}
