"""Engines that "clone" and "convert" by giving the reference back, for tests of what the tools do around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from engines.loading import LoadContext
from engines.protocols import Audio, ClonedSpeech

ENTRIES = """
[[model]]
id = "echo-clone"
title = "An echo"
capability = "voice-cloning"
engine = "echo_voice:EchoCloning"
licence = "Apache-2.0"
languages = ["en", "de"]
options = {{ log = {log} }}

[[model]]
id = "echo-conversion"
title = "An echo"
capability = "voice-conversion"
engine = "echo_voice:EchoConversion"
licence = "Apache-2.0"
default = true
options = {{ log = {log} }}
"""


class _Echo:
    def __init__(self, context: LoadContext) -> None:
        self._log = Path(context.entry.options["log"])

    def close(self) -> None:
        """Nothing to free."""

    def note(self, **what: Any) -> None:
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(what) + "\n")


class EchoCloning(_Echo):
    capability: ClassVar[str] = "voice-cloning"

    def clone(self, text: str, reference: Audio, **how: Any) -> ClonedSpeech:
        kept = {name: how[name] for name in ("language", "speed", "seed")}
        self.note(text=text, seconds=round(reference.seconds, 1), rate=reference.rate, **kept)
        return ClonedSpeech(reference, "clone")


class EchoConversion(_Echo):
    capability: ClassVar[str] = "voice-conversion"

    def convert(self, source: Audio, reference: Audio, **how: Any) -> Audio:
        self.note(source=round(source.seconds, 1), reference=round(reference.seconds, 1), seed=how["seed"])
        return reference


def add_echo_voices(home: Path) -> Path:
    """Put them into the catalog of everything that runs with ``SENSORIUM_HOME=home``; their log is returned."""
    log, catalog = home / "echo.jsonl", home / "catalog.toml"
    catalog.write_text(catalog.read_text("utf-8") + ENTRIES.format(log=json.dumps(str(log))), "utf-8")
    return log
