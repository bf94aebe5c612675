"""Stable Diffusion, driven end to end through diffusers on tiny random weights in the real layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from engines.catalog import ModelEntry
from engines.errors import EngineError, InputError, MissingWeightsError
from engines.image.read import read_image
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken

pytest.importorskip("torch", reason="needs the extra diffusion")
pytest.importorskip("diffusers", reason="needs the extra diffusion")

import tiny_diffusion as tiny

from engines.image.diffusion import StableDiffusion
from engines.image.diffusion_control import StableDiffusionControlNet
from engines.image.diffusion_edit import StableDiffusionEditor, steps_for
from engines.image.diffusion_pipe import variant_in

MEDIA = Path(__file__).parents[1] / "media"

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "sd": tiny.tiny_sd,
    "sdxl": tiny.tiny_sdxl,
    "inpaint": tiny.tiny_inpaint,
    "instruct": tiny.tiny_instruct,
    "controlnet": tiny.tiny_controlnet,
    "blanks": lambda folder: tiny.tiny_sd(folder, checked=True),
    "checked": lambda folder: tiny.tiny_sd(folder, checked=False),
    "fp16": lambda folder: tiny.tiny_sd(folder, variant="fp16"),
}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``models(kind)`` is a folder with a model of that kind; each is made once."""
    root = tmp_path_factory.mktemp("tiny-diffusion")

    def folder(kind: str) -> Path:
        place = root / kind
        return place if place.is_dir() else BUILDERS[kind](place)

    return folder


def context(folder: Path, capability: str = "image-generation", **options: Any) -> LoadContext:
    options.setdefault("steps", 3)
    entry = ModelEntry(
        id="tiny", title="Tiny", capability=capability, engine="tests:Tiny", licence="MIT", options=options
    )
    return LoadContext(entry, folder)


def control(folder: Path, base: Path, **options: Any) -> LoadContext:
    options = {"steps": 2, "control": "canny"} | options
    entry = ModelEntry(
        id="tiny-net", title="Tiny", capability="controlled-image-generation", engine="tests:Tiny", licence="MIT",
        options=options, weights_of=("tiny",),
    )  # fmt: skip
    return LoadContext(entry, folder, folders={"tiny": base})


@pytest.fixture(scope="module")
def painter(models: Callable[[str], Path]) -> StableDiffusion:
    return StableDiffusion(context(models("sd")))


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return read_image(MEDIA / "chelsea.jpg")


def centre_mask(size: tuple[int, int] = (100, 100)) -> Image.Image:
    mask = Image.new("L", size)
    width, height = size
    ImageDraw.Draw(mask).rectangle((width * 0.4, height * 0.4, width * 0.6, height * 0.6), fill=255)
    return mask


