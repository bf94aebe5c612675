"""Tiny models with random weights in the transformers format, saved as a hub's snapshot would be.

They see nothing, but every layer, processor and tokenizer of the real architecture runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

LABELS = {0: "person", 1: "aeroplane", 2: "cat", 3: "N/A"}
WORDS = ["a", "an", "the", "of", "in", "is", "what", "how", "many", "cat", "dog", "person", "red", "car", ".", ",", "?"]
EDGE = 64


def _save(folder: Path, *parts: Any) -> Path:
    for part in parts:
        part.save_pretrained(folder)
    return folder


def _seed() -> None:
    import torch

    torch.manual_seed(0)


def _resnet() -> Any:
    from transformers import RTDetrResNetConfig

    return RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 32, 64],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )


def _detr_sizes() -> dict[str, Any]:
    return {
        "encoder_in_channels": [16, 32, 64],
        "encoder_hidden_dim": 16,
        "encoder_ffn_dim": 16,
        "d_model": 16,
        "decoder_in_channels": [16, 16, 16],
        "decoder_ffn_dim": 16,
        "decoder_attention_heads": 2,
        "encoder_attention_heads": 2,
        "num_queries": 20,
        "num_denoising": 0,
        "id2label": LABELS,
    }


def _detr_processor() -> Any:
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

    return RTDetrImageProcessorPil(size={"height": EDGE, "width": EDGE})


def rt_detr(folder: Path) -> Path:
    from transformers import RTDetrConfig, RTDetrForObjectDetection

    _seed()
    model = RTDetrForObjectDetection(RTDetrConfig(backbone_config=_resnet(), decoder_layers=1, **_detr_sizes()))
    return _save(folder, model, _detr_processor())


def d_fine(folder: Path) -> Path:
    from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config

    _seed()
    backbone = HGNetV2Config(
        stem_channels=[3, 8, 8],
        hidden_sizes=[16, 16, 32, 64],
        depths=[1, 1, 1, 1],
        stage_in_channels=[8, 16, 16, 32],
        stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[16, 16, 32, 64],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1],
        out_features=["stage2", "stage3", "stage4"],
    )
    config = DFineConfig(backbone_config=backbone, decoder_layers=2, decoder_n_points=[3, 6, 3], **_detr_sizes())
    return _save(folder, DFineForObjectDetection(config), _detr_processor())


def word_tokenizer() -> Any:
    """A BERT tokenizer that knows a few words and every letter."""
    from transformers import BertTokenizer

    letters = [f"{mark}{chr(code)}" for mark in ("", "##") for code in range(97, 123)]
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
    vocab = {word: number for number, word in enumerate(dict.fromkeys([*specials, *WORDS, *letters]))}
    return BertTokenizer(vocab=vocab, model_max_length=64)


def owlv2(folder: Path) -> Path:
    from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection, Owlv2Processor
    from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

    _seed()
    tokenizer = byte_tokenizer(CLIPTokenizer)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Owlv2Config(
        text_config={**sizes, "vocab_size": len(tokenizer), "max_position_embeddings": 16},
        vision_config={**sizes, "image_size": EDGE, "patch_size": 16},
        projection_dim=16,
    )
    processor = Owlv2Processor(Owlv2ImageProcessorPil(size={"height": EDGE, "width": EDGE}), tokenizer)
    return _save(folder, Owlv2ForObjectDetection(config), processor)


def byte_tokenizer(kind: Any) -> Any:
    """A CLIP tokenizer of single letters."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return kind(vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=16)


def grounding_dino(folder: Path) -> Path:
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoProcessor,
        SwinConfig,
    )
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil

    _seed()
    tokenizer = word_tokenizer()
    backbone = SwinConfig(
        image_size=EDGE,
        patch_size=4,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=2,
        out_features=["stage2", "stage3", "stage4"],
    )
    text = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    config = GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        d_model=32,  # its group norms have 32 groups
        encoder_layers=1,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_layers=2,
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        num_queries=12,
        max_text_len=64,
    )
    processor = GroundingDinoProcessor(
        GroundingDinoImageProcessorPil(size={"shortest_edge": EDGE, "longest_edge": 2 * EDGE}), tokenizer
    )
    return _save(folder, GroundingDinoForObjectDetection(config), processor)


def vit(folder: Path) -> Path:
    from transformers import ViTConfig, ViTForImageClassification
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    _seed()
    config = ViTConfig(
        image_size=EDGE,
        patch_size=16,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label={0: "tabby, tabby cat", 1: "golden_retriever", 2: "espresso"},
    )
    processor = ViTImageProcessorPil(size={"height": EDGE, "width": EDGE})
    return _save(folder, ViTForImageClassification(config), processor)


def _blip_config() -> Any:
    from transformers import BlipConfig

    tokenizer = word_tokenizer()
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return BlipConfig(
        text_config={
            **sizes,
            "vocab_size": len(tokenizer),
            "encoder_hidden_size": 16,
            "max_position_embeddings": 64,
            "bos_token_id": tokenizer.convert_tokens_to_ids("[DEC]"),
            "eos_token_id": tokenizer.sep_token_id,
            "sep_token_id": tokenizer.sep_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={**sizes, "image_size": EDGE, "patch_size": 16},
        projection_dim=16,
        image_text_hidden_size=16,
    )


def _blip_processor() -> Any:
    from transformers import BlipProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    return BlipProcessor(BlipImageProcessorPil(size={"height": EDGE, "width": EDGE}), word_tokenizer())


def blip_captioning(folder: Path) -> Path:
    from transformers import BlipForConditionalGeneration

    _seed()
    return _save(folder, BlipForConditionalGeneration(_blip_config()), _blip_processor())


def blip_vqa(folder: Path) -> Path:
    from transformers import BlipForQuestionAnswering

    _seed()
    return _save(folder, BlipForQuestionAnswering(_blip_config()), _blip_processor())


def _byte_level(specials: list[str]) -> Any:
    """A fast tokenizer of single bytes, with special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in specials])
    return tokenizer


CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def llava(folder: Path) -> Path:
    """A chat model that sees and whose processor needs no torchvision."""
    from transformers import (
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    _seed()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_byte_level(["<image>", "<|im_start|>", "<|im_end|>", "<pad>"]),
        eos_token="<|im_end|>",
        pad_token="<pad>",
    )
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **sizes, "image_size": EDGE, "patch_size": 16},
        text_config={"model_type": "llama", **sizes, "vocab_size": len(tokenizer), "num_key_value_heads": 2},
        image_token_index=image_token,
        image_seq_length=(EDGE // 16) ** 2,
    )
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": EDGE}, crop_size={"height": EDGE, "width": EDGE}),
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE.replace("IMAGE", "<image>"),
        image_token="<image>",
        num_additional_image_tokens=1,
    )
    return _save(folder, LlavaForConditionalGeneration(config), processor)
