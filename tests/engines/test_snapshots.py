"""Models that are a whole folder from the hub: fetched, checked, gone on with, and known by their commit.

The hub is a stand-in on loopback; the client is the hub's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from carriers import COMMIT, HUB_REPO, HubStandIn, serving

from engines.catalog import Catalog, ModelEntry, Snapshot
from engines.downloads import PullProgress
from engines.errors import CorruptWeightsError, DownloadError, InputError, MissingWeightsError
from engines.weights import WeightStore

FILES = {
    "model_index.json": b"{}",
    "unet/config.json": b'{"a": 1}',
    "unet/model.safetensors": b"weights" * 1000,
    "unet/model.bin": b"the same in another format" * 1000,
}


def entry(**snapshot: object) -> ModelEntry:
    given = {"repo": HUB_REPO, "bytes": 8_000} | snapshot
    return ModelEntry(
        id="sd", title="SD", capability="draw", engine="x:Y", licence="MIT", snapshot=Snapshot.model_validate(given)
    )


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "models")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubStandIn]:
    stand_in = HubStandIn(FILES)
    with serving(stand_in) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield stand_in


def test_the_wanted_files_are_fetched_and_the_commit_is_known(store: WeightStore, hub: HubStandIn) -> None:
    model = entry(patterns=["*.json", "*.safetensors"])
    assert not store.is_ready(model)
    steps: list[PullProgress] = []
    folder = store.pull(model, on_progress=steps.append)
    assert (folder / "unet/model.safetensors").read_bytes() == FILES["unet/model.safetensors"]
    assert not (folder / "unet/model.bin").exists()
    assert store.is_ready(model)
    assert store.require(model) == folder
    assert store.revision(model) == COMMIT
    assert steps[-1].message == "ready"
    hub.ranges.clear()
    store.pull(model)
    assert hub.ranges == []


def test_a_file_that_is_gone_makes_it_incomplete(store: WeightStore, hub: HubStandIn) -> None:
    model = entry(patterns=["*.json"])
    (store.pull(model) / "unet/config.json").unlink()
    assert not store.is_ready(model)
    with pytest.raises(MissingWeightsError, match=r"sd is not on this disk. Run: sensorium models pull sd \(8.0 kB\)"):
        store.require(model)
    store.pull(model)
    assert store.is_ready(model)


def test_a_file_that_is_not_what_the_hub_says_is_refused(store: WeightStore, hub: HubStandIn) -> None:
    hub.claims["unet/model.safetensors"] = "0" * 64
    with pytest.raises(DownloadError, match=r"model.safetensors is not the hub's file"):
        store.pull(entry(patterns=["*.safetensors"]))
    assert not store.is_ready(entry())


def test_patterns_that_fit_nothing_are_said_so(store: WeightStore, hub: HubStandIn) -> None:
    with pytest.raises(DownloadError, match=r"has no file that fits \*.gguf"):
        store.pull(entry(patterns=["*.gguf"]))


def test_without_the_hub_it_says_what_else_can_be_done(store: WeightStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"hub can't be reached.*name its folder in catalog.toml"):
        store.pull(entry())
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        store.pull(entry())


def test_a_folder_of_the_users_own_is_used_where_it_lies(store: WeightStore, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    model = entry(repo="", folder=str(mine))
    with pytest.raises(MissingWeightsError, match="Put the model into"):
        store.require(model)
    mine.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "iterdir", Mock(side_effect=PermissionError(13, "Permission denied")))
        assert not store.is_ready(model)  # one folder that can't be read must not end the list of models
    (mine / "model_index.json").write_text(json.dumps({}), "utf-8")
    assert store.pull(model) == mine
    assert store.remove(model) == 0
    assert mine.is_dir()


def test_a_folder_is_taken_from_where_the_catalog_lies(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.toml"
    head = '[[model]]\nid = "sd"\ntitle = "SD"\ncapability = "draw"\nengine = "x:Y"\nlicence = "MIT"\n'
    catalog.write_text(head + 'snapshot = { folder = "sub/../sd" }\n', "utf-8")
    found = Catalog.load(catalog).get("sd").snapshot
    assert found is not None
    assert found.folder == str(tmp_path / "sd")
    catalog.write_text(head + "snapshot = { bytes = 3 }\n", "utf-8")
    with pytest.raises(InputError, match="either a repo or a folder"):
        Catalog.load(catalog)


def test_a_broken_pull_goes_on_where_it_stopped(store: WeightStore, hub: HubStandIn) -> None:
    part = store.root / ".partial/sd/unet/model.safetensors"
    part.parent.mkdir(parents=True)
    part.write_bytes(FILES["unet/model.safetensors"][:1000])
    folder = store.pull(entry(patterns=["*.safetensors"]))
    assert hub.ranges == ["unet/model.safetensors bytes=1000-"]
    assert (folder / "unet/model.safetensors").read_bytes() == FILES["unet/model.safetensors"]


@pytest.mark.parametrize("left", [b'{"b": 2}', b'{"b"'])
def test_a_small_file_of_an_earlier_commit_is_fetched_anew(store: WeightStore, hub: HubStandIn, left: bytes) -> None:
    hub.small = {"unet/config.json"}
    part = store.root / ".partial/sd/unet/config.json"
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    folder = store.pull(entry(patterns=["*.json"]))
    assert (folder / "unet/config.json").read_bytes() == FILES["unet/config.json"]
    assert sum(asked.startswith("unet/config.json") for asked in hub.ranges) == (1 if len(left) == 8 else 2)


def test_a_file_that_changed_on_the_disk_is_found_by_verifying(store: WeightStore, hub: HubStandIn) -> None:
    hub.small = {"unet/config.json"}
    model = entry()
    folder = store.pull(model)
    store.verify(model)
    (folder / "unet/config.json").write_bytes(b'{"a": 2}')
    assert store.is_ready(model)
    with pytest.raises(CorruptWeightsError, match=r"unet/config.json changed.*remove sd, then: sensorium models pull"):
        store.verify(model)
    store.remove(model)
    store.pull(model)
    store.verify(model)