class TestGeneration:
    @pytest.mark.parametrize("kind", ["sd", "sdxl"])
    def test_a_seed_gives_the_same_picture_again_and_another_seed_another(
        self, models: Callable[[str], Path], kind: str
    ) -> None:
        engine = StableDiffusion(context(models(kind)))
        first, again, other = (engine.generate("a red kite", seed=seed) for seed in (7, 7, 8))
        assert first.image.tobytes() == again.image.tobytes() != other.image.tobytes()
        assert first.image.size == (tiny.NATIVE_PX, tiny.NATIVE_PX)
        assert (first.seed, first.steps, first.kind, first.svg, first.note) == (7, 3, "diffusion", None, "")
        engine.close()

    def test_the_prompt_and_what_should_not_be_in_it_change_the_picture(self, painter: StableDiffusion) -> None:
        plain = painter.generate("a red kite", seed=1).image.tobytes()
        assert painter.generate("a blue fish", seed=1).image.tobytes() != plain
        assert painter.generate("a red kite", negative="clouds", seed=1).image.tobytes() != plain
        assert painter.generate("a red kite", seed=1, guidance=1.5).image.tobytes() != plain

    def test_a_model_without_guidance_says_that_it_ignores_the_negative_prompt(
        self, models: Callable[[str], Path]
    ) -> None:
        turbo = StableDiffusion(context(models("sd"), steps=1, guidance=0.0))
        made = turbo.generate("a red kite", negative="clouds", seed=1)
        assert made.steps == 1
        assert "took no notice of the negative prompt" in made.note
        assert made.image.tobytes() == turbo.generate("a red kite", seed=1).image.tobytes()

    @pytest.mark.parametrize("kind", ["sd", "sdxl"])
    def test_each_step_is_reported_and_shown(self, models: Callable[[str], Path], kind: str) -> None:
        engine = StableDiffusion(context(models(kind)))
        heard: list[tuple[float | None, str]] = []
        shown: list[Image.Image] = []
        engine.generate(
            "x", seed=1, steps=4, width=128, on_progress=lambda *said: heard.append(said), on_preview=shown.append
        )
        assert [message for _, message in heard] == [
            "reading the prompt", "step 1 of 4", "step 2 of 4", "step 3 of 4", "making the picture of it",
        ]  # fmt: skip
        assert [fraction for fraction, _ in heard] == sorted(fraction or 0 for fraction, _ in heard)
        assert [preview.size for preview in shown] == [(16, 8)] * 4
        assert len({preview.tobytes() for preview in shown}) == 4

    @pytest.mark.parametrize("kind", ["sd", "sdxl"])
    @pytest.mark.parametrize("when", ["before", "at once", "in a step"])
    def test_it_stops_when_nobody_waits_any_more_and_works_again(
        self, models: Callable[[str], Path], kind: str, when: str
    ) -> None:
        engine = StableDiffusion(context(models(kind)))
        whole = engine.generate("x", seed=1).image.tobytes()
        cancel, steps = CancelToken(), []

        def on_progress(fraction: float | None, message: str) -> None:
            steps.append(message)
            if (when, message) in {("at once", "reading the prompt"), ("in a step", "step 2 of 3")}:
                cancel.set()

        if when == "before":
            cancel.set()
        with pytest.raises(Cancelled):
            engine.generate("x", seed=1, on_progress=on_progress, cancel=cancel)
        assert len(steps) == {"before": 0, "at once": 1, "in a step": 3}[when]
        assert engine.generate("x", seed=1).image.tobytes() == whole

    def test_it_stops_in_the_middle_of_a_step(self, painter: StableDiffusion) -> None:
        """A step of a large model takes half a minute on a CPU."""
        cancel, layers = CancelToken(), []
        unet = painter._pipe.pipe.unet
        first, last = unet.conv_in, unet.conv_out

        def entered(*_: object) -> None:
            layers.append("first")
            cancel.set()

        hooks = [
            first.register_forward_pre_hook(entered),
            last.register_forward_hook(lambda *_: layers.append("last")),
        ]
        try:
            with pytest.raises(Cancelled):
                painter.generate("x", seed=1, cancel=cancel)
        finally:
            for hook in hooks:
                hook.remove()
        assert layers == ["first"]

    def test_nothing_stays_behind_on_the_layers(self, painter: StableDiffusion) -> None:
        painter.generate("x", seed=1)
        assert not any(layer._forward_pre_hooks for layer in painter._pipe.pipe.unet.modules())

    def test_sizes_are_rounded_to_what_the_model_makes(self, painter: StableDiffusion) -> None:
        made = painter.generate("x", seed=1, width=93, height=101)
        assert made.image.size == (96, 104)
        assert made.note == "93 x 101 px was asked for; the model makes 96 x 104 px."

    @pytest.mark.parametrize(("width", "height"), [(4096, 4096), (136, 128), (8000, 64)])
    def test_too_large_a_picture_is_refused_with_what_is_possible(
        self, painter: StableDiffusion, width: int, height: int
    ) -> None:
        with pytest.raises(InputError, match=r"at most 128 x 128 px.*edit_image \(mode upscale\)"):
            painter.generate("x", seed=1, width=width, height=height)

    @pytest.mark.parametrize("size", [1, 63])
    def test_too_small_a_picture_is_refused(self, painter: StableDiffusion, size: int) -> None:
        with pytest.raises(InputError, match="too small"):
            painter.generate("x", seed=1, width=size)

    @pytest.mark.parametrize("prompt", ["", "  \n"])
    def test_an_empty_prompt_is_refused(self, painter: StableDiffusion, prompt: str) -> None:
        with pytest.raises(InputError, match="no prompt"):
            painter.generate(prompt, seed=1)

    @pytest.mark.parametrize("prompt", ["🦊 狐", "é" * 30, "a\x00b", "<|endoftext|>"])
    def test_any_characters_are_taken(self, painter: StableDiffusion, prompt: str) -> None:
        assert painter.generate(prompt, seed=1, steps=1).image.mode == "RGB"

    def test_what_of_a_long_prompt_was_left_out_is_said(
        self, painter: StableDiffusion, capfd: pytest.CaptureFixture[str]
    ) -> None:
        made = painter.generate("a kite " * 20 + "in the rain", seed=1, steps=1)
        assert made.note.startswith("The prompt was too long for the model; this was left out: ")
        assert made.note.endswith("in the rain.")
        said = capfd.readouterr()
        assert "kite" not in said.out + said.err  # prompts are nobody else's business

    def test_a_safety_checker_is_used_and_hides_the_way_there_too(self, models: Callable[[str], Path]) -> None:
        shown: list[Image.Image] = []
        blank = StableDiffusion(context(models("blanks"))).generate("x", seed=1, on_preview=shown.append)
        assert blank.image.getextrema() == ((0, 0),) * 3
        assert "safety checker blanked the picture" in blank.note
        assert not shown
        fine = StableDiffusion(context(models("checked"))).generate("x", seed=1)
        assert fine.note == ""
        assert fine.image.getextrema() != ((0, 0),) * 3

    @pytest.mark.parametrize("scheduler", ["ddim", "dpm++", "dpm++-karras", "euler", "euler-a", "heun", "lcm", "unipc"])
    def test_schedulers_by_name(self, models: Callable[[str], Path], scheduler: str) -> None:
        made = StableDiffusion(context(models("sd"), scheduler=scheduler)).generate("x", seed=1)
        assert made.steps >= 3  # Heun looks twice at each but the last


