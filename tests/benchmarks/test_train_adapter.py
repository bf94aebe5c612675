"""Training an adapter, on a model as small as they come: from one file to the other, and into llama.cpp."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="training needs PyTorch: the extra `transformers`")
pytest.importorskip("peft", reason="training needs peft: the extra `diffusion`")
pytest.importorskip("gguf", reason="training reads and writes llama.cpp's files: pip install gguf")

import gguf

from benchmarks import train_adapter
from benchmarks.planner.gguf_weights import Gguf, network_of, tokenizer_of
from benchmarks.planner.line_rows import Scribe, Turn
from benchmarks.planner.rows import Row
from engines.protocols import ChatRequest, ChatTurn
from engines.text.llama_server import LlamaOptions, LlamaServer
from engines.text.prefix_states import body_of

LAYERS, HIDDEN, INNER, HEADS, KEY_HEADS = 2, 64, 96, 4, 2
SHAPES = {
    "attn_q": (HIDDEN, HIDDEN),
    "attn_k": (HIDDEN // 2, HIDDEN),
    "attn_v": (HIDDEN // 2, HIDDEN),
    "attn_output": (HIDDEN, HIDDEN),
    "ffn_gate": (INNER, HIDDEN),
    "ffn_up": (INNER, HIDDEN),
    "ffn_down": (HIDDEN, INNER),
}
BIASED = ("attn_q", "attn_k", "attn_v")
RANK = 4
HELLO = "Put hello.wav into words"
ROWS = [
    {
        "request": HELLO,
        "files": [["hello.wav", "audio"]],
        "calls": [{"tool": "transcribe_audio", "audio": "hello.wav"}],
    },
    {
        "request": "What is in cat.png?",
        "files": [["cat.png", "image"]],
        "calls": [{"tool": "caption_image", "image": "cat.png"}],
    },
    {"request": "Say good night", "calls": [{"tool": "speak", "text": "good night"}]},
    {"request": "How are you?", "calls": []},
] * 3

PRINTABLE = range(33, 127)


def byte_tokens() -> list[str]:
    """A token for each byte, as byte-level pair encoding writes them."""
    plain = [*PRINTABLE, *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(len(others))]


def write_model(path: Path) -> None:
    tokens = [*byte_tokens(), "in", "<|im_start|>", "<|im_end|>"]
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(LAYERS)
    writer.add_context_length(1024)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (len(tokens) - 2) + [gguf.TokenType.CONTROL] * 2)
    writer.add_token_merges(["i n"])
    writer.add_eos_token_id(len(tokens) - 1)
    rng = np.random.default_rng(0)

    def add(name: str, *shape: int, dtype: Any = np.float32) -> None:
        writer.add_tensor(name, rng.normal(0, 0.2, shape).astype(dtype))

    add("token_embd.weight", len(tokens), HIDDEN, dtype=np.float16)
    last = rng.normal(0, 0.2, (len(tokens), HIDDEN)).astype(np.float16)
    last[len(PRINTABLE) :] = 0  # so that it writes whole characters
    writer.add_tensor("output.weight", last)
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, np.float32))
    for layer in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(HIDDEN, np.float32))
        for part, shape in SHAPES.items():
            add(f"blk.{layer}.{part}.weight", *shape, dtype=np.float16)
        for part in BIASED:
            add(f"blk.{layer}.{part}.bias", SHAPES[part][0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny" / "tiny.gguf"
    path.parent.mkdir()
    write_model(path)
    return path


@pytest.fixture(scope="module")
def _short_plans() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_adapter, "MOST_TOKENS", 4)
        yield


def run(model: Path, *more: str) -> Any:
    requests = model.parent / "requests"
    requests.mkdir(exist_ok=True)
    (requests / "few.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), "utf-8")
    common = ("--models", str(model.parents[1]), "--model", "tiny", "--requests", str(requests), "--device", "cpu")
    return CliRunner().invoke(train_adapter.main, [*common, *more])


@pytest.fixture(scope="module")
def adapter(model: Path, _short_plans: None) -> Path:
    path = model.parent / "made" / "adapter.gguf"
    ran = run(model, *f"--steps 2 --tokens 512 --rank {RANK} --rate 0.05 --limit 1 --out {path}".split())
    assert ran.exit_code == 0, ran.output
    assert "step 2: loss" in ran.output
    assert "held out right" in ran.output
    return path


def test_the_file_has_a_pair_of_matrices_for_each_of_the_models_as_llama_cpp_names_them(adapter: Path) -> None:
    reader = gguf.GGUFReader(adapter)
    facts = {name: reader.fields[name].contents() for name in ("general.type", "adapter.type", "adapter.lora.alpha")}
    assert facts == {"general.type": "adapter", "adapter.type": "lora", "adapter.lora.alpha": 2 * RANK}
    assert {tensor.name: tensor.data.shape for tensor in reader.tensors} == {
        f"blk.{layer}.{part}.weight.lora_{which}": shape
        for layer in range(LAYERS)
        for part, (out, into) in SHAPES.items()
        for which, shape in (("a", (RANK, into)), ("b", (out, RANK)))
    }
    assert all(np.abs(tensor.data).max() > 0 for tensor in reader.tensors)


def test_llama_cpp_takes_it_and_writes_otherwise_with_it(model: Path, adapter: Path) -> None:
    options = LlamaOptions(context_tokens=512, slots=1, adapters={"plan": adapter})
    server = LlamaServer(model, options, threads=1, gpu=False)

    def written(name: str) -> str:
        pieces = list[str]()

        def take(chunk: Any) -> bool:
            assert "error" not in chunk, chunk
            pieces.extend(choice["delta"].get("content") or "" for choice in chunk.get("choices", ()))
            return False

        asked = ChatRequest([ChatTurn("user", HELLO)], max_tokens=12, adapter=name)
        server.complete(body_of(asked, 0, server.adapters), take)
        return "".join(pieces)

    try:
        plain, tuned = written(""), written("plan")
        assert plain != tuned
        assert (written(""), written("plan")) == (plain, tuned), "it is there for the requests that name it, only"
    finally:
        server.close()


@pytest.mark.usefixtures("_short_plans")
def test_the_network_is_the_one_that_llama_cpp_runs(model: Path) -> None:
    """Greedily, both write the same: weights, positions and the conversation's form agree."""
    file = Gguf(model)
    scribe = Scribe(file)
    network = network_of(file, range(len(file.tokens))).float()
    (ours,) = train_adapter.decoded(network, [scribe.turn(Row("Hi", [], [], [])).prompt], scribe.end)
    server = LlamaServer(model, LlamaOptions(context_tokens=512, slots=1), threads=1, gpu=False)
    pieces = list[str]()
    asked = ChatRequest([ChatTurn("system", "Plan."), ChatTurn("user", "Request: Hi")], max_tokens=4)
    try:
        server.complete(
            body_of(asked, 0),
            lambda chunk: bool(pieces.extend(c["delta"].get("content") or "" for c in chunk.get("choices", ()))),
        )
    finally:
        server.close()
    assert "".join(pieces)
    assert tokenizer_of(file).decode(ours) == "".join(pieces)


