"""A sentiment engine that keeps a diary, for tests that count calls, let them meet, or stop them.

What it does with a text depends on how the text begins: ``wait`` until the test lets it on or cancels it, ``meet``
until two such calls are under way at once, ``stumble`` the first time only, ``break`` always; anything else is judged
at once. Of a message of the user, whose mood every turn looks at, it keeps no diary: it knows one by the script.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import ClassVar

from engines.errors import BusyError, EngineError
from engines.loading import LoadContext
from engines.progress import NEVER, Cancelled, CancelToken
from engines.protocols import Sentiment

ENTRY = """
[[model]]
id = "judge"
title = "A judge with a diary"
capability = "sentiment"
engine = "counting_judge:CountingJudge"
licence = "Apache-2.0"
default = true
concurrency = 4
options = {{ diary = '{diary}' }}
"""

PATIENCE = 120.0
"""Seconds until a call that nobody lets on gives up: a test has failed by then."""


class CountingJudge:
    """``options.diary`` is a file of lines ``begin TEXT``, ``end TEXT`` and ``cancelled TEXT``."""

    capability: ClassVar[str] = "sentiment"

    def __init__(self, context: LoadContext) -> None:
        self._diary = Path(context.entry.options["diary"])

    def close(self) -> None:
        """Nothing to free."""

    def analyze(self, text: str, *, cancel: CancelToken = NEVER) -> Sentiment:
        if self._is_a_message(text):
            return Sentiment("neutral", 0.0)
        self._note(f"begin {text}")
        begun = entries(self._diary)
        if text.startswith("break") or (text.startswith("stumble") and begun.count(f"begin {text}") == 1):
            raise (
                BusyError("The judge is at lunch.") if text.startswith("stumble") else EngineError(f"No judge {text}.")
            )
        if text.startswith("wait"):
            self._until((self._diary.parent / "let-on").exists, text, cancel)
        if text.startswith("meet"):
            self._until(lambda: sum(line.startswith("begin meet") for line in entries(self._diary)) > 1, text, cancel)
        self._note(f"end {text}")
        return Sentiment("positive", 1.0)

    def _is_a_message(self, text: str) -> bool:
        script = self._diary.parent / "script.json"
        return any(rule["when"] in text for rule in json.loads(script.read_text("utf-8")))

    def _until(self, is_so, text: str, cancel: CancelToken) -> None:
        give_up = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > give_up:
                raise TimeoutError(text)
            try:
                cancel.check()
            except Cancelled:
                self._note(f"cancelled {text}")
                raise
            time.sleep(0.01)

    def _note(self, line: str) -> None:
        with self._diary.open("a", encoding="utf-8") as diary:
            diary.write(f"{line}\n")


def entries(diary: Path) -> list[str]:
    return diary.read_text("utf-8").splitlines() if diary.exists() else []


def wait_for(diary: Path, line: str) -> None:
    """Until it stands there."""
    give_up = time.monotonic() + PATIENCE
    while line not in entries(diary):
        assert time.monotonic() < give_up, f"{line!r} never came"
        time.sleep(0.001)


def add_counting_judge(home: Path) -> Path:
    """Make it the default judge of everything that runs with ``SENSORIUM_HOME=home``; returns its diary. The file
    ``let-on`` beside it ends what waits.
    """
    catalog, diary = home / "catalog.toml", home / "diary.txt"
    catalog.write_text(catalog.read_text("utf-8") + ENTRY.format(diary=diary), "utf-8")
    return diary