class TestLoading:
    def test_a_folder_without_an_index_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MissingWeightsError, match=r"has no model_index.json. Name the folder that has"):
            StableDiffusion(context(tmp_path))

    def test_a_single_file_is_told_apart(self, tmp_path: Path) -> None:
        (tmp_path / "dream.safetensors").write_bytes(b"x")
        with pytest.raises(MissingWeightsError, match=r"dream.safetensors holds a whole model in one file"):
            StableDiffusion(context(tmp_path))

    def test_a_damaged_index(self, models: Callable[[str], Path], tmp_path: Path) -> None:
        folder = shutil.copytree(models("sd"), tmp_path / "sd")
        (folder / "model_index.json").write_text("{")
        with pytest.raises(MissingWeightsError, match="is damaged"):
            StableDiffusion(context(folder))

    @pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
    def test_a_part_without_weights(self, models: Callable[[str], Path], tmp_path: Path, part: str) -> None:
        folder = shutil.copytree(models("sd"), tmp_path / "sd")
        for weights in (folder / part).glob("*.safetensors"):
            weights.unlink()
        with pytest.raises(EngineError, match=f"tiny can't be loaded: .*{part}"):
            StableDiffusion(context(folder))

    def test_weights_that_could_run_code_are_not_read(self, models: Callable[[str], Path], tmp_path: Path) -> None:
        folder = shutil.copytree(models("sd"), tmp_path / "sd")
        weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
        weights.rename(weights.with_suffix(".bin"))
        with pytest.raises(EngineError, match="tiny can't be loaded"):
            StableDiffusion(context(folder))

    def test_a_variant_that_is_not_there_is_done_without(self, models: Callable[[str], Path]) -> None:
        made = StableDiffusion(context(models("sd"), variant="fp16")).generate("x", seed=1)
        assert made.image.size == (64, 64)

    def test_a_variant_that_is_all_there_is_is_found(self, models: Callable[[str], Path]) -> None:
        folder = models("fp16")
        assert variant_in(folder / "unet", "") == "fp16"
        plain = StableDiffusion(context(models("sd"))).generate("x", seed=1).image.tobytes()
        assert StableDiffusion(context(folder)).generate("x", seed=1).image.tobytes() == plain

    def test_shards_have_variants_too(self, tmp_path: Path) -> None:
        (tmp_path / "diffusion_pytorch_model.fp16-00001-of-00002.safetensors").touch()
        assert variant_in(tmp_path, "fp16") == variant_in(tmp_path, "") == "fp16"
        (tmp_path / "diffusion_pytorch_model-00001-of-00002.safetensors").touch()
        (tmp_path / "diffusion_pytorch_model.safetensors.index.json").touch()
        assert variant_in(tmp_path, "") is None
        assert variant_in(tmp_path, "bf16") is None

    def test_half_precision_and_offloading_where_there_is_nothing_to_offload_from(
        self, models: Callable[[str], Path]
    ) -> None:
        import torch

        engine = StableDiffusion(context(models("sdxl"), dtype="bfloat16", offload="model", steps=1))
        assert engine._pipe.pipe.unet.dtype == torch.bfloat16
        assert engine.generate("x", seed=1).image.size == (64, 64)
        assert engine._pipe.pipe.vae.dtype == torch.bfloat16

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"step": 3}, "step: Extra inputs"),
            ({"steps": 0}, "steps: Input should be greater"),
            ({"scheduler": "plms"}, "no scheduler is called 'plms'. Use one of: ddim"),
            ({"dtype": "int8"}, "dtype: Input should be 'auto'"),
        ],
    )
    def test_options_that_do_not_fit_are_named(
        self, models: Callable[[str], Path], options: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(InputError, match=said):
            StableDiffusion(context(models("sd"), **options))

    def test_a_load_can_be_given_up(self, models: Callable[[str], Path]) -> None:
        given_up = context(models("sd"))
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            StableDiffusion(LoadContext(given_up.entry, given_up.folder, cancel=cancel))


class TestEditing:
    @pytest.mark.parametrize("kind", ["sd", "sdxl"])
    def test_a_picture_is_restyled_in_its_proportions(
        self, models: Callable[[str], Path], photo: Image.Image, kind: str
    ) -> None:
        editor = StableDiffusionEditor(context(models(kind), "image-editing"))
        assert editor.modes == ("restyle", "inpaint")
        made = editor.edit(photo, "in oil", mode="restyle", seed=1)
        assert made.image.size == (80, 56)  # of 451 x 300 px, with about 64 x 64 px
        assert made.steps == 3
        again = editor.edit(photo, "in oil", mode="restyle", seed=1)
        assert made.image.tobytes() == again.image.tobytes()
        far = editor.edit(photo, "in oil", mode="restyle", seed=1, strength=1.0)
        assert far.image.tobytes() != made.image.tobytes()

    @pytest.mark.parametrize(("steps", "strength"), [(1, 0.3), (1, 1.0), (2, 0.5), (25, 0.6), (150, 0.05)])
    def test_as_many_steps_are_done_as_were_wanted(self, steps: int, strength: float) -> None:
        asked = steps_for(steps, strength)
        assert asked <= 1_000
        assert min(steps, 50) <= int(asked * strength) <= steps + 1

    @pytest.mark.parametrize("kind", ["inpaint", "sd", "sdxl"])
    def test_only_what_the_mask_shows_is_painted(
        self, models: Callable[[str], Path], photo: Image.Image, kind: str
    ) -> None:
        editor = StableDiffusionEditor(context(models(kind), "image-editing"))
        made = editor.edit(photo, "a hat", mode="inpaint", mask=centre_mask(), seed=1)
        assert made.image.size == photo.size
        assert made.image.getpixel((photo.width // 2, photo.height // 2)) != photo.getpixel(
            (photo.width // 2, photo.height // 2)
        )
        outside = (0, 0, photo.width, int(photo.height * 0.39))
        assert made.image.crop(outside).tobytes() == photo.crop(outside).tobytes()

    def test_a_model_that_was_trained_to_inpaint_does_that_only(
        self, models: Callable[[str], Path], photo: Image.Image
    ) -> None:
        editor = StableDiffusionEditor(context(models("inpaint"), "image-editing"))
        assert editor.modes == ("inpaint",)
        with pytest.raises(InputError, match=r"tiny can't restyle\. It can: inpaint"):
            editor.edit(photo, "x", mode="restyle", seed=1)

    def test_an_entry_that_promises_what_the_model_can_not_is_refused(self, models: Callable[[str], Path]) -> None:
        with pytest.raises(EngineError, match=r"can't instruct. Correct the entry's options: modes = \['restyle'"):
            StableDiffusionEditor(context(models("sd"), "image-editing", modes=["instruct"]))

    def test_a_mask_is_needed_and_must_show_something(self, models: Callable[[str], Path], photo: Image.Image) -> None:
        editor = StableDiffusionEditor(context(models("inpaint"), "image-editing"))
        with pytest.raises(InputError, match="There is no mask"):
            editor.edit(photo, "x", mode="inpaint", seed=1)
        with pytest.raises(InputError, match="black everywhere"):
            editor.edit(photo, "x", mode="inpaint", mask=Image.new("L", photo.size), seed=1)

    def test_an_instruction_is_followed_as_far_as_its_strength(
        self, models: Callable[[str], Path], photo: Image.Image
    ) -> None:
        editor = StableDiffusionEditor(context(models("instruct"), "image-editing"))
        assert editor.modes == ("instruct",)
        weak, strong = (
            editor.edit(photo, "make it winter", mode="instruct", seed=1, strength=strength) for strength in (0.1, 1.0)
        )
        assert weak.image.size == strong.image.size == (80, 56)
        assert weak.image.tobytes() != strong.image.tobytes()

    @pytest.mark.parametrize("mode", ["restyle", "inpaint"])
    def test_a_cancelled_edit_leaves_the_editor_usable(
        self, models: Callable[[str], Path], photo: Image.Image, mode: Any
    ) -> None:
        editor = StableDiffusionEditor(context(models("sdxl"), "image-editing"))
        cancel = CancelToken()
        with pytest.raises(Cancelled):
            editor.edit(
                photo, "x", mode=mode, mask=centre_mask(), seed=1, cancel=cancel,
                on_progress=lambda fraction, message: cancel.set() if message.startswith("step 1") else None,
            )  # fmt: skip
        assert editor.edit(photo, "x", mode=mode, mask=centre_mask(), seed=1).steps == 3

    def test_a_strip_is_refused(self, models: Callable[[str], Path]) -> None:
        editor = StableDiffusionEditor(context(models("sd"), "image-editing"))
        with pytest.raises(InputError, match="a strip of 900 x 10 px"):
            editor.edit(Image.new("RGB", (900, 10)), "x", mode="restyle", seed=1)

    def test_one_pixel_is_a_picture(self, models: Callable[[str], Path]) -> None:
        editor = StableDiffusionEditor(context(models("sd"), "image-editing"))
        assert editor.edit(Image.new("RGB", (1, 1)), "x", mode="restyle", seed=1).image.size == (64, 64)


@pytest.fixture(scope="module")
def follower(models: Callable[[str], Path]) -> StableDiffusionControlNet:
    return StableDiffusionControlNet(control(models("controlnet"), models("sd")))


class TestControl:
    def test_the_map_changes_the_picture_as_far_as_its_strength(
        self, follower: StableDiffusionControlNet, photo: Image.Image
    ) -> None:
        assert follower.control == "canny"
        lines = Image.new("RGB", photo.size)
        ImageDraw.Draw(lines).ellipse((50, 50, 250, 250), outline="white", width=9)
        seen = follower.generate("a kite", lines, seed=1)
        assert seen.image.size == (80, 56)
        assert seen.image.tobytes() == follower.generate("a kite", lines, seed=1).image.tobytes()
        others = [
            follower.generate("a kite", Image.new("RGB", photo.size), seed=1),
            follower.generate("a kite", lines, seed=1, control_strength=0.2),
            follower.generate("a fish", lines, seed=1),
        ]
        assert seen.image.tobytes() not in [other.image.tobytes() for other in others]

    def test_it_stops_and_works_again(self, follower: StableDiffusionControlNet, photo: Image.Image) -> None:
        cancel = CancelToken()
        with pytest.raises(Cancelled):
            follower.generate("x", photo, seed=1, cancel=cancel, on_preview=lambda _: cancel.set())
        assert follower.generate("x", photo, seed=1).steps == 2

    def test_a_net_for_another_kind_of_model_is_refused(self, models: Callable[[str], Path]) -> None:
        with pytest.raises(InputError, match="made for another kind of model than tiny: it reads prompts 16 wide"):
            StableDiffusionControlNet(control(models("controlnet"), models("sdxl")))

    def test_a_folder_without_a_net(self, models: Callable[[str], Path], tmp_path: Path) -> None:
        with pytest.raises(MissingWeightsError, match=r"has no config\.json"):
            StableDiffusionControlNet(control(tmp_path, models("sd")))

    def test_an_entry_must_say_what_it_follows_and_controls(self, models: Callable[[str], Path]) -> None:
        with pytest.raises(InputError, match="which map it follows and which model it controls"):
            StableDiffusionControlNet(context(models("controlnet")))
