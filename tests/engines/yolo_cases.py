"""What Ultralytics YOLO must do. Run by `test_yolo.py` in a process of its own, with torchvision from beside.

The weights are random, built from the library's own configurations: they find nothing true.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import torchvision_aside

torchvision_aside.put_on_path()

from PIL import Image  # noqa: E402 # after torchvision was put on the path

from engines.catalog import ModelEntry  # noqa: E402 # as above
from engines.errors import EngineError, InputError  # noqa: E402 # as above
from engines.image.yolo import UltralyticsYolo  # noqa: E402 # as above
from engines.loading import LoadContext  # noqa: E402 # as above
from engines.progress import Cancelled, CancelToken  # noqa: E402 # as above

MEDIA = Path(__file__).parents[1] / "media"


def context(folder: Path, cache: Path, **options: Any) -> LoadContext:
    entry = ModelEntry(
        id="mine",
        title="Mine",
        capability="object-detection",
        engine="engines.image.yolo:UltralyticsYolo",
        licence="AGPL-3.0",
        options={"image_size": 160} | options,
    )
    return LoadContext(entry, folder, cache=cache)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A folder for each architecture."""
    folder = tmp_path_factory.mktemp("weights")
    os.environ.update(YOLO_CONFIG_DIR=str(cache), YOLO_OFFLINE="1", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    import torch
    from ultralytics import YOLO

    torch.manual_seed(0)
    for name in ("yolov8n", "yolo11n", "yolo26n"):
        (folder / name).mkdir()
        YOLO(f"{name}.yaml").save(str(folder / name / f"{name}.pt"))
    return folder


@pytest.fixture(scope="session")
def cat() -> Image.Image:
    return Image.open(MEDIA / "chelsea.jpg")


@pytest.mark.parametrize("name", ["yolov8n", "yolo11n", "yolo26n"])
def test_every_generation_gives_boxes_inside_the_picture(
    weights: Path, cache: Path, cat: Image.Image, name: str
) -> None:
    engine = UltralyticsYolo(context(weights / name, cache))
    boxes = engine.detect(cat, threshold=0.0)
    assert boxes
    assert len(boxes) <= 300
    assert [box.score for box in boxes] == sorted((box.score for box in boxes), reverse=True)
    assert all(0 <= box.left <= box.right <= 451 and 0 <= box.top <= box.bottom <= 300 for box in boxes)
    assert engine.detect(cat, threshold=1.0) == ()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_every_mode_and_odd_shapes(weights: Path, cache: Path, cat: Image.Image, mode: str) -> None:
    engine = UltralyticsYolo(context(weights / "yolov8n", cache))
    engine.detect(cat.convert(mode), threshold=0.0)
    for size in ((1, 1), (700, 2)):
        engine.detect(Image.new(mode, size), threshold=0.0)


def test_thresholds_and_cancels(weights: Path, cache: Path, cat: Image.Image) -> None:
    engine = UltralyticsYolo(context(weights / "yolov8n", cache))
    with pytest.raises(InputError, match="between 0 and 1"):
        engine.detect(cat, threshold=1.5)
    cancel = CancelToken()
    cancel.set()
    with pytest.raises(Cancelled):
        engine.detect(cat, cancel=cancel)


def test_one_s_own_weights_bring_their_own_names(weights: Path, cache: Path, cat: Image.Image, tmp_path: Path) -> None:
    from ultralytics import YOLO

    trained = YOLO(str(weights / "yolov8n" / "yolov8n.pt"))
    trained.model.names = dict.fromkeys(range(80), "bolt") | {0: "nut", 1: "sofa"}
    trained.save(str(tmp_path / "best.pt"))
    engine = UltralyticsYolo(context(tmp_path, cache))
    assert engine.labels == ("nut", "couch", "bolt")
    assert {box.label for box in engine.detect(cat, threshold=0.0)} <= set(engine.labels)


def test_an_exported_model(weights: Path, cache: Path, cat: Image.Image, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="exporting needs the package onnx")
    from ultralytics import YOLO

    shutil.copy(weights / "yolov8n" / "yolov8n.pt", tmp_path / "m.pt")
    exported = Path(YOLO(str(tmp_path / "m.pt")).export(format="onnx", imgsz=160, simplify=False))
    folder = tmp_path / "onnx"
    folder.mkdir()
    exported.rename(folder / "m.onnx")
    engine = UltralyticsYolo(context(folder, cache))
    assert engine.labels[0] == "0"
    assert engine.detect(cat, threshold=0.0)


def test_folders_that_hold_no_model_or_several(weights: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"one \.pt or \.onnx file; there is: none"):
        UltralyticsYolo(context(tmp_path, cache))
    (tmp_path / "a.pt").write_bytes(b"no model")
    with pytest.raises(EngineError, match=r"a\.pt can't be loaded"):
        UltralyticsYolo(context(tmp_path, cache))
    shutil.copy(weights / "yolov8n" / "yolov8n.pt", tmp_path / "b.pt")
    with pytest.raises(EngineError, match=r"there is: a\.pt, b\.pt\. Name the file"):
        UltralyticsYolo(context(tmp_path, cache))
    assert UltralyticsYolo(context(tmp_path, cache, file="b.pt")).labels


def test_weights_for_another_task(cache: Path, weights: Path, tmp_path: Path) -> None:
    from ultralytics import YOLO

    YOLO("yolov8n-pose.yaml").save(str(tmp_path / "pose.pt"))
    with pytest.raises(EngineError, match=r"can't be loaded|task"):
        UltralyticsYolo(context(tmp_path, cache))


def test_it_keeps_to_this_machine(
    weights: Path, cache: Path, cat: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **_: Any) -> None:
        raise AssertionError(f"a connection was tried: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    UltralyticsYolo(context(weights / "yolov8n", cache)).detect(cat)
    import ultralytics
    from ultralytics.utils.events import events

    assert not ultralytics.settings["sync"]
    assert not events.enabled
