"""A sentiment engine that takes its time, for tests that interrupt a tool."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken
from engines.protocols import Sentiment

ENTRY = """
[[model]]
id = "slow"
title = "A slow judge"
capability = "sentiment"
engine = "slow_sentiment:SlowSentiment"
licence = "Apache-2.0"
default = true
options = {{ seconds = {seconds} }}
"""


class SlowSentiment:
    """Sleeps ``options.seconds`` and can't be hurried: it does not look at its cancel token."""

    capability: ClassVar[str] = "sentiment"

    def __init__(self, context: LoadContext) -> None:
        self._seconds = float(context.entry.options["seconds"])

    def close(self) -> None:
        """Nothing to free."""

    def analyze(self, text: str, *, cancel: CancelToken = NEVER) -> Sentiment:
        time.sleep(self._seconds)
        return Sentiment("neutral", 0.0)


def add_slow_sentiment(home: Path, seconds: float = 30) -> None:
    """Make it the default judge of everything that runs with ``SENSORIUM_HOME=home``."""
    catalog = home / "catalog.toml"
    catalog.write_text(catalog.read_text("utf-8") + ENTRY.format(seconds=seconds), "utf-8")
