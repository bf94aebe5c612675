"""How an answer reaches the user: as it is written, or translated and read aloud clause by clause meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from engines.errors import SensoriumError
from engines.text.languages import language_name
from engines.text.passages import has_words
from graphs.clauses import Clauses
from graphs.reading_aloud import Reader
from memory.artifact_types import ArtifactRef
from memory.events import EventBody, Log, MessageDelta, Receipt, ToolArtifact, ToolProgress
from tools.call import ToolCall
from tools.registry import Registry
from tools.text.translation_chain import translate_by_chain

logger = logging.getLogger(__name__)

Pieces = asyncio.Queue[str | None]
"""None: nothing more comes."""


class Telling:
    """An answer on its way. ``tell`` never waits: translating and speaking go on beside the model that writes.

    Use as a context manager: leaving it by an error, or by cancellation, stops both.
    """

    def __init__(
        self,
        tools: Registry,
        run_id: str,
        emit: Callable[[EventBody], None],
        *,
        into: str | None = None,
        speak: bool = False,
        language: str | None = None,
    ) -> None:
        """``into``: translate into that language (ISO 639-1). ``language``: the one that is to be expected."""
        self.spoken: ArtifactRef | None = None
        self.left_out: list[str] = []
        self._emit = emit
        self._into = into
        self._text: list[str] = []
        self._clauses = Clauses()
        self._aloud = Clauses()
        self._tasks: list[asyncio.Task[None]] = []
        self._calls: list[ToolCall] = []
        self._to_translate: Pieces | None = None
        self._to_say: Pieces | None = None
        if into:
            self._to_translate = self._start(tools, run_id, "translate", self._translate)
        if speak:
            reader_language = into or language
            self._to_say = self._start(
                tools, run_id, "speak", lambda call, pieces: self._speak(Reader(call, emit, reader_language), pieces)
            )

    async def __aenter__(self) -> Telling:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in self._calls:
            call.close()

    def tell(self, text: str) -> None:
        """Some more of the answer."""
        if self._to_translate is None:
            self._show(text)
            return
        for clause in self._clauses.feed(text):
            self._to_translate.put_nowait(clause)

    async def finish(self) -> str:
        """Wait until all is translated and spoken; returns the answer as the user has it."""
        if self._to_translate is not None:
            _end(self._to_translate, self._clauses.rest())
            await self._tasks[0]
        if self._to_say is not None:
            _end(self._to_say, self._aloud.rest())
            await self._tasks[-1]
        return "".join(self._text).strip()

    @property
    def receipts(self) -> list[Receipt]:
        """Of the models that translated and spoke."""
        return [receipt for call in self._calls for receipt in call.receipts]

    def _start(
        self,
        tools: Registry,
        run_id: str,
        job: str,
        work: Callable[[ToolCall, Pieces], Coroutine[Any, Any, None]],
    ) -> Pieces:
        pieces: Pieces = asyncio.Queue()
        call = tools.helper(job, call_id=f"{run_id}:{job}", emit=_without_steps(self._emit))
        self._calls.append(call)
        self._tasks.append(asyncio.create_task(work(call, pieces), name=f"{job} the answer of {run_id}"))
        return pieces

    def _show(self, text: str) -> None:
        self._text.append(text)
        self._emit(MessageDelta(text=text))
        if self._to_say is not None:
            for clause in self._aloud.feed(text):
                self._to_say.put_nowait(clause)

    async def _translate(self, call: ToolCall, pieces: Pieces) -> None:
        """A clause that can't be translated is shown as it was written."""
        target = self._into or ""
        failed = False
        while (piece := await pieces.get()) is not None:
            shown = piece
            if not failed and has_words(piece):
                try:
                    shown = (await translate_by_chain(call, piece, target=target)).text
                except SensoriumError as error:
                    failed = True
                    self._missed(f"The answer was not translated into {language_name(target)}: {error}")
            # Translators may drop the space that ends a clause.
            end = piece[len(piece.rstrip()) :]
            self._show(shown.rstrip() + end if end else shown)

    async def _speak(self, reader: Reader, pieces: Pieces) -> None:
        """When the voice fails, the answer goes on without it."""
        held = ""
        try:
            while (piece := await pieces.get()) is not None:
                held += piece
                if len(held.strip()) >= _SHORTEST:  # of a word or two, voices make a hurried noise
                    text, held = held, ""
                    await reader.say(text)
            await reader.say(held)
        except SensoriumError as error:
            self._missed(f"The answer was not read aloud to its end: {error}")
        for language in reader.foreign:
            name = language_name(language)
            self._missed(f"No voice for {name} is ready here: what is {name} was read with an accent.")
        self.spoken = await reader.whole()

    def _missed(self, what: str) -> None:
        logger.warning("%s", what)
        self.left_out.append(what)
        self._emit(Log(level="warning", message=what))


#: Characters.
_SHORTEST = 20


def _end(pieces: Pieces, rest: str) -> None:
    if rest:
        pieces.put_nowait(rest)
    pieces.put_nowait(None)


def _without_steps(emit: Callable[[EventBody], None]) -> Callable[[EventBody], None]:
    """The answer is no step of the plan: its progress is the answer itself, its sound has an event of its own."""

    def some(body: EventBody) -> None:
        if not isinstance(body, ToolProgress | ToolArtifact):
            emit(body)

    return some
