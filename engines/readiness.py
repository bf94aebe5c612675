"""Whether a model can be used here and now, and what is to be done where it can't."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from engines.catalog import Catalog, ModelEntry
from engines.errors import MissingExtraError, MissingSettingError, MissingWeightsError, UnavailableError
from engines.loading import how_to_get, how_to_install, missing_packages
from engines.text.remote import has_model, list_models_now

State = Literal["ready", "needs extra", "needs weights", "needs key", "needs setting", "needs server"]


#: How long the answer of a chat server is believed.
SERVER_SECONDS = 10.0


class Weights(Protocol):
    """The store of model files, as the shelf needs it. `engines.weights.WeightStore` is one."""

    def require(self, entry: ModelEntry) -> Path:
        """The folder with the entry's files, checked and complete. Blocking. Raises MissingWeightsError."""
        ...

    def is_ready(self, entry: ModelEntry) -> bool:
        """Whether every file is there. Cheap."""
        ...

    def folder(self, entry: ModelEntry) -> Path:
        """Where the entry's files are, or will be."""
        ...

    def revision(self, entry: ModelEntry) -> str:
        """Which state of the hub's repository a snapshot is; empty: not known."""
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """``fix`` is the command or the setting that makes it ready; empty when it is."""

    state: State
    fix: str = ""


