"""Making an artifact again, and saying how alike the two are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from homes import MEDIA
from PIL import Image
from plain_upscaler import add_plain_upscaler
from scene_parts import write_scene_parts

from agent.app import App, open_app
from engines.audio.read import read_audio
from engines.errors import InputError, NotFoundError, UnavailableError
from memory.artifact_types import ArtifactRef, Lineage
from tools.replay import Replayed

pytest.importorskip("resvg_py", reason="needs the extra vision")
pytest.importorskip("ncnn", reason="needs the extra vision")

BALLOONS = {
    "place": "",
    "setting": "plain",
    "time": "day",
    "weather": "clear",
    "objects": [{"count": 3, "colour": "red", "noun": "balloon"}],
}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


async def run(app: App, tool: str, **args: Any) -> tuple[ArtifactRef, ...]:
    return (await app.tools.run(tool, args, call_id="1", emit=lambda body: None)).artifacts


async def replay(app: App, id_: str) -> Replayed:
    return await app.replays.replay(id_, emit=lambda body: None)


async def add(app: App, image: Image.Image, name: str, lineage: Lineage) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return (await app.artifacts.add_bytes(buffer.getvalue(), name=name, lineage=lineage)).id


async def small(app: App) -> str:
    return await add(app, Image.radial_gradient("L").resize((20, 20)), "dot.png", Lineage(tool="upload"))


async def test_a_drawing_whose_seed_was_drawn_by_lot_comes_out_the_same(tmp_path: Path) -> None:
    write_scene_parts(tmp_path, BALLOONS)
    async with open_app() as app:
        picture, svg = await run(app, "generate_image", prompt="three red balloons", width=200)
        again = await replay(app, svg.id)
        assert again.comparison.identical
        assert (again.artifact.name, again.artifact.id != svg.id) == ("picture.svg", True)
        assert [model.state for model in again.models] == ["unknown version"]
        assert again.original_seconds is not None
        then, now = await app.artifacts.lineage(svg.id), await app.artifacts.lineage(again.artifact.id)
        assert (now.replay_of, then.replay_of) == (svg.id, None)
        assert now.seed == then.seed
        assert now.call != then.call
        assert (await replay(app, picture.id)).comparison.identical


async def test_a_replay_has_the_same_parents_and_the_graph_says_what_it_is() -> None:
    async with open_app() as app:
        dot = await small(app)
        (large,) = await run(app, "upscale_image", image=dot)
        again = await replay(app, large.id)
        assert again.comparison.words == "The same to the byte."
        assert ([model.state for model in again.models], again.notes) == (["same"], ())
        graph = await app.artifacts.graph(dot)
        assert {node.id for node in graph.artifacts} == {dot, large.id, again.artifact.id}
        assert {call.replay_of for call in graph.calls} == {None, large.id}


async def test_the_model_of_then_works_though_another_is_the_default_now(tmp_path: Path) -> None:
    add_plain_upscaler(tmp_path)
    async with open_app() as app:
        dot = await small(app)
        (usual,) = await run(app, "upscale_image", image=dot)
        (other,) = await run(app, "upscale_image", image=dot, model="plain-upscaler")
        forgotten = await app.artifacts.add_file(
            await app.artifacts.path(other.id),
            name=other.name,
            lineage=(await app.artifacts.lineage(other.id)).model_copy(update={"args": {"image": dot}}),
        )
        again = await replay(app, forgotten.id)
        assert again.comparison.identical
        assert again.artifact.sha256 != usual.sha256


async def test_what_comes_out_otherwise_is_measured_and_a_changed_model_named() -> None:
    async with open_app() as app:
        dot = await small(app)
        (large,) = await run(app, "upscale_image", image=dot)
        lineage = await app.artifacts.lineage(large.id)
        (model,) = lineage.models
        grey = Image.open(await app.artifacts.path(large.id)).point(lambda value: max(value - 10, 0))
        changed = lineage.model_copy(update={"models": ({**model, "sha256": "0" * 64},)})
        again = await replay(app, await add(app, grey, large.name, changed))
        assert not again.comparison.identical
        assert 0 < again.comparison.measures["mean_difference_percent"] < 4
        assert 25 < again.comparison.measures["psnr_db"] < 32
        assert [model.state for model in again.models] == ["changed"]
        assert again.notes[0].startswith(f"{model['id']} has changed: then sha256 000000000000…, now sha256 ")


async def test_a_model_that_is_missing_is_said_with_what_brings_it() -> None:
    async with open_app() as app:
        lineage = Lineage(tool="upscale_image", args={"image": await small(app)}, models=({"id": "sdxl"}, {"id": "x"}))
        id_ = await add(app, Image.new("RGB", (8, 8)), "old.png", lineage)
        plan = await app.replays.plan(id_)
        assert [model.state for model in plan.models] == ["missing", "missing"]
        assert len(plan.problems) == 2
        assert plan.models[0].fix
        before = len(await app.artifacts.list())
        with pytest.raises(UnavailableError, match="can't be made again as it was: sdxl needs"):
            await replay(app, id_)
        assert len(await app.artifacts.list()) == before


async def test_what_can_not_be_made_again() -> None:
    async with open_app() as app:
        dot = await small(app)
        (large,) = await run(app, "upscale_image", image=dot)
        with pytest.raises(InputError, match=r"dot\.png was uploaded"):
            await replay(app, dot)
        with pytest.raises(NotFoundError):
            await replay(app, "0" * 32)
        odd = await add(app, Image.new("RGB", (8, 8)), "odd.png", Lineage(tool="of_a_plugin_that_is_gone"))
        with pytest.raises(NotFoundError, match="No tool is called"):
            await replay(app, odd)
        await app.artifacts.delete(dot)
        assert (await app.replays.plan(large.id)).missing_parents == (dot,)
        with pytest.raises(NotFoundError, match="has been deleted"):
            await replay(app, large.id)


async def test_speech_and_text_are_compared_as_what_they_are() -> None:
    from tools.compare import compare

    async with open_app() as app:
        samples = (read_audio(MEDIA / "jfk.flac").samples * 32_000).astype(np.int16)
        spoken = await app.artifacts.add_bytes(_wav(samples), name="jfk.wav", lineage=Lineage(tool="upload"))
        limits = app.tools._workshop.limits

        async def against(data: bytes, name: str, original: ArtifactRef = spoken) -> Any:
            ref = await app.artifacts.add_bytes(data, name=name, lineage=Lineage(tool="upload"))
            paths = [await app.artifacts.path(each.id) for each in (original, ref)]
            return compare((original, paths[0]), (ref, paths[1]), limits=limits)

        same = await against(_wav(samples) + b"junk\4\0\0\0more", "same.wav")
        assert (same.identical, same.words) == (False, "The same sound, in a file that differs.")
        quieter = await against(_wav(samples // 2), "quiet.wav")
        assert quieter.measures["difference_percent"] == pytest.approx(50, abs=1)
        shorter = await against(_wav(samples[: len(samples) // 2]), "short.wav")
        assert shorter.words == "The original is 11.00 s long, this is 5.50 s."
        words = await app.artifacts.add_bytes(b"one two three", name="w.txt", lineage=Lineage(tool="upload"))
        assert (await against(b"one two four", "v.txt", words)).measures["alike"] == pytest.approx(0.8, abs=0.1)
        assert (await against(b"one two three", "v.txt", words)).identical
        assert (await against(_wav(samples), "w.wav", words)).words == "The original is text, this is audio."


async def test_pictures_of_other_sizes_and_depth_maps_are_compared_too() -> None:
    from tools.compare import compare

    async with open_app() as app:
        limits = app.tools._workshop.limits

        async def between(one: Image.Image, other: Image.Image) -> Any:
            ids = [await add(app, image, "p.png", Lineage(tool="upload")) for image in (one, other)]
            pairs = [(await app.artifacts.get(id_), await app.artifacts.path(id_)) for id_ in ids]
            return compare(pairs[0], pairs[1], limits=limits)

        sizes = await between(Image.new("RGB", (20, 10)), Image.new("RGB", (10, 10)))
        assert sizes.words == "The original has 20 x 10 px, 3 channels, this has 10 x 10 px, 3 channels."
        deep = [Image.fromarray(np.full((4, 4), value, np.uint16)) for value in (30_000, 30_655)]
        assert (await between(*deep)).measures["mean_difference_percent"] == pytest.approx(1, abs=0.01)
        assert (await between(Image.new("RGB", (4, 4)), Image.new("L", (4, 4)))).words.startswith("The same pixels")


def _wav(samples: Any) -> bytes:
    import wave

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
