"""Stable Diffusion in its real layout with tiny random weights: kilobytes instead of gigabytes, noise instead of art.

Pictures of 64 x 64 px, latents 8 times smaller, as those of the real models are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

NATIVE_PX = 64

_WIDE = 16
_TRAINED: dict[str, Any] = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000, "steps_offset": 1,
}  # fmt: skip


def tiny_sd(folder: Path, *, checked: bool | None = None, variant: str | None = None) -> Path:
    """Stable Diffusion 1.x. ``checked``: with a safety checker, which blanks every picture (True) or none (False)."""
    torch.manual_seed(0)
    checker = None if checked is None else _checker(blanks=checked)
    StableDiffusionPipeline(
        **_sd_parts(folder),
        unet=_unet(4),
        safety_checker=checker,
        feature_extractor=None if checker is None else CLIPImageProcessor(size=32, crop_size=32),
        requires_safety_checker=checker is not None,
    ).save_pretrained(folder, variant=variant)
    return folder


def tiny_inpaint(folder: Path) -> Path:
    torch.manual_seed(0)
    StableDiffusionInpaintPipeline(
        **_sd_parts(folder),
        unet=_unet(9),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def tiny_instruct(folder: Path) -> Path:
    torch.manual_seed(0)
    StableDiffusionInstructPix2PixPipeline(
        **_sd_parts(folder),
        unet=_unet(8),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def tiny_sdxl(folder: Path) -> Path:
    """SDXL: two text encoders, sizes as conditions, a VAE that asks to be run in float32."""
    torch.manual_seed(0)
    StableDiffusionXLPipeline(
        vae=_vae(0.13025, force_upcast=True),
        text_encoder=CLIPTextModel(_text_config()),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer=_tokenizer(folder / "tokenizer"),
        tokenizer_2=_tokenizer(folder / "tokenizer_2"),
        unet=_unet(
            4,
            cross_attention_dim=2 * _WIDE,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + _WIDE,
            use_linear_projection=True,
        ),
        scheduler=EulerDiscreteScheduler(**_TRAINED, timestep_spacing="trailing"),
    ).save_pretrained(folder)
    return folder


def tiny_controlnet(folder: Path, *, wide: int = _WIDE) -> Path:
    """A ControlNet for `tiny_sd`. Its last layers are zero when it is fresh; here they are not, so that it does
    something.
    """
    torch.manual_seed(1)
    net = ControlNetModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=wide,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        conditioning_embedding_out_channels=(4, 8, 8, 8),
    )
    with torch.no_grad():
        for weights in net.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    net.save_pretrained(folder)
    return folder


def _sd_parts(folder: Path) -> dict[str, Any]:
    return {
        "vae": _vae(0.18215),
        "text_encoder": CLIPTextModel(_text_config()),
        "tokenizer": _tokenizer(folder / "tokenizer"),
        "scheduler": DDIMScheduler(**_TRAINED, clip_sample=False, set_alpha_to_one=False),
    }


def _unet(in_channels: int, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        **{
            "sample_size": NATIVE_PX // 8,
            "in_channels": in_channels,
            "out_channels": 4,
            "block_out_channels": (8, 16),
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "attention_head_dim": 2,
            "cross_attention_dim": _WIDE,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        }
        | more
    )


def _vae(scaling_factor: float, **more: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=4,
        sample_size=NATIVE_PX,
        scaling_factor=scaling_factor,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        **more,
    )


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=514, hidden_size=_WIDE, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=77, projection_dim=_WIDE, bos_token_id=512, eos_token_id=513, pad_token_id=513,
    )  # fmt: skip


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """A tokenizer that knows single bytes only, as CLIP's begins."""
    folder.mkdir(parents=True, exist_ok=True)
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


def _checker(*, blanks: bool) -> StableDiffusionSafetyChecker:
    config = CLIPConfig(
        text_config={"vocab_size": 514, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
                     "num_attention_heads": 2},
        vision_config={"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                       "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )  # fmt: skip
    checker = StableDiffusionSafetyChecker(config)
    with torch.no_grad():  # a concept is found where the likeness to it is above its weight
        checker.concept_embeds_weights.fill_(-2.0 if blanks else 2.0)
        checker.special_care_embeds_weights.fill_(2.0)
    return checker
