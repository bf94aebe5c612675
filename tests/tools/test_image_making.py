"""Generating, editing and controlled pictures, as tools: on tiny random models in folders of the user's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from homes import scripted_app, upload
from PIL import Image
from scripted_chat import write_script
from waiting_painter import add_waiting_painter

from agent.app import App, open_app
from engines.catalog import Catalog
from engines.errors import InputError, MissingExtraError, MissingWeightsError, NotFoundError
from engines.readiness import Readiness, Shelf
from memory.artifact_types import Lineage
from memory.events import EventBody, ToolProgress
from tools.image.edit_image import chosen_mode
from tools.registry import Outcome

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("torch", reason="needs the extra diffusion")
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    import tiny_diffusion as tiny

    root = tmp_path_factory.mktemp("tiny-tools")
    return {
        "sd": tiny.tiny_sd(root / "sd"),
        "instruct": tiny.tiny_instruct(root / "instruct"),
        "net": tiny.tiny_controlnet(root / "net"),
    }


ENTRIES = """
[[model]]
id = "mine"
title = "My own model"
capability = "image-generation"
engine = "engines.image.diffusion:StableDiffusion"
licence = "MIT"
extra = "diffusion"
default = true
options = {{ steps = 3 }}
snapshot = {{ folder = '{sd}' }}

[[model]]
id = "mine-edit"
title = "My own model, editing"
capability = "image-editing"
engine = "engines.image.diffusion_edit:StableDiffusionEditor"
licence = "MIT"
extra = "diffusion"
options = {{ steps = 2, modes = ["restyle", "inpaint"] }}
weights_of = ["mine"]

