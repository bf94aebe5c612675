"""Engines around a spoken turn, for tests of the turn itself: one hears what it is told to, one hums, one shouts.

They come in by the door any third party's engine would use: entries in the user's own catalog.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np

from engines.errors import EngineError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Audio, Transcript, Translated, Voice

ENTRIES = """
[[model]]
id = "dictation"
title = "A dictation"
capability = "speech-to-text"
engine = "spoken_parts:Dictation"
licence = "Apache-2.0"
default = true
options = {{ says = {says}, log = {log} }}

[[model]]
id = "hum"
title = "A hum"
capability = "text-to-speech"
engine = "spoken_parts:Hum"
licence = "Apache-2.0"
default = true
languages = ["en"]
options = {{ log = {log} }}

[[model]]
id = "shout"
title = "A shout"
capability = "translation"
engine = "spoken_parts:Shout"
licence = "Apache-2.0"
default = true
languages = ["de", "sw"]
options = {{ log = {log} }}
"""


class _Part:
    def __init__(self, context: LoadContext) -> None:
        self._options = context.entry.options

    def close(self) -> None:
        """Nothing to free."""

    def note(self, line: str) -> None:
        with Path(self._options["log"]).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


class Dictation(_Part):
    """Whatever it is played, it hears ``options.says``; it notes for how long it listened."""

    capability: ClassVar[str] = "speech-to-text"

    def transcribe(self, audio: Audio, **how: object) -> Transcript:
        self.note(f"heard {audio.seconds:.1f} s")
        return Transcript(self._options["says"], "en", 1.0, ())


class Hum(_Part):
    """A hundredth of a second a letter; it breaks at the word "hoarse"."""

    capability: ClassVar[str] = "text-to-speech"
    voices = (Voice("hum", "Hum", "en"),)

    def speak(self, text: str, *, language: str | None = None, cancel: CancelToken = NEVER, **how: object) -> Audio:
        cancel.check()
        if "hoarse" in text:
            raise EngineError("the voice is gone.")
        self.note(f"said {language}: {text.strip()}")
        return Audio(np.full(160 * len(text), 0.1, np.float32), 16_000)


class Shout(_Part):
    """Capitals; it breaks at the word "untranslatable"."""

    capability: ClassVar[str] = "translation"
    languages = ("de", "sw")

    def offers(self, source: str | None, target: str) -> bool:
        return True

    def translate(
        self,
        text: str,
        *,
        target: str,
        source: str | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Translated:
        if "untranslatable" in text:
            raise EngineError("words fail.")
        return Translated(text.upper(), source or "en", target)


def add_spoken_parts(home: Path, says: str = "") -> Path:
    """Add them to the catalog that `scripted_chat.write_script` wrote. Returns their log."""
    log = home / "spoken.log"
    with (home / "catalog.toml").open("a", encoding="utf-8") as catalog:
        catalog.write(ENTRIES.format(says=json.dumps(says), log=json.dumps(str(log))))
    return log
