"""Cut a text that is still being written into clauses, each given out as soon as it is whole."""

from __future__ import annotations

from collections.abc import Iterator

from engines.text.passages import FENCE
from engines.text.splitting import parts, sentences

#: A sentence that is longer is cut at a comma or a word: nobody should wait for its end.
LONGEST = 240


class Clauses:
    """Joined, what `feed` and `rest` give is the text. A block of code between fences is one piece."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._held = ""
        self._at_line_start = True

    def feed(self, text: str) -> Iterator[str]:
        """The clauses that are whole now."""
        self._held += text
        while piece := self._whole():
            self._held = self._held[len(piece) :]
            self._at_line_start = piece.endswith("\n")
            yield piece

    def rest(self) -> str:
        """What is left when nothing more comes; may be empty."""
        held, self._held = self._held, ""
        return held

    def _whole(self) -> str:
        """The first whole clause; empty: none yet."""
        if self._at_line_start and self._held.lstrip(" \t")[:1] in ("`", "~"):
            return self._block()
        line, newline, _ = self._held.partition("\n")
        first, *others = sentences(line) or [""]
        if others:
            return first
        if newline:
            return line + newline
        if len(line) > self._longest:
            return next(parts(line, lambda part: len(part) <= self._longest))
        return ""

    def _block(self) -> str:
        """A whole block of code; the line, where it is none after all."""
        line, newline, rest = self._held.partition("\n")
        if not newline:
            return ""
        opened = FENCE.match(line)
        if not opened:
            return line + newline
        taken = line + newline
        for each in rest.splitlines(keepends=True):
            taken += each
            closed = FENCE.match(each)
            if closed and closed[1] == opened[1] and each.endswith("\n"):
                return taken
        return ""
