"""The answer's voice: each clause is spoken as soon as it is written, in order; in the end all of it is one sound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engines.audio.marking import mark_spoken
from engines.audio.read import resample
from engines.audio.speakable import speakable
from engines.errors import InputError
from engines.protocols import Audio, LanguageIdentification, TextToSpeech
from engines.text.languages import language_code
from memory.artifact_types import ArtifactRef
from memory.events import EventBody, SpeechMade
from tools.audio.marked import save_marked
from tools.call import ToolCall

#: Between two pieces, in seconds: the breath a reader takes.
PAUSE = 0.2

#: A clause's own language counts against the answer's when it is this likely, and so long in letters.
_SURE = 0.95
_LEAST_LETTERS = 20


class Reader:
    """Speaks pieces of one answer. ``language`` (ISO 639-1) is the one to expect; None: told from the first piece."""

    def __init__(self, call: ToolCall, emit: Callable[[EventBody], None], language: str | None) -> None:
        self._call = call
        self._emit = emit
        self._language = language
        self._pieces: list[Audio] = []
        self._model = ""
        self.foreign: list[str] = []
        """Languages (ISO 639-1) that were read by a voice for another."""

    async def say(self, text: str) -> None:
        """Speak a piece and tell it. What can't be read (code, emoji) is passed over. Raises what the voice raises."""
        if not speakable(text):
            return
        language = await self._language_of(text)
        shelf = self._call.workshop.controller.shelf
        entry = shelf.choose(TextToSpeech.capability, language or "en")
        async with self._call.use(TextToSpeech, entry.id) as lease:
            sound = await lease.run(lambda engine, cancel: engine.speak(text, language=language, cancel=cancel))
        self._model = entry.id
        if language and entry.languages and language not in entry.languages and language not in self.foreign:
            self.foreign.append(language)
        piece = self._fitted(sound)
        self._pieces.append(piece)
        index = len(self._pieces) - 1
        artifact = await self._keep(piece, f"answer-{index + 1}.wav")
        self._emit(SpeechMade(index=index, text=text.strip(), artifact=artifact))

    async def whole(self) -> ArtifactRef | None:
        """All that was spoken as one sound; None: nothing was."""
        if not self._pieces:
            return None
        joined = np.concatenate([piece.samples for piece in self._pieces])
        return await self._keep(Audio(joined, self._pieces[0].rate), "answer.wav")

    def _fitted(self, sound: Audio) -> Audio:
        """At the first piece's rate, and with a breath before every piece but that."""
        if not self._pieces:
            return sound
        rate = self._pieces[0].rate
        breath: NDArray[np.float32] = np.zeros(round(PAUSE * rate), np.float32)
        return Audio(np.concatenate([breath, resample(sound, rate).samples]), rate)

    async def _language_of(self, text: str) -> str | None:
        """Of the answer, unless the piece is surely in another. None: nobody can tell."""
        letters = sum(char.isalpha() for char in text)
        if self._language and letters < _LEAST_LETTERS and text.isascii():
            return self._language
        try:
            async with self._call.use(LanguageIdentification) as lease:
                guess = await lease.run(lambda engine, _: engine.identify(text))
        except InputError:  # digits only
            return self._language
        if self._language is None or guess.probability >= _SURE:
            self._language = self._language or guess.code
            return language_code(guess.code)
        return self._language

    async def _keep(self, sound: Audio, name: str) -> ArtifactRef:
        await save_marked(self._call, sound, name, lambda path: mark_spoken(path, self._model))
        return self._call.made[-1]
