"""Whether the model that did a call would do it again today."""

from __future__ import annotations

import pytest

from engines.catalog import Catalog, ModelEntry
from engines.readiness import Shelf
from memory.events import Receipt
from tools.reuse import is_still_chosen


def voice(name: str, *languages: str, default: bool = False) -> ModelEntry:
    return ModelEntry(
        id=name,
        title=name,
        capability="text-to-speech",
        engine="none:None",
        licence="MIT",
        languages=languages,
        default=default,
    )


class Disk:
    """Everything is there."""

    def is_ready(self, entry: ModelEntry) -> bool:
        del entry
        return True

    def revision(self, entry: ModelEntry) -> str:
        del entry
        return ""


PIPER, KOKORO, OTHER = voice("piper", "en", default=True), voice("kokoro", "en", "fr", "es"), voice("other", "fr")


@pytest.mark.parametrize(
    ("model", "language", "is_chosen"),
    [
        ("piper", "en", True),  # the usual one
        ("kokoro", "fr", True),  # the first that knows it
        ("kokoro", "en", False),  # another knows that, and goes before
        ("kokoro", None, False),  # who knows
        ("kokoro", "de", False),
        ("other", "fr", False),
        ("gone", "fr", False),
    ],
)
def test_a_voice_is_chosen_again_as_the_first_that_knows_the_language(
    model: str, language: str | None, is_chosen: bool
) -> None:
    entries = {entry.id: entry for entry in (PIPER, KOKORO, OTHER)}
    shelf = Shelf(Catalog(entries), Disk(), {})  # type: ignore[arg-type]  # a shelf asks a disk no more than that
    receipt = Receipt(tool="speak", model=model, title=model, licence="MIT")
    assert is_still_chosen(shelf, receipt, {"text": "x"}, {"language": language}) is is_chosen
    assert is_still_chosen(shelf, receipt, {"model": model}) is (model != "gone")
