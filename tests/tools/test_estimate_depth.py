"""estimate_depth as a user calls it: on a stereo pair, and on one picture with a model from a folder of one's own."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from homes import scripted_app, upload
from PIL import Image
from scripted_chat import write_script
from tiny_segmentation import tiny_midas

from agent.app import App, open_app
from engines.errors import InputError, MissingWeightsError
from memory.artifact_types import Lineage


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with scripted_app(tmp_path, []) as opened:
        yield opened


async def run(app: App, **args: Any) -> Any:
    return (await app.tools.run("estimate_depth", args, call_id="1", emit=lambda body: None)).result


async def pair(app: App, disparity: int) -> list[str]:
    texture = np.random.default_rng(5).integers(0, 256, (90, 180, 3), np.uint8)
    scene = Image.fromarray(texture).resize((360, 180))
    sides = []
    for left in (0, disparity):
        buffer = io.BytesIO()
        scene.crop((left, 0, left + 320, 180)).save(buffer, "PNG")
        ref = await app.artifacts.add_bytes(buffer.getvalue(), name="side.png", lineage=Lineage(tool="upload"))
        sides.append(ref.id)
    return sides


async def grey(app: App, artifact: str) -> np.ndarray:
    return np.asarray(Image.open(await app.artifacts.path(artifact)))


class TestStereoPair:
    async def test_metres(self, app: App) -> None:
        pytest.importorskip("cv2", reason="needs OpenCV: the extra `vision`")
        left, right = await pair(app, 16)
        result = await run(app, image=left, right=right, focal_px=400, baseline_m=0.12)
        assert result.nearest_m == pytest.approx(3.0, rel=0.05)
        assert result.farthest_m == pytest.approx(3.0, rel=0.05)
        assert result.known > 0.8
        exact = await grey(app, result.millimetres)
        assert exact.dtype == np.uint16
        assert np.median(exact) == pytest.approx(3000, rel=0.05)
        assert "3.00 m" in result.summary()

    async def test_without_a_calibration_it_is_relative_and_says_so(self, app: App) -> None:
        pytest.importorskip("cv2", reason="needs OpenCV: the extra `vision`")
        left, right = await pair(app, 16)
        result = await run(app, image=left, right=right)
        assert (result.nearest_m, result.millimetres) == (None, None)
        assert "give focal_px and baseline_m" in result.summary()

    async def test_pairs_that_are_none(self, app: App) -> None:
        pytest.importorskip("cv2", reason="needs OpenCV: the extra `vision`")
        left, right = await pair(app, 16)
        with pytest.raises(InputError, match="the same file"):
            await run(app, image=left, right=left)
        with pytest.raises(InputError, match="belong to a stereo pair"):
            await run(app, image=left, focal_px=400)
        with pytest.raises(InputError, match="both the focal length"):
            await run(app, image=left, right=right, focal_px=400)
        with pytest.raises(InputError, match="greater than 0"):
            await run(app, image=left, right=right, focal_px=-4, baseline_m=1)


async def test_without_weights_it_says_what_to_fetch(app: App) -> None:
    pytest.importorskip("transformers", reason="needs the extra `transformers`")
    (photo,) = await upload(app, "chelsea.jpg")
    with pytest.raises(MissingWeightsError, match="sensorium models pull depth-anything-v2-small"):
        await run(app, image=photo)


async def test_a_model_in_a_folder_of_ones_own_is_taken_because_it_is_ready(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra `transformers`")
    tiny_midas(tmp_path / "my-midas")
    write_script(tmp_path, [])
    with (tmp_path / "catalog.toml").open("a") as file:
        file.write(
            '\n[[model]]\nid = "mine"\ntitle = "Mine"\ncapability = "depth-estimation"\nlicence = "MIT"\n'
            'engine = "engines.image.depth:MonocularDepth"\nextra = "transformers"\n'
            f'snapshot = {{ folder = "{tmp_path / "my-midas"}" }}\n'
        )
    async with open_app() as app:
        (photo,) = await upload(app, "chelsea.jpg")
        result = await run(app, image=photo)
        depth = await grey(app, result.depth_map)
        assert depth.dtype == np.uint16
        assert (depth.shape, int(depth.max())) == ((300, 451), 65535)
        assert result.millimetres is None
        assert "relative" in result.summary()
