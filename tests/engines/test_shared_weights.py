"""Entries that work on the files of others: nothing is fetched twice, and what is missing is named at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from controller_fakes import Machine, Speak, catalog, model

from engines.catalog import Catalog, ModelEntry
from engines.controller import ModelController
from engines.errors import InputError, MissingWeightsError
from engines.loading import LoadContext
from engines.progress import NEVER
from engines.protocols import Engine
from engines.readiness import Shelf


def entries() -> tuple[ModelEntry, ...]:
    base = model("base", snapshot={"repo": "a/base", "bytes": 2_000_000_000})
    net = model("net", snapshot={"repo": "a/net", "bytes": 1_000_000_000}, weights_of=("base",))
    return base, net, model("edit", capability="change", weights_of=("base",))


def test_without_files_of_its_own_the_folder_is_the_first_others() -> None:
    machine, (base, net, edit) = Machine(), entries()
    shelf = Shelf(catalog(base, net, edit), machine, {})
    assert shelf.require(edit) == (Path("base"), "")
    assert shelf.require(net) == (Path("net"), "")
    assert shelf.folders(net) == {"base": Path("base")}
    assert [each.id for each in shelf.with_weights_of(edit)] == ["base"]
    assert [each.id for each in shelf.with_weights_of(net)] == ["net", "base"]


def test_one_command_fetches_all_that_is_missing() -> None:
    machine, (base, net, edit) = Machine(), entries()
    machine.missing = {"base", "net"}
    shelf = Shelf(catalog(base, net, edit), machine, {})
    assert shelf.readiness(edit).fix == "sensorium models pull base (2.0 GB)"
    assert shelf.readiness(net).fix == "sensorium models pull net base (3.0 GB)"
    with pytest.raises(
        MissingWeightsError, match=r"edit works on the files of base, which are not on this disk.* pull base \(2.0 GB\)"
    ):
        shelf.require(edit)
    with pytest.raises(
        MissingWeightsError, match=r"net and base, which it works with, are not on this disk.* net base"
    ):
        shelf.require(net)
    machine.missing = {"net"}
    with pytest.raises(
        MissingWeightsError, match=r"net is not on this disk\. Run: sensorium models pull net \(1.0 GB\)"
    ):
        shelf.require(net)
    machine.missing = {"base"}
    with pytest.raises(MissingWeightsError, match=r"net works on the files of base.* models pull base \(2.0 GB\)"):
        shelf.require(net)


async def test_the_engine_is_told_where_they_are() -> None:
    machine, given = Machine(), []

    def build(context: LoadContext) -> Engine:
        given.append(context)
        return machine.build(context)

    controller = ModelController(catalog(*entries()), machine, budget_mb=1_000, build=build, trim=lambda: None)
    try:
        async with controller.use(Speak, "net") as lease:
            await lease.run(lambda engine, cancel: None)
    finally:
        await controller.close()
    assert given[0].folder == Path("net")
    assert given[0].folders == {"base": Path("base")}
    assert given[0].cancel is not NEVER


def test_a_stranger_among_them_is_named_when_the_catalog_is_read(tmp_path: Path) -> None:
    (tmp_path / "catalog.toml").write_text(
        'model = [{ id = "mine", title = "Mine", capability = "x", engine = "a:B", licence = "MIT",'
        ' weights_of = ["nobody"] }]'
    )
    with pytest.raises(InputError, match="model mine: weights_of names nobody"):
        Catalog.load(tmp_path / "catalog.toml")


def test_the_first_that_fits_and_is_ready() -> None:
    machine = Machine()
    machine.missing = {"a"}
    shelf = Shelf(catalog(model("a"), model("b"), model("c")), machine, {})
    found = shelf.first("speak", lambda entry: entry.id != "b")
    assert found is not None
    assert found.id == "c"
    machine.missing = {"a", "c"}
    found = shelf.first("speak", lambda entry: entry.id != "b")
    assert found is not None
    assert found.id == "a"
    assert shelf.first("speak", lambda entry: False) is None
