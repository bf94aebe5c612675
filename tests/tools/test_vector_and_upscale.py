"""Drawing a vector scene and enlarging pictures, as tools."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from homes import upload
from PIL import Image
from scene_parts import write_scene_parts

from agent.app import App, open_app
from engines.errors import InputError, MediaError
from memory.artifact_types import Lineage
from tools.registry import Outcome

pytest.importorskip("resvg_py", reason="needs the extra vision")
pytest.importorskip("ncnn", reason="needs the extra vision")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


async def run(app: App, tool: str, **args: Any) -> Outcome:
    return await app.tools.run(tool, args, call_id="1", emit=lambda body: None)


async def add(app: App, image: Image.Image, name: str, **save: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, **save)
    return (await app.artifacts.add_bytes(buffer.getvalue(), name=name, lineage=Lineage(tool="upload"))).id


async def test_a_picture_is_drawn_while_no_diffusion_model_is_there(tmp_path: Path) -> None:
    scene = {
        "place": "",
        "setting": "plain",
        "time": "day",
        "weather": "clear",
        "objects": [{"count": 3, "colour": "red", "noun": "balloon"}, {"count": 1, "noun": "qwxz"}],
    }
    write_scene_parts(tmp_path, scene)
    async with open_app() as app:
        outcome = await run(app, "generate_image", prompt="three red balloons and a qwxz", width=400, seed=3)
        result = outcome.result
        assert (result.kind, result.model, result.steps) == ("vector-scene", "vector-scene", 0)
        assert (result.width, result.height) == (400, 300)
        assert result.unmatched == ("qwxz",)
        assert "Nothing was found for: qwxz" in result.summary()
        assert "not a photograph" in result.summary()
        picture, svg = outcome.artifacts
        assert Image.open(await app.artifacts.path(picture.id)).size == (400, 300)
        drawn = ET.fromstring((await app.artifacts.path(svg.id)).read_text("utf-8"))
        assert len([node for node in drawn if node.tag.endswith("}use")]) == 3
        assert [receipt.model for receipt in outcome.receipts] == ["vector-scene"]
        again = await run(app, "generate_image", prompt="three red balloons and a qwxz", width=400, seed=3)
        assert again.artifacts[0].sha256 == picture.sha256


async def test_a_photo_is_enlarged(tmp_path: Path) -> None:
    async with open_app() as app:
        cat = await add(app, Image.new("RGB", (40, 30), "teal"), "cat.jpg", format="JPEG")
        outcome = await run(app, "upscale_image", image=cat)
        result = outcome.result
        assert (result.width, result.height, result.factor) == (160, 120, 4)
        assert result.summary() == "Enlarged the picture 4 times, to 160 x 120 px (realesr-animevideov3-x4)."
        assert Image.open(await app.artifacts.path(result.image)).size == (160, 120)
        assert (await app.artifacts.lineage(outcome.artifacts[0].id)).parents == (cat,)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
async def test_both_ways_to_enlarge_give_the_same(tmp_path: Path, mode: str) -> None:
    picture = Image.radial_gradient("L").resize((30, 30)).convert(mode)
    if mode == "RGBA":
        picture.putalpha(picture.convert("L"))
    async with open_app() as app:
        image = await add(app, picture, "dot.png", format="PNG")
        one = await run(app, "upscale_image", image=image, factor=2)
        other = await run(app, "edit_image", image=image, instruction="enlarge", mode="upscale", factor=2)
        assert one.artifacts[0].sha256 == other.artifacts[0].sha256
        assert Image.open(await app.artifacts.path(other.result.image)).mode == mode


@pytest.mark.parametrize(
    ("mode", "save", "made"),
    [
        ("RGBA", "PNG", "RGBA"),
        ("LA", "PNG", "RGBA"),
        ("P", "GIF", "RGB"),
        ("CMYK", "JPEG", "RGB"),
        ("I;16", "PNG", "RGB"),
        ("1", "PNG", "RGB"),
    ],
)
async def test_colour_modes(tmp_path: Path, mode: str, save: str, made: str) -> None:
    picture = Image.new(mode, (20, 10)) if mode != "RGBA" else Image.new(mode, (20, 10), (9, 9, 9, 128))
    async with open_app() as app:
        image = await add(app, picture, f"picture.{save.lower()}", format=save)
        outcome = await run(app, "upscale_image", image=image, factor=2)
        larger = Image.open(await app.artifacts.path(outcome.result.image))
        assert (larger.size, larger.mode) == ((40, 20), made)


async def test_a_turned_photo_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    async with open_app() as app:
        image = await add(app, Image.new("RGB", (20, 10)), "turned.jpg", format="JPEG", exif=exif)
        assert (await run(app, "upscale_image", image=image)).result.height == 80


async def test_what_can_not_be_enlarged(tmp_path: Path) -> None:
    async with open_app() as app:
        image = await add(app, Image.new("RGB", (20, 10)), "small.png", format="PNG")
        with pytest.raises(InputError, match="up to 4"):
            await run(app, "upscale_image", image=image, factor=6)
        with pytest.raises(InputError, match="factor"):
            await run(app, "upscale_image", image=image, factor=1)
        with pytest.raises(InputError, match="strength"):  # so little leaves not one of a thousand steps
            await run(app, "edit_image", image=image, instruction="make it winter", strength=0.0005)
        (sound,) = await upload(app, "jfk.flac")
        with pytest.raises(MediaError):
            await run(app, "upscale_image", image=sound)