[[model]]
id = "mine-instruct"
title = "My own model, told what to do"
capability = "image-editing"
engine = "engines.image.diffusion_edit:StableDiffusionEditor"
licence = "MIT"
extra = "diffusion"
options = {{ steps = 2, modes = ["instruct"] }}
snapshot = {{ folder = '{instruct}' }}
"""
NETS = """
[[model]]
id = "mine-{control}"
title = "My own net"
capability = "controlled-image-generation"
engine = "engines.image.diffusion_control:StableDiffusionControlNet"
licence = "MIT"
extra = "diffusion"
options = {{ steps = 2, control = "{control}" }}
weights_of = ["mine"]
snapshot = {{ folder = '{net}' }}
"""


@pytest.fixture
async def app(tmp_path: Path, folders: dict[str, Path]) -> AsyncIterator[App]:
    write_script(tmp_path, [])
    nets = "".join(NETS.format(control=control, **folders) for control in ("canny", "scribble", "pose"))
    with (tmp_path / "catalog.toml").open("a", encoding="utf-8") as catalog:
        catalog.write(ENTRIES.format(**folders) + nets)
    async with open_app() as app:
        yield app


async def run(app: App, tool: str, heard: list[EventBody] | None = None, **args: Any) -> Outcome:
    emit = heard.append if heard is not None else lambda body: None
    return await app.tools.run(tool, args, call_id="1", emit=emit)


async def picture(app: App, outcome: Outcome, name: str) -> Image.Image:
    (ref,) = [ref for ref in outcome.artifacts if ref.name == name]
    return Image.open(await app.artifacts.path(ref.id))


async def save(app: App, image: Image.Image, path: Path) -> str:
    image.save(path)
    return (await app.artifacts.add_file(path, lineage=Lineage(tool="upload"))).id


class TestGenerate:
    async def test_a_picture_its_receipt_its_lineage_and_its_marks(self, app: App) -> None:
        heard: list[EventBody] = []
        outcome = await run(app, "generate_image", heard, prompt="a red kite", negative="rain", seed=5)
        assert outcome.result.summary() == "Made a 64 x 64 px picture: “a red kite” (mine, seed 5)."
        assert (outcome.receipts[0].model, outcome.receipts[0].seed) == ("mine", 5)
        lineage = await app.artifacts.lineage(outcome.artifacts[0].id)
        assert (lineage.seed, lineage.models[0]["id"], lineage.args["prompt"]) == (5, "mine", "a red kite")
        marks = (await picture(app, outcome, "picture.png")).info
        assert marks["Software"].startswith("Sensorium ")
        assert marks["Comment"] == "Synthetic picture, made by a model: mine."
        assert marks["parameters"] == "Model: mine, Seed: 5, Steps: 3, Size: 64x64"
        assert "digitalsourcetype/trainedAlgorithmicMedia" in marks["XML:com.adobe.xmp"]
        assert "kite" not in str(marks)
        assert [body.message for body in heard if isinstance(body, ToolProgress)][-1] == "making the picture of it"

    async def test_the_seed_is_told_and_gives_the_picture_again(self, app: App) -> None:
        first = await run(app, "generate_image", prompt="a kite")
        again = await run(app, "generate_image", prompt="a kite", seed=first.result.seed)
        other = await run(app, "generate_image", prompt="a kite")
        assert first.artifacts[0].sha256 == again.artifacts[0].sha256 != other.artifacts[0].sha256

    async def test_previews_are_announced_and_gone_when_it_is_done(self, app: App, tmp_path: Path) -> None:
        heard: list[EventBody] = []
        await run(app, "generate_image", heard, prompt="a kite")
        counts = [body.preview for body in heard if isinstance(body, ToolProgress)]
        assert counts == sorted(counts)
        assert counts[-1] >= 1
        assert not list((tmp_path / "cache" / "previews").iterdir())

    @pytest.mark.parametrize(
        "args",
        [
            {"prompt": ""},
            {"prompt": "x" * 2_001},
            {"prompt": "x", "width": 32},
            {"prompt": "x", "height": 5_000},
            {"prompt": "x", "steps": 0},
            {"prompt": "x", "seed": -1},
            {"prompt": "x", "size": 64},
        ],
    )
    async def test_arguments_out_of_range_are_refused_at_once(self, app: App, args: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="generate_image: "):
            await run(app, "generate_image", **args)

    async def test_what_is_too_large_for_the_model_is_said(self, app: App) -> None:
        with pytest.raises(InputError, match="at most 128 x 128 px"):
            await run(app, "generate_image", prompt="x", width=512, height=512)

    async def test_a_model_of_another_kind_is_refused(self, app: App) -> None:
        with pytest.raises(NotFoundError, match="nanodet-416 does object-detection, not image-generation"):
            await run(app, "generate_image", prompt="x", model="nanodet-416")

    async def test_a_drawing_says_what_it_could_not_draw(self, tmp_path: Path) -> None:
        write_script(tmp_path, [])
        add_waiting_painter(tmp_path, svg="<svg/>").touch()
        async with open_app() as app:
            outcome = await run(app, "generate_image", prompt="a zebra on a kite", seed=1)
            summary = outcome.result.summary()
            marks = (await picture(app, outcome, "picture.png")).info
        assert summary == "Drew “a zebra on a kite”, 64 x 32 px. Nothing was found for: zebra."
        assert [ref.mime for ref in outcome.artifacts] == ["image/png", "image/svg+xml"]
        assert "digitalsourcetype/algorithmicMedia" in marks["XML:com.adobe.xmp"]


class TestEdit:
    async def test_what_is_told_is_done_where_a_model_can(self, app: App) -> None:
        (cat,) = await upload(app, "chelsea.jpg")
        outcome = await run(app, "edit_image", image=cat, instruction="make it winter", seed=3)
        assert outcome.result.summary() == "Changed the picture as asked; it is 80 x 56 px (mine-instruct, seed 3)."
        marks = (await picture(app, outcome, "edited.png")).info
        assert "digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in marks["XML:com.adobe.xmp"]
        assert (await app.artifacts.lineage(outcome.artifacts[0].id)).parents == (cat,)

    async def test_a_mode_chooses_the_model(self, app: App) -> None:
        (cat,) = await upload(app, "chelsea.jpg")
        outcome = await run(app, "edit_image", image=cat, instruction="an oil painting", mode="restyle", seed=3)
        assert outcome.result.model == "mine-edit"
        assert outcome.result.summary().startswith("Repainted the whole picture as asked; it is 80 x 56 px")

    async def test_a_mask_means_inpainting(self, app: App, tmp_path: Path) -> None:
        (cat,) = await upload(app, "chelsea.jpg")
        mask = Image.new("L", (451, 300))
        mask.paste(255, (0, 0, 100, 100))
        mask_id = await save(app, mask, tmp_path / "mask.png")
        outcome = await run(app, "edit_image", image=cat, instruction="a hat", mask=mask_id, seed=3)
        assert (outcome.result.mode, outcome.result.model) == ("inpaint", "mine-edit")
        assert (outcome.result.width, outcome.result.height) == (451, 300)
        assert (await app.artifacts.lineage(outcome.artifacts[0].id)).parents == (cat, mask_id)

    async def test_inpainting_without_a_mask_says_what_is_missing(self, app: App) -> None:
        (cat,) = await upload(app, "chelsea.jpg")
        with pytest.raises(InputError, match=r"a mask has to say which part\. Give a mask"):
            await run(app, "edit_image", image=cat, instruction="a hat", mode="inpaint")

    async def test_a_named_model_is_used_for_what_it_can(self, app: App) -> None:
        (cat,) = await upload(app, "chelsea.jpg")
        outcome = await run(app, "edit_image", image=cat, instruction="in oil", model="mine-edit", seed=1)
        assert outcome.result.mode == "restyle"
        with pytest.raises(InputError, match=r"mine-instruct can't restyle\. It can: instruct"):
            await run(app, "edit_image", image=cat, instruction="x", mode="restyle", model="mine-instruct")

    async def test_pictures_of_any_kind_are_taken(self, app: App, tmp_path: Path) -> None:
        for mode in ("CMYK", "RGBA", "P", "I;16", "LA", "1"):
            odd = Image.new(mode, (40, 30))
            path = tmp_path / ("odd.tif" if mode == "CMYK" else "odd.png")
            outcome = await run(app, "edit_image", image=await save(app, odd, path), instruction="x", mode="restyle")
            assert outcome.result.width > outcome.result.height

    async def test_a_sound_is_refused(self, app: App) -> None:
        (sound,) = await upload(app, "jfk.flac")
        with pytest.raises(InputError, match=r"jfk.flac holds sound, not a picture"):
            await run(app, "edit_image", image=sound, instruction="x")


class TestControl:
    @pytest.mark.parametrize("control", ["canny", "scribble"])
    async def test_lines_of_the_picture_are_followed_and_shown(self, app: App, control: str) -> None:
        pytest.importorskip("cv2", reason="needs the extra vision")
        (cat,) = await upload(app, "chelsea.jpg")
        outcome = await run(app, "controlnet_image", image=cat, prompt="a tiger", control=control, seed=2)
        assert [ref.name for ref in outcome.artifacts] == ["picture.png", f"{control}.png"]
        assert f"(mine-{control}, seed 2)" in outcome.result.summary()
        lines = (await picture(app, outcome, f"{control}.png")).convert("L")
        assert set(lines.get_flattened_data() if hasattr(lines, "get_flattened_data") else lines.getdata()) == {0, 255}
        white = lines.histogram()[255] / (lines.width * lines.height)
        assert 0.02 < white < 0.5

    async def test_a_ready_made_map_is_followed_as_it_is(self, app: App, tmp_path: Path) -> None:
        skeleton = await save(app, Image.new("RGB", (128, 64), "black"), tmp_path / "pose.png")
        outcome = await run(
            app, "controlnet_image", image=skeleton, prompt="a robot", control="pose", control_is_map=True, seed=2
        )
        assert "keeps the posture of the given one (mine-pose, seed 2)" in outcome.result.summary()
        assert (await picture(app, outcome, "pose.png")).size == (128, 64)

    async def test_a_named_net_must_follow_what_is_asked_for(self, app: App) -> None:
        (cat,) = await upload(app, "chelsea.jpg")
        with pytest.raises(InputError, match=r"mine-pose follows pose, not canny\. Use control=pose, or no model\."):
            await run(app, "controlnet_image", image=cat, prompt="x", control="canny", model="mine-pose")


class TestWhatIsMissing:
    """Without any of the models: what a user reads."""

    @pytest.fixture
    async def bare(self, tmp_path: Path) -> AsyncIterator[App]:
        async with scripted_app(tmp_path, []) as app:
            yield app

    @pytest.fixture
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("engines.readiness.missing_packages", lambda entry: [])

    @pytest.mark.usefixtures("installed")
    async def test_weights(self, bare: App) -> None:
        (cat,) = await upload(bare, "chelsea.jpg")
        pull = "Run: sensorium models pull"
        with pytest.raises(
            MissingWeightsError, match=rf"sdxl-turbo is not on this disk\. {pull} sdxl-turbo \(6\.9 GB\)"
        ):
            await run(bare, "generate_image", prompt="x", model="sdxl-turbo")
        for mode, model in {"instruct": "instruct-pix2pix", "inpaint": "sd-inpainting"}.items():
            with pytest.raises(MissingWeightsError, match=rf"{model} is not on this disk\. {pull} {model} \("):
                await run(bare, "edit_image", image=cat, instruction="x", mode=mode, mask=cat)
        with pytest.raises(
            MissingWeightsError, match=rf"sdxl-turbo-edit works on the files of sdxl-turbo.*{pull} sdxl-turbo"
        ):
            await run(bare, "edit_image", image=cat, instruction="x", mode="restyle")
        both = r"controlnet-depth and sd-1.5, which it works with, are not on this disk\."
        with pytest.raises(MissingWeightsError, match=rf"{both} {pull} controlnet-depth sd-1.5 \(3\.5 GB\)"):
            await run(bare, "controlnet_image", image=cat, prompt="x", control="depth")

    async def test_the_extra(self, bare: App, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("engines.readiness.missing_packages", lambda entry: ["diffusers", "torch"])
        (cat,) = await upload(bare, "chelsea.jpg")
        said = r"needs packages that are not installed: diffusers, torch\. Run: pip install 'sensorium\[diffusion\]'"
        with pytest.raises(MissingExtraError, match=f"instruct-pix2pix {said}"):
            await run(bare, "edit_image", image=cat, instruction="make it winter")
        with pytest.raises(MissingExtraError, match=f"controlnet-canny {said}"):
            await run(bare, "controlnet_image", image=cat, prompt="x", control="canny")

    async def test_a_folder_of_the_users_that_holds_no_model(self, tmp_path: Path, folders: dict[str, Path]) -> None:
        write_script(tmp_path, [])
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes.txt").touch()
        with (tmp_path / "catalog.toml").open("a", encoding="utf-8") as catalog:
            catalog.write(ENTRIES.format(**folders | {"sd": tmp_path / "mine"}))
        async with open_app() as app:
            with pytest.raises(MissingWeightsError, match=r"mine has no model_index.json\. Name the folder"):
                await run(app, "generate_image", prompt="x", model="mine")


@pytest.mark.parametrize(
    ("instruction", "ready", "given", "mode"),
    [
        ("make it winter", (), {}, "instruct"),
        ("make it winter", ("sdxl-turbo-edit",), {}, "restyle"),
        ("make it winter", ("sdxl-turbo-edit", "instruct-pix2pix"), {}, "instruct"),
        ("make it winter", ("sd-inpainting",), {}, "instruct"),
        ("make it winter", (), {"has_mask": True}, "inpaint"),
        ("upscale", (), {}, "upscale"),
        ("Please enlarge this photo", (), {}, "upscale"),
        ("make the picture larger", (), {}, "upscale"),
        ("increase the resolution", (), {}, "upscale"),
        ("make the dog larger", (), {}, "instruct"),
        ("Enlarge it 4 times", (), {}, "upscale"),
        ("double its size", (), {}, "upscale"),
        ("make this image larger, please", (), {}, "upscale"),
        ("enlarge the dog's ears", (), {}, "instruct"),
        ("increase the size of the cat", (), {}, "instruct"),
        ("make the image highly saturated", (), {}, "instruct"),
        ("make it high contrast", (), {}, "instruct"),
        ("add a large tree", (), {}, "instruct"),
        ("upscale", (), {"model": "sd-turbo-edit"}, "restyle"),
        ("upscale", (), {"model": "instruct-pix2pix"}, "instruct"),
    ],
)
def test_a_mode_is_chosen_by_what_is_given_said_and_there(
    monkeypatch: pytest.MonkeyPatch, instruction: str, ready: tuple[str, ...], given: dict[str, Any], mode: str
) -> None:
    shelf = Shelf(Catalog.load(), None, {})  # type: ignore[arg-type] # readiness is what the test says
    monkeypatch.setattr(
        Shelf, "readiness", lambda self, entry: Readiness("ready" if entry.id in ready else "needs weights")
    )
    assert chosen_mode(shelf, instruction, **({"has_mask": False, "model": None} | given)) == mode
