"""Bark with random weights, as small as its parts let it be, saved as the hub's snapshot is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

_SIZES: dict[str, Any] = {
    "block_size": 1024,
    "num_layers": 1,
    "num_heads": 2,
    "hidden_size": 16,
}


def tiny_bark(folder: Path, presets: tuple[str, ...] = ()) -> Path:
    """The three models, the codec, the tokenizer and voice presets. It makes at most a fifth of a second a sentence."""
    import torch
    from transformers import (
        BarkCoarseConfig,
        BarkConfig,
        BarkFineConfig,
        BarkModel,
        BarkProcessor,
        BarkSemanticConfig,
        BertTokenizer,
        EncodecConfig,
    )
    from transformers.models.bark.generation_configuration_bark import (
        BarkCoarseGenerationConfig,
        BarkFineGenerationConfig,
        BarkSemanticGenerationConfig,
    )

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    config = BarkConfig(
        semantic_config=BarkSemanticConfig(input_vocab_size=10_600, output_vocab_size=10_048, **_SIZES).to_dict(),
        coarse_acoustics_config=BarkCoarseConfig(input_vocab_size=12_096, output_vocab_size=12_096, **_SIZES).to_dict(),
        fine_acoustics_config=BarkFineConfig(
            input_vocab_size=1_056, output_vocab_size=1_056, n_codes_total=8, n_codes_given=1, **_SIZES
        ).to_dict(),
        codec_config=EncodecConfig(
            num_filters=4, hidden_size=16, codebook_dim=16, num_lstm_layers=1, target_bandwidths=[6.0]
        ).to_dict(),
    )
    model = BarkModel(config)
    for layer in model.codec_model.quantizer.layers:  # zeros as they come: every code would sound alike
        layer.codebook.embed.normal_()
    model.save_pretrained(folder)
    semantic = BarkSemanticGenerationConfig(
        max_new_tokens=10, do_sample=True, text_encoding_offset=10_048, text_pad_token=10_500,
        semantic_infer_token=10_501,
    )  # fmt: skip
    parts = {
        "semantic_config": semantic,
        "coarse_acoustics_config": BarkCoarseGenerationConfig(do_sample=True),
        "fine_acoustics_config": BarkFineGenerationConfig(temperature=0.5),
    }
    settings = {name: part.to_diff_dict() for name, part in parts.items()}
    settings |= {"codebook_size": 1_024, "sample_rate": 24_000, "model_type": "bark"}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "two", "three", "hello", "there", ".", ","]
    (folder / "vocab.txt").write_text("\n".join(words))
    BarkProcessor(BertTokenizer(str(folder / "vocab.txt"))).save_pretrained(folder)
    _save_presets(folder, presets)
    return folder


def _save_presets(folder: Path, presets: tuple[str, ...]) -> None:
    """Codes as a speaker of a second would leave them; the last preset of the index has no files."""
    lots = np.random.default_rng(0)
    index: dict[str, Any] = {"repo_or_path": "suno/tiny"}
    for preset in presets:
        arrays = {
            "semantic_prompt": lots.integers(0, 10_000, 50),
            "coarse_prompt": lots.integers(0, 1_024, (2, 75)),
            "fine_prompt": lots.integers(0, 1_024, (8, 75)),
        }
        index[preset] = {}
        for name, array in arrays.items():
            path = Path("speaker_embeddings", f"{preset}_{name}.npy")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            np.save(folder / path, array)
            index[preset][name] = str(path)
    if presets:
        index["v2/xx_speaker_9"] = {"semantic_prompt": "speaker_embeddings/gone.npy"}
        (folder / "speaker_embeddings_path.json").write_text(json.dumps(index))
