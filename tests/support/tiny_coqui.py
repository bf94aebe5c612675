"""Coqui models of random weights, as small as their configs let them be, in the layout of the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Whitespace

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def tiny_vits(folder: Path, speakers: tuple[str, ...] = (), language: str = "en-us") -> Path:
    """Reads letters, not phonemes, so that it needs no espeak-ng. 22,050 Hz."""
    from TTS.tts.configs.shared_configs import CharactersConfig
    from TTS.tts.configs.vits_config import VitsConfig
    from TTS.tts.models.vits import Vits, VitsArgs

    torch.manual_seed(0)
    args = VitsArgs(
        hidden_channels=16,
        hidden_channels_ffn_text_encoder=16,
        num_heads_text_encoder=2,
        num_layers_text_encoder=1,
        num_layers_flow=1,
        num_layers_posterior_encoder=1,
        upsample_initial_channel_decoder=32,
        init_discriminator=False,
        use_sdp=False,
        use_speaker_embedding=bool(speakers),
    )
    config = VitsConfig(
        model_args=args,
        use_phonemes=False,
        phoneme_language=language,
        text_cleaner="basic_cleaners",
        characters=CharactersConfig(
            characters_class="TTS.tts.models.vits.VitsCharacters",
            pad="_",
            eos="",
            bos="",
            blank="",
            characters=LETTERS,
            punctuations="!'(),-.:;? ",
            phonemes="",
        ),
        use_speaker_embedding=bool(speakers),
        speakers=list(speakers),
    )
    folder.mkdir(parents=True, exist_ok=True)
    model = Vits(config)
    config.save_json(str(folder / "config.json"))
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    return folder


def tiny_xtts(folder: Path, most_tokens: int = 10, speakers: tuple[str, ...] = ("Ana Test", "Ben Test")) -> Path:
    """A GPT of one layer. The vocoder and the speaker encoder have no sizes to choose: they are as large as ever."""
    from TTS.tts.configs.xtts_config import XttsArgs, XttsConfig
    from TTS.tts.models.xtts import Xtts

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    _vocabulary().save(str(folder / "vocab.json"))
    args = XttsArgs(
        gpt_layers=1,
        gpt_n_model_channels=64,
        gpt_n_heads=2,
        gpt_max_audio_tokens=most_tokens,
        gpt_max_text_tokens=402,
        gpt_num_audio_tokens=66,
        gpt_start_audio_token=64,
        gpt_stop_audio_token=65,
        gpt_use_perceiver_resampler=True,
        decoder_input_dim=64,
        tokenizer_file=str(folder / "vocab.json"),
    )
    config = XttsConfig(model_args=args, languages=["en", "es", "de", "zh-cn", "ja"])
    config.save_json(str(folder / "config.json"))
    model = Xtts(config)
    from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer

    model.tokenizer = VoiceBpeTokenizer(vocab_file=folder / "vocab.json")
    model.init_models()
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    voices = {
        name: {"gpt_cond_latent": torch.randn(1, 32, 64), "speaker_embedding": torch.randn(1, 512, 1)}
        for name in speakers
    }
    torch.save(voices, folder / "speakers_xtts.pth")
    return folder


def tiny_openvoice(folder: Path) -> Path:
    """Full size, for the library reads no sizes from its config; random weights."""
    from TTS.vc.configs.openvoice_config import OpenVoiceConfig
    from TTS.vc.models.openvoice import OpenVoice

    torch.manual_seed(0)
    place = folder / "converter"
    place.mkdir(parents=True, exist_ok=True)
    data = {"sampling_rate": 22_050, "filter_length": 1024, "hop_length": 256, "win_length": 1024}
    (place / "config.json").write_text(json.dumps({"data": data}), "utf-8")
    torch.save({"model": OpenVoice(OpenVoiceConfig()).state_dict()}, place / "checkpoint.pth")
    return folder


def _vocabulary() -> Tokenizer:
    signs = ["[STOP]", "[UNK]", "[SPACE]", "[START]", "[en]", "[es]", "[de]", "[zh-cn]", "[ja]", *LETTERS, *",.?!'"]
    tokenizer = Tokenizer(BPE(vocab={sign: number for number, sign in enumerate(signs)}, merges=[], unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens(signs[:9])
    return tokenizer
