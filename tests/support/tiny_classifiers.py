"""Classifiers of texts and sounds small enough to be made in a test: real architectures with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

WORDS = ("good", "bad", "happy", "sad", "the", "film", "was", "i", "am", "very", "today", "not", ".", "!")


def roberta(folder: Path, labels: Sequence[str], *, several: bool = False, seed: int = 0) -> Path:
    """As SamLowe/roberta-base-go_emotions: a classifier on RoBERTa, with its tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

    pieces = {piece: index for index, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *WORDS])}
    made = Tokenizer(models.WordLevel(pieces, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        model_max_length=40,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(seed)
    config = RobertaConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=42, pad_token_id=1, initializer_range=0.5,
        id2label=dict(enumerate(labels)), label2id={label: index for index, label in enumerate(labels)},
        problem_type="multi_label_classification" if several else None,
    )  # fmt: skip
    RobertaForSequenceClassification(config).eval().save_pretrained(folder)
    return folder


def wav2vec2(folder: Path, labels: Sequence[str]) -> Path:
    """As superb/wav2vec2-base-superb-er: a classifier of sounds at 16 kHz, with its feature extractor."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    Wav2Vec2FeatureExtractor(sampling_rate=16_000, do_normalize=True).save_pretrained(folder)
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, conv_dim=(16, 16),
        conv_kernel=(10, 8), conv_stride=(20, 16), num_feat_extract_layers=2, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4, classifier_proj_size=16, id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )  # fmt: skip
    Wav2Vec2ForSequenceClassification(config).eval().save_pretrained(folder)
    return folder


def without_head(folder: Path, out: Path) -> Path:
    """The same model, but with the weights of its classifier under another name, as some published models have them."""
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, out)
    weights = load_file(out / "model.safetensors")
    save_file(
        {name.replace("classifier", "head_of_ours"): value for name, value in weights.items()},
        out / "model.safetensors",
        metadata={"format": "pt"},
    )
    return out
