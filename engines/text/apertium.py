"""Translation by the installed program ``apertium`` (GPL, called and not linked): rules and dictionaries, for the gist.

Which pairs it has depends on the language packages that are installed beside it; ``apertium -l`` names them.
"""

from __future__ import annotations

import re

from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import CancelToken
from engines.text.languages import language_code
from engines.text.sentence_translation import SentenceTranslation
from engines.text.waiting import run_program

_SECONDS = 30.0

#: ``eng-spa``; variants such as ``spa-eng_US`` are left out.
_MODE = re.compile(r"^\s*([a-z]{2,3})-([a-z]{2,3})\s*$")


class Apertium(SentenceTranslation):
    """`Translation` by a process per batch. Lines stay lines, so a batch is one line for each sentence."""

    batch = 20

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context.entry)
        self._modes = _modes(_run(["apertium", "-l"], "", context.cancel))
        if not self._modes:
            raise EngineError(
                "apertium is installed without any language pair.", fix="Install one: apt install apertium-en-es"
            )

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes it can translate into."""
        return tuple(dict.fromkeys(target for _, target in self._modes))

    def offers(self, source: str | None, target: str) -> bool:
        """See `engines.protocols.Translation`."""
        return (source, target) in self._modes

    def close(self) -> None:
        """Each call has a process of its own."""

    def _short_enough(self, text: str) -> bool:
        return len(text) <= 1_000

    def _translate(self, texts: list[str], source: str | None, target: str, cancel: CancelToken) -> list[str]:
        command = ["apertium", "-u", self._modes[source or "", target]]  # -u: unknown words bear no mark
        made = _run(command, "\n".join(texts) + "\n", cancel).splitlines()
        if len(made) == len(texts):
            return made
        return [_run(command, text + "\n", cancel) for text in texts]

    @property
    def _fix(self) -> str:
        return f"It has: {', '.join('-'.join(pair) for pair in self._modes)}; more with apt install apertium-XX-YY."


def _modes(listed: str) -> dict[tuple[str, str], str]:
    """Source and target -> the name of the mode."""
    found: dict[tuple[str, str], str] = {}
    for line in listed.splitlines():
        if match := _MODE.match(line):
            try:
                found.setdefault((language_code(match[1]), language_code(match[2])), line.strip())
            except InputError:
                continue  # a language that this project has no name for
    return found


def _run(command: list[str], given: str, cancel: CancelToken) -> str:
    return run_program(command, given, seconds=_SECONDS, what="apertium", cancel=cancel)
