"""segment_image as a user calls it: by kind, by place, or without saying what."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from homes import MEDIA, scripted_app, upload
from PIL import Image

pytest.importorskip("cv2", reason="needs OpenCV: the extra `vision`")

from agent.app import App
from engines.errors import InputError, MediaError, NotFoundError
from memory.artifact_types import Lineage


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    async with scripted_app(tmp_path, []) as opened:
        yield opened


async def segment(app: App, image: str, **args: Any) -> Any:
    outcome = await app.tools.run("segment_image", {"image": image, **args}, call_id="1", emit=lambda body: None)
    return outcome.result, outcome


async def opened(app: App, artifact: str) -> Image.Image:
    return Image.open(await app.artifacts.path(artifact))


async def uploaded(app: App, image: Image.Image, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    ref = await app.artifacts.add_bytes(buffer.getvalue(), name="made", lineage=Lineage(tool="upload"))
    return ref.id


class TestByKind:
    async def test_a_person_on_a_transparent_ground(self, app: App) -> None:
        (photo,) = await upload(app, "astronaut.jpg")
        result, outcome = await segment(app, photo, target="person")
        (person,) = result.objects
        assert person.label == "person"
        assert 0.3 < person.share < 0.65
        assert 0 <= person.left < person.right <= 512
        assert len(person.polygons[0]) > 10
        cut = await opened(app, result.cutout)
        assert (cut.mode, cut.size) == ("RGBA", (512, 512))
        alpha = np.asarray(cut)[..., 3]
        assert alpha[85, 225] == 255, "the face"
        assert alpha[60, 400] == 0, "the wall"
        assert 0 < ((alpha > 0) & (alpha < 255)).mean() < 0.1, "soft edges, and only edges"
        mask = np.asarray(await opened(app, result.mask))
        assert mask.shape == (512, 512)
        assert (mask == alpha).all()
        assert [artifact.name for artifact in outcome.artifacts] == ["cutout.png", "mask.png", "outlined.png"]
        assert outcome.receipts[0].model == "nanodet-416"
        assert "person" in result.summary()

    async def test_none_of_that_kind(self, app: App) -> None:
        (photo,) = await upload(app, "chelsea.jpg")
        result, outcome = await segment(app, photo, target="dog")
        assert (result.objects, result.cutout, result.mask, result.picture) == ([], None, None, None)
        assert result.summary() == "No dog was found in the picture."
        assert not outcome.artifacts

    async def test_a_kind_nobody_knows(self, app: App) -> None:
        (photo,) = await upload(app, "chelsea.jpg")
        with pytest.raises(InputError, match=r"'dragon' is nothing the model knows.*It knows: person, bicycle"):
            await segment(app, photo, target="dragon")

    async def test_the_largest_of_two(self, app: App) -> None:
        portrait = Image.open(MEDIA / "astronaut.jpg")
        pair = Image.new("RGB", (900, 512), "gray")
        pair.paste(portrait, (0, 0))
        pair.paste(portrait.resize((340, 340)), (530, 100))
        photo = await uploaded(app, pair)
        both, _ = await segment(app, photo, target="person")
        one, _ = await segment(app, photo, target="person", which="largest")
        assert len(both.objects) == 2
        assert len(one.objects) == 1
        assert one.objects[0].share == max(thing.share for thing in both.objects)
        assert one.share < both.share


class TestByPlace:
    async def test_the_cat_that_is_pointed_at(self, app: App) -> None:
        (photo,) = await upload(app, "chelsea.jpg")
        result, _ = await segment(app, photo, point=[200, 150])
        (cat,) = result.objects
        assert cat.label == "cat"
        assert cat.share > 0.4
        assert "the cat at the point" in result.summary()

    async def test_a_box(self, app: App) -> None:
        image = Image.new("RGB", (300, 200), (70, 90, 120))
        image.paste((220, 140, 30), (100, 60, 200, 140))
        result, _ = await segment(app, await uploaded(app, image), box=[95, 55, 205, 145])
        (thing,) = result.objects
        assert abs(thing.left - 100) < 4
        assert abs(thing.bottom - 140) < 4

    async def test_places_that_are_none(self, app: App) -> None:
        (photo,) = await upload(app, "chelsea.jpg")
        with pytest.raises(InputError, match=r"\(900, 9\) is outside the picture.*x goes from 0 to 450"):
            await segment(app, photo, point=[900, 9])
        with pytest.raises(InputError, match="no area in the picture"):
            await segment(app, photo, box=[50, 50, 20, 60])
        with pytest.raises(InputError, match="A target and a place"):
            await segment(app, photo, point=[9, 9], target="cat")


class TestTheMainObject:
    async def test_it_is_named(self, app: App) -> None:
        (photo,) = await upload(app, "chelsea.jpg")
        result, outcome = await segment(app, photo)
        assert [thing.label for thing in result.objects] == ["cat"]
        assert "main object" in result.summary()
        assert {receipt.model for receipt in outcome.receipts} == {"nanodet-416", "u2netp"}

    async def test_a_picture_of_nothing(self, app: App) -> None:
        result, _ = await segment(app, await uploaded(app, Image.new("RGB", (300, 200), "white")))
        assert result.cutout is None
        assert result.summary() == "Nothing stands out in the picture."

    @pytest.mark.parametrize("mode", ["CMYK", "L", "I;16", "P", "RGBA", "1"])
    async def test_odd_colour_modes(self, app: App, mode: str) -> None:
        image = Image.new("RGB", (160, 120), (40, 40, 60))
        image.paste((230, 200, 60), (50, 30, 110, 90))
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
        else:
            image = image.convert(mode)
        result, _ = await segment(app, await uploaded(app, image, "JPEG" if mode == "CMYK" else "PNG"))
        (thing,) = result.objects
        assert abs(thing.left - 50) < 8
        assert (await opened(app, result.cutout)).size == (160, 120)

    async def test_one_pixel(self, app: App) -> None:
        result, _ = await segment(app, await uploaded(app, Image.new("RGB", (1, 1))))
        assert result.summary()


async def test_what_is_no_picture(app: App) -> None:
    (sound,) = await upload(app, "jfk.flac")
    with pytest.raises(MediaError, match="holds sound, not a picture"):
        await segment(app, sound)


async def test_models_that_are_not_there_say_how_to_get_them(app: App) -> None:
    (photo,) = await upload(app, "chelsea.jpg")
    with pytest.raises(Exception, match=r"sam2\.1-hiera-small.*sensorium models pull sam2\.1-hiera-small \(184"):
        await segment(app, photo, model="sam2.1-hiera-small")
    with pytest.raises(NotFoundError, match="No model is called 'sam9'"):
        await segment(app, photo, model="sam9")
