"""Networks for action recognition with random weights, in the folders that transformers reads."""

from __future__ import annotations

import json
from pathlib import Path

ACTIONS = ("waving hand", "clapping", "abseiling")


def build_videomae(folder: Path) -> Path:
    """16 frames of 32 px."""
    import torch
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    torch.manual_seed(0)
    config = VideoMAEConfig(
        image_size=32,
        patch_size=8,
        num_frames=16,
        tubelet_size=2,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        decoder_hidden_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
        id2label=dict(enumerate(ACTIONS)),
        label2id={name: index for index, name in enumerate(ACTIONS)},
    )
    VideoMAEForVideoClassification(config).save_pretrained(folder)
    _pictures(folder)
    return folder


def build_timesformer(folder: Path) -> Path:
    """8 frames of 32 px."""
    import torch
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    torch.manual_seed(0)
    config = TimesformerConfig(
        image_size=32,
        patch_size=8,
        num_frames=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label=dict(enumerate(ACTIONS)),
        label2id={name: index for index, name in enumerate(ACTIONS)},
    )
    TimesformerForVideoClassification(config).save_pretrained(folder)
    _pictures(folder)
    return folder


def build_xclip(folder: Path) -> Path:
    """8 frames of 32 px, and CLIP's kind of tokenizer over single letters."""
    import torch
    from transformers import CLIPTokenizer, XCLIPConfig, XCLIPModel, XCLIPTextConfig, XCLIPVisionConfig

    torch.manual_seed(0)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77).save_pretrained(folder)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text = XCLIPTextConfig(vocab_size=len(tokens), bos_token_id=0, eos_token_id=1, **small)
    vision = XCLIPVisionConfig(
        image_size=32,
        patch_size=8,
        num_frames=8,
        mit_hidden_size=16,
        mit_intermediate_size=16,
        mit_num_hidden_layers=1,
        mit_num_attention_heads=2,
        **small,
    )
    config = XCLIPConfig(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        projection_dim=16,
        prompt_layers=1,
        prompt_num_attention_heads=2,
    )
    XCLIPModel(config).save_pretrained(folder)
    _pictures(folder)
    return folder


def _pictures(folder: Path) -> None:
    """As the published models have it."""
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "VideoMAEImageProcessor",
                "feature_extractor_type": "VideoMAEFeatureExtractor",
                "size": {"shortest_edge": 32},
                "crop_size": {"height": 32, "width": 32},
                "do_center_crop": True,
                "do_normalize": True,
                "do_rescale": True,
                "do_resize": True,
                "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225],
                "resample": 2,
                "rescale_factor": 1 / 255,
            }
        )
    )