class Shelf:
    """The catalog as it stands on this machine: which models are ready, and which one to take.

    ``settings`` holds what the user has set, by name.
    """

    def __init__(self, catalog: Catalog, weights: Weights, settings: Mapping[str, str]) -> None:
        self.catalog = catalog
        self._weights = weights
        self._settings = settings
        self._servers: dict[str, tuple[float, tuple[str, ...] | UnavailableError]] = {}
        """Provider -> when it was asked, and the models it has or why it didn't answer."""

    def readiness(self, entry: ModelEntry) -> Readiness:
        """Of the entry and of every model it works through.

        Nothing is imported and no file is read. For a model on a chat server that server is asked, once in a while:
        from an event loop, call it in a thread.
        """
        for each in self._with_parts(entry, ()):
            if (found := self._own_readiness(each)).state != "ready":
                return found
        return Readiness("ready")

    def _with_parts(self, entry: ModelEntry, outer: tuple[str, ...]) -> Iterator[ModelEntry]:
        yield entry
        for capability in entry.uses:
            part = self.resolve(capability, entry.parts.get(capability))
            if part.id not in (*outer, entry.id):
                yield from self._with_parts(part, (*outer, entry.id))

    def _own_readiness(self, entry: ModelEntry) -> Readiness:
        if entry.setting and not self._settings.get(entry.setting):
            return Readiness("needs key" if entry.setting.endswith("_key") else "needs setting", _set(entry))
        if missing_packages(entry):
            return Readiness("needs extra", how_to_install(entry))
        if missing := [each for each in self.with_weights_of(entry) if not self._weights.is_ready(each)]:
            return Readiness("needs weights", how_to_get(*missing))
        return self._served(entry) if "provider" in entry.options else Readiness("ready")

    def resolve(self, capability: str, model: str | None = None) -> ModelEntry:
        """The entry to use. Without a ``model`` that is the default; where the default only stands in, the first other
        model that runs here and is ready.

        Raises NotFoundError when ``model`` is unknown or can do something else.
        """
        entry = self.catalog.resolve(capability, model)
        if model is not None or not entry.fallback:
            return entry
        # A model for some pairs of languages stands in for nothing: whoever has a pair looks through `ready`.
        others = (other for other in self.catalog.of(capability) if not other.fallback and not other.pairs)
        return next((other for other in others if self._runs_here(other)), entry)

    def choose(self, capability: str, language: str) -> ModelEntry:
        """The entry to use for a language (ISO 639-1): the one of `resolve` if it knows the language or names none,
        otherwise the first that does, runs here, and is ready; otherwise the one of `resolve` all the same.
        """
        usual = self.resolve(capability)
        if not usual.languages or language in usual.languages:
            return usual
        fitting = (entry for entry in self.catalog.of(capability) if language in entry.languages)
        return next((entry for entry in fitting if self._runs_here(entry)), usual)

    def first(self, capability: str, fits: Callable[[ModelEntry], bool]) -> ModelEntry | None:
        """Of the entries of a capability that ``fits`` takes, the first that runs here and is ready; where none is, the
        first of them; None when it takes none.
        """
        fitting = [entry for entry in self.catalog.of(capability) if fits(entry)]
        return next((entry for entry in fitting if self._runs_here(entry)), next(iter(fitting), None))

    def ready(self, capability: str) -> tuple[ModelEntry, ...]:
        """Every entry of a capability that is ready, in the order in which to try them: those that run here, those on
        servers that the user has set up, those that stand in.
        """
        ready = [entry for entry in self.catalog.of(capability) if self.readiness(entry).state == "ready"]
        return tuple(sorted(ready, key=lambda entry: (entry.fallback, entry.remote)))

    def require(self, entry: ModelEntry) -> tuple[Path, str]:
        """The folder of its files, checked, and the value of its setting.

        Raises MissingSettingError, MissingExtraError, MissingWeightsError or CorruptWeightsError, in the order in which
        a user would mend them; each says how.
        """
        value = self._settings.get(entry.setting, "")
        if entry.setting and not value:
            raise MissingSettingError(
                f"{entry.id} is not set up: {entry.setting} is not set.", fix=f"{_set(entry)}. {entry.note}".strip()
            )
        if missing := missing_packages(entry):
            what = "packages that are" if len(missing) > 1 else "a package that is"
            # What takes a command of its own may want more, such as a certain Python: the note says so.
            note = f" ({entry.note})" if entry.install and entry.note else ""
            raise MissingExtraError(
                f"{entry.id} needs {what} not installed: {', '.join(missing)}.",
                fix=f"Run: {how_to_install(entry)}{note}",
            )
        needed = self.with_weights_of(entry)
        lost = [each for each in needed if not self._weights.is_ready(each)]
        if entry.weights_of and lost:
            others = " and ".join(each.id for each in lost if each is not entry)
            if entry not in lost:
                what = f"{entry.id} works on the files of {others}, which are"
            else:
                what = f"{entry.id} and {others}, which it works with, are" if others else f"{entry.id} is"
            raise MissingWeightsError(f"{what} not on this disk.", fix=f"Run: {how_to_get(*lost)}")
        folder, *_ = [self._weights.require(each) for each in needed]
        return folder, value

    def setting(self, name: str) -> str:
        """The value of a setting; empty when it is not set."""
        return self._settings.get(name, "")

    def folders(self, entry: ModelEntry) -> Mapping[str, Path]:
        """Id -> folder, checked, of each entry whose files it reads beside its own. Raises as `require` does."""
        return {other: self._weights.require(self.catalog.get(other)) for other in entry.weights_of}

    def with_weights_of(self, entry: ModelEntry) -> tuple[ModelEntry, ...]:
        """The entries whose files it reads: itself first, if it has any."""
        others = tuple(self.catalog.get(other) for other in entry.weights_of)
        return (entry, *others) if entry.has_weights or not others else others

    def folder(self, entry: ModelEntry) -> Path:
        """Where the entry's files are, or will be."""
        return self._weights.folder(entry)

    def revision(self, entry: ModelEntry) -> str:
        """Which state of the hub's repository the model is; empty when it isn't from there."""
        return self._weights.revision(self.with_weights_of(entry)[0])

    def _served(self, entry: ModelEntry) -> Readiness:
        """Of an entry that stands for a model on a chat server, or for all that it has."""
        provider, model = entry.options["provider"], entry.options.get("model")
        url, key = self._settings.get(f"{provider}_url", ""), self._settings.get(f"{provider}_key", "")
        asked_at, answer = self._servers.get(provider, (-math.inf, ()))
        if time.monotonic() - asked_at > SERVER_SECONDS:
            try:
                answer = list_models_now(provider, url, key)
            except UnavailableError as error:
                answer = error
            self._servers[provider] = time.monotonic(), answer
        if isinstance(answer, UnavailableError):
            return Readiness("needs server", str(answer))
        if model and not has_model(answer, model):
            return Readiness("needs weights", how_to_get(entry))
        return Readiness("ready")

    def _runs_here(self, entry: ModelEntry) -> bool:
        return not entry.remote and self._own_readiness(entry).state == "ready"


def _set(entry: ModelEntry) -> str:
    return f"Set SENSORIUM_{entry.setting.upper()}"
