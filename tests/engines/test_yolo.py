"""Ultralytics YOLO needs torchvision, which must not be importable beside the other tests: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torchvision_aside

from engines.catalog import Catalog

CASES = Path(__file__).with_name("yolo_cases.py")


@pytest.mark.skipif(find_spec("ultralytics") is None, reason="the extra yolo is not installed")
@pytest.mark.skipif(
    find_spec("torchvision") is None and not torchvision_aside.FOLDER.is_dir(),
    reason="torchvision is not beside the environment: deploy/test_extras.py could not get it",
)
def test_yolo(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    done = subprocess.run(
        [*command, f"--basetemp={tmp_path / 'base'}"],
        env=os.environ | {"YOLO_CONFIG_DIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_its_licence_is_told() -> None:
    entries = [entry for entry in Catalog.load() if "yolo" in entry.engine]
    assert len(entries) >= 3
    for entry in entries:
        assert entry.licence == "AGPL-3.0"
        assert "AGPL-3.0" in entry.licence_note
        assert entry.extra == "yolo"
        assert not entry.default
        assert not entry.embedded