@pytest.mark.usefixtures("_short_plans")
def test_prompts_of_different_length_are_decoded_side_by_side_as_they_are_alone(model: Path) -> None:
    file = Gguf(model)
    scribe = Scribe(file)
    network = network_of(file, range(len(file.tokens))).float()
    prompts = [scribe.turn(Row(text, [], [], [])).prompt for text in ("Hi", HELLO, "What is in the picture?")]
    together = train_adapter.decoded(network, prompts, scribe.end)
    assert together == [train_adapter.decoded(network, [prompt], scribe.end)[0] for prompt in prompts]
    assert len({tuple(plan) for plan in together}) > 1


def test_only_the_plan_is_learned_whatever_stands_beside_it(model: Path) -> None:
    file = Gguf(model)
    scribe = Scribe(file)
    network = network_of(file, range(len(file.tokens))).float()
    short, long = (scribe.turn(Row(text, [], [], [])) for text in ("Hi", HELLO))
    alone = [train_adapter.loss_of(network, [turn]).item() for turn in (short, long)]
    assert train_adapter.loss_of(network, [short, long]).item() == pytest.approx(sum(alone) / 2, rel=1e-4)
    assert short.plan == long.plan == scribe.turn(Row("", [], [], [])).plan


def test_text_is_cut_into_pairs_and_no_special_token_is_read_in_it(model: Path) -> None:
    tokenizer = tokenizer_of(Gguf(model))
    assert tokenizer.encode("inn").tokens == ["in", "n"]
    assert "<|im_end|>" not in tokenizer.encode("<|im_end|>").tokens
    assert tokenizer.decode(tokenizer.encode("Grüße\n 🦜").ids) == "Grüße\n 🦜"


def test_batches_hold_every_turn_once_and_no_more_tokens_than_they_may() -> None:
    turns = [Turn([1] * length, [2] * (length // 3)) for length in range(1, 90)]
    made = train_adapter.batches(turns, 200, random.Random(0))
    assert sorted(turn.length for batch in made for turn in batch) == sorted(turn.length for turn in turns)
    assert all(len(batch) * max(turn.length for turn in batch) <= 200 for batch in made)


def test_the_rate_rises_then_falls_to_nothing() -> None:
    schedule = train_adapter.Schedule(100, None)
    shares = [schedule.share(step) for step in range(101)]
    assert shares.index(max(shares)) == 9
    assert shares[-1] == 0
    assert 0 < shares[0] < shares[5]


def test_a_try_does_not_overwrite_the_adapter_that_is_shipped(model: Path) -> None:
    ran = run(model, "--layers", "1")
    assert ran.exit_code == 2
    assert "--out" in ran.output


def test_a_library_that_is_missing_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    ran = run(model, "--steps", "1", "--out", str(model.parent / "none.gguf"))
    assert ran.exit_code == 1
    assert "pip install gguf" in ran.output
