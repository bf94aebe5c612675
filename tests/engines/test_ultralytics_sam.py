"""MobileSAM and FastSAM with ultralytics, on random weights, in a process of their own.

torchvision is put on the path only there: it changes what transformers and diffusers do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from engines.catalog import ModelEntry
from engines.errors import EngineError
from engines.image.ultralytics_sam import UltralyticsSam
from engines.loading import LoadContext

pytest.importorskip("torch", reason="needs the extra `yolo`")

ROOT = Path(__file__).parents[2]
ASIDE = Path(sys.prefix) / "aside" / "torchvision"
PROGRAM = """
import json, sys
from pathlib import Path
from torchvision_aside import put_on_path
put_on_path()
import torch
from PIL import Image
from engines.catalog import ModelEntry
from engines.image.ultralytics_sam import UltralyticsSam
from engines.loading import LoadContext
from engines.protocols import Box, Point

folder = Path(sys.argv[1])
torch.manual_seed(0)
if sys.argv[2] == "mobile":
    from ultralytics.models.sam.build import build_mobile_sam
    torch.save(build_mobile_sam().state_dict(), folder / "mobile_sam.pt")
else:
    from ultralytics import YOLO
    YOLO("yolov8n-seg.yaml").save(folder / "FastSAM-s.pt")
entry = ModelEntry(id="tried", title="Tried", capability="segmentation", engine="a:B", licence="AGPL-3.0")
engine = UltralyticsSam(LoadContext(entry, folder))
image = Image.new("RGB", (90, 60), "gray")
dots = [Point(40, 30), Point(2, 2, inside=False)] if sys.argv[2] == "mobile" else []
by_box = engine.segment(image, boxes=[Box("cat", 1, 10, 10, 60, 50)], points=dots)
masks = [(mask.pixels.shape, str(mask.pixels.dtype), mask.label) for mask in by_box]
print("FOUND", json.dumps(masks))
"""


@pytest.mark.skipif(find_spec("ultralytics") is None, reason="needs the extra `yolo`")
@pytest.mark.skipif(find_spec("torchvision") is None and not ASIDE.is_dir(), reason="needs torchvision")
@pytest.mark.parametrize("kind", ["mobile", "fast"])
def test_masks_have_the_pictures_size_and_the_boxes_labels(kind: str, tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support"))),
        "YOLO_CONFIG_DIR": str(tmp_path / "config"),
        "YOLO_OFFLINE": "1",
    }
    folder = tmp_path / "weights"
    folder.mkdir()
    done = subprocess.run(  # noqa: PLW1510 # what it printed says more than its code
        [sys.executable, "-c", PROGRAM, str(folder), kind],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert json.loads(line.removeprefix("FOUND ")) == [[[60, 90], "bool", "cat"]]


def test_a_folder_without_weights(tmp_path: Path) -> None:
    entry = ModelEntry(id="tried", title="Tried", capability="segmentation", engine="a:B", licence="AGPL-3.0")
    with pytest.raises(EngineError, match=r"must hold one \.pt file; it holds 0"):
        UltralyticsSam(LoadContext(entry, tmp_path))
