"""Translate by the best model that is ready for the pair of languages; when one fails, by the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel

from engines.catalog import ModelEntry
from engines.errors import EngineError, InputError, UnavailableError
from engines.progress import OnProgress
from engines.protocols import LanguageIdentification, Translation
from engines.readiness import Shelf
from engines.text.languages import language_name
from engines.text.mixed import Stretch, stretches
from tools.call import ToolCall


class Skipped(BaseModel):
    """A model that was tried, or asked, before the one that did the work."""

    model: str
    why: str


@dataclass
class Chained:
    """``source`` is the language of most of the text; None: nobody could tell. ``by``: the models that translated, in
    the order of their first stretch; empty when the text was in the target language already.
    """

    text: str = ""
    source: str | None = None
    by: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


async def translate_by_chain(
    call: ToolCall,
    text: str,
    *,
    target: str,
    source: str | None = None,
    model: str | None = None,
    here_only: bool = False,
) -> Chained:
    """``target`` and ``source`` are ISO 639-1 codes; without a source, each stretch's language is told from its words.
    ``here_only``: no model gets the text that runs on another server; for translations that nobody asked for.

    Raises UnavailableError when nothing that is ready knows the pair, EngineError when all that do have failed, and
    with a ``model`` whatever that one raises.
    """
    found = [Stretch(text, source, words=True)] if source else await _stretches(call, text, target)
    chain = _Chain(call, target, model, here_only=here_only)
    total = sum(len(stretch.text) for stretch in found)
    done = 0
    for stretch in found:
        if not stretch.words or stretch.language == target:
            chain.made.text += stretch.text
        else:
            chain.made.text += await chain.translate(stretch, _share(call, done / total, len(stretch.text) / total))
        done += len(stretch.text)
    chain.made.source = _of_most(found)
    return chain.made


async def _stretches(call: ToolCall, text: str, target: str) -> list[Stretch]:
    async with call.use(LanguageIdentification) as lease:
        return await lease.run(lambda engine, _: stretches(text, engine, target))


async def _guess(call: ToolCall, text: str) -> str | None:
    """The likeliest language, however unlikely; None: there are no words."""
    async with call.use(LanguageIdentification) as lease:
        try:
            return await lease.run(lambda engine, _: engine.identify(text).code)
        except InputError:
            return None


class _Chain:
    """The models for one text. One that has failed is not tried again."""

    def __init__(self, call: ToolCall, target: str, model: str | None, *, here_only: bool) -> None:
        self.made = Chained()
        self._call = call
        self._target = target
        self._here_only = here_only
        self._shelf = call.workshop.controller.shelf
        self._only = self._shelf.catalog.resolve(Translation.capability, model) if model else None

    async def translate(self, stretch: Stretch, on_progress: OnProgress) -> str:
        if self._only:
            return await self._by(self._only, stretch, on_progress, must=True) or ""
        done = await self._by_the_first(stretch, on_progress)
        if done is None and stretch.language is None:  # some want a source language: the likeliest, however unsure
            stretch = Stretch(stretch.text, await _guess(self._call, stretch.text), stretch.words)
            done = await self._by_the_first(stretch, on_progress)
        if done is None:
            raise self._nothing(stretch.language)
        return done

    async def _by_the_first(self, stretch: Stretch, on_progress: OnProgress) -> str | None:
        """None: no model that is ready offers the pair, or all that do have failed."""
        for entry in self._shelf.ready(Translation.capability):
            failed = any(skipped.model == entry.id for skipped in self.made.skipped)
            barred = self._here_only and entry.remote
            if failed or barred or not may_translate(entry, stretch.language, self._target):
                continue
            try:
                done = await self._by(entry, stretch, on_progress, must=False)
            except (EngineError, UnavailableError) as error:
                self.made.skipped.append(Skipped(model=entry.id, why=error.message))
                continue
            if done is not None:
                return done
        return None

    async def _by(self, entry: ModelEntry, stretch: Stretch, on_progress: OnProgress, *, must: bool) -> str | None:
        """None: the model doesn't offer the pair (unless it ``must`` say so itself)."""
        source, target = stretch.language, self._target
        async with self._call.use(Translation, entry.id) as lease:
            if not must and not await lease.run(lambda engine, _: engine.offers(source, target)):
                return None
            done = await lease.run(
                lambda engine, cancel: engine.translate(
                    stretch.text, target=target, source=source, on_progress=on_progress, cancel=cancel
                )
            )
        if entry.id not in self.made.by:
            self.made.by.append(entry.id)
        return done.text

    def _nothing(self, source: str | None) -> UnavailableError | EngineError:
        pair = f"{f'from {language_name(source)} ' if source else ''}into {language_name(self._target)}"
        if self.made.skipped:
            reasons = " ".join(f"{skipped.model}: {skipped.why}" for skipped in self.made.skipped)
            return EngineError(f"No model could translate {pair}. {reasons}")
        return UnavailableError(
            f"No model that is ready translates {pair}.", fix=how_to_translate(self._shelf, source, self._target)
        )


def may_translate(entry: ModelEntry, source: str | None, target: str) -> bool:
    """Whether an entry says that it knows the pair, or says nothing: then its engine is asked."""
    if entry.pairs:
        return f"{source}-{target}" in entry.pairs
    return not entry.languages or target in entry.languages


def how_to_translate(shelf: Shelf, source: str | None, target: str) -> str:
    """What makes the first two models ready that know the pair and run here; empty when there are none."""
    fitting = (
        entry
        for entry in shelf.catalog.of(Translation.capability)
        if (entry.pairs or entry.languages) and not entry.remote and may_translate(entry, source, target)
    )
    steps = [f"{entry.id} ({shelf.readiness(entry).fix})" for entry in fitting if shelf.readiness(entry).fix]
    return f"Get one: {', or '.join(steps[:2])}." if steps else ""


def _share(call: ToolCall, start: float, part: float) -> OnProgress:
    return lambda fraction, message: call.progress(start + part * (fraction or 0.0), message)


def _of_most(found: Iterable[Stretch]) -> str | None:
    letters: dict[str | None, int] = {}
    for stretch in found:
        if stretch.words:
            letters[stretch.language] = letters.get(stretch.language, 0) + len(stretch.text)
    return max(letters, key=lambda language: letters[language]) if letters else None
