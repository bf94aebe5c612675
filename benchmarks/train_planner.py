"""Train the planner's parser on the worked requests in `benchmarks/planner/requests`.

    python -m benchmarks.train_planner --models ~/.local/share/sensorium/models [--epochs 40] [--out FOLDER]

Needs the extra `transformers` (for PyTorch) and the development tools (for `onnx`). The last tenth of every file of
requests is held out and only looked at to say how good the parser is. No row of any evaluation set is read. On a GPU if
there is one; with ``--rows``, ``--joins 0``, ``--no-noise`` parts are left out, to see what each is worth.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.planner.augment import augmented
from benchmarks.planner.network import PointerNetwork, load_minilm
from benchmarks.planner.rows import SLOTS, Example, Row, UnfitRowError, example, load, split
from engines.protocols.parsing import Item, Options, Symbol, Word
from engines.text.pointer_parser import Places, lay_out
from graphs.actions import ENDING, TOOL

MAX_REFERENCES = 8


def fixed_symbols() -> list[str]:
    tools = sorted(slot for slot in SLOTS if slot.startswith("use "))
    values = [
        f"={value}" for value in ("canny", "scribble", "depth", "pose", "face", "hands", "mask", "all", "srt", "vtt")
    ]
    return ["end", "omit", *tools, *(f"${n}" for n in range(1, MAX_REFERENCES + 1)), *values]


SYMBOLS = fixed_symbols()
KINDS = [TOOL, ENDING, *sorted(slot for slot in SLOTS if not slot.startswith("use "))]
_SYMBOL = {name: index for index, name in enumerate(SYMBOLS)}
_KIND = {name: index for index, name in enumerate(KINDS)}


@dataclass
class Sequenced:
    """An example in numbers. ``gold``: a symbol's number, or ``len(SYMBOLS) + place``."""

    ids: list[int]
    slots: list[int]
    gold: list[int]
    allowed: list[list[int]]


def sequenced(made: Example, tokenizer: Tokenizer) -> Sequenced | None:
    """None: the request is so long that a text in it can't be pointed at."""
    laid = lay_out(tokenizer, made.reading.words, made.reading.items)
    numbers = [_number(gold, laid) for _, gold in made.steps]
    if any(number is None for number in numbers) or len(numbers) > 90:
        return None
    allowed = [_allowed(options, laid) for options, _ in made.steps]
    if any(gold not in some for gold, some in zip(numbers, allowed, strict=True)):
        return None
    return Sequenced(laid.ids, [_KIND[options.slot] for options, _ in made.steps], numbers, allowed)  # type: ignore[arg-type] # none is None any more


def _number(symbol: Symbol, laid: Places) -> int | None:
    match symbol:
        case Word(index):
            place = laid.words[index]
        case Item(index):
            place = laid.items[index]
        case _:
            return _SYMBOL[symbol]
    return None if place is None else len(SYMBOLS) + place


def _allowed(options: Options, laid: Places) -> list[int]:
    numbers = [_number(symbol, laid) for symbol in options.symbols if not isinstance(symbol, str) or symbol in _SYMBOL]
    if options.words_from is not None:
        numbers += [_number(Word(index), laid) for index in range(options.words_from, len(laid.words))]
    return [number for number in numbers if number is not None]


def batches(rows: Sequence[Sequenced], size: int, rng: random.Random) -> list[list[Sequenced]]:
    """Of like length, in random order. Of few different shapes: kernels are made anew for each."""
    buckets: dict[tuple[int, int], list[Sequenced]] = {}
    for row in rng.sample(rows, len(rows)):
        buckets.setdefault((_rounded(len(row.ids), 16), _rounded(len(row.gold), 16)), []).append(row)
    made = [
        some[at : at + count]
        for (places, _), some in buckets.items()
        for count in (size if places <= 64 else size // 2 if places <= 128 else size // 4,)
        for at in range(0, len(some), count)
    ]
    rng.shuffle(made)
    return made


def _rounded(length: int, step: int) -> int:
    return -(-length // step) * step


def tensors(batch: Sequence[Sequenced]) -> dict[str, torch.Tensor]:
    count = len(batch)
    places = _rounded(max(len(row.ids) for row in batch), 16)
    turns = _rounded(max(len(row.gold) for row in batch), 16)
    ids = torch.zeros((count, places), dtype=torch.long)
    gold = torch.full((count, turns), -100)
    slots = torch.zeros((count, turns), dtype=torch.long)
    before = torch.full((count, turns), len(SYMBOLS))
    blocked = torch.ones((count, turns, len(SYMBOLS) + places), dtype=torch.bool)
    blocked[:, :, 0] = False  # so that padding is no row of infinities
    for index, row in enumerate(batch):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        steps = len(row.gold)
        gold[index, :steps] = torch.tensor(row.gold)
        slots[index, :steps] = torch.tensor(row.slots)
        given = [value + 1 if value >= len(SYMBOLS) else value for value in row.gold[:-1]]
        before[index, 1:steps] = torch.tensor(given, dtype=torch.long)
        for turn, some in enumerate(row.allowed):
            blocked[index, turn, 0] = True
            blocked[index, turn, some] = False
    return {"ids": ids, "gold": gold, "slots": slots, "before": before, "blocked": blocked}


def loss_of(network: PointerNetwork, data: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, and which plans of the batch are right in every decision (each decided after right ones)."""
    is_there = data["ids"] != 0
    with torch.autocast(data["ids"].device.type, torch.bfloat16):  # several times as fast where the processor has it
        memory = network.encode(data["ids"], is_there)
        decided = network.decide(memory, is_there, data["before"], data["slots"])
    logits = decided.float().masked_fill(data["blocked"], -1e9)
    loss = functional.cross_entropy(logits.transpose(1, 2), data["gold"], ignore_index=-100, reduction="sum")
    return loss / len(logits), ((logits.argmax(2) == data["gold"]) | (data["gold"] == -100)).all(1)


@dataclass(frozen=True)
class Training:
    """The options of the command."""

    models: Path
    out: Path
    epochs: int
    distinct: int
    frozen: int
    joins: float
    batch: int
    rate: float
    average: float
    noise: bool
    rows: tuple[str, ...]
    all_rows: bool
    begin: Path | None
    seed: int
    workers: int
    device: str

    def tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(self.models / "minilm-l6-v2" / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    def parts(self) -> tuple[list[Row], list[Row]]:
        """Rows to learn from, and rows held out. What is held out is the same whichever files are learnt from."""
        rows = list(load())
        learn, held = split([(where, row) for where, row in rows if not self.rows or where.split(".")[0] in self.rows])
        return (learn + held, held) if self.all_rows else (learn, split(rows)[1])


def epoch_of(given: Training, number: int) -> list[dict[str, torch.Tensor]]:
    """Batches of the rows as `augmented` makes them."""
    torch.set_num_threads(1)
    rng = random.Random(1000 * given.seed + number)  # noqa: S311 # not a secret
    tokenizer = given.tokenizer()
    rows, _ = given.parts()
    made = augmented(rows, rng, joins=given.joins, noise=given.noise)
    numbered = [numbers for numbers in (_numbered(row, tokenizer) for row in made) if numbers]
    return [tensors(batch) for batch in batches(numbered, given.batch, rng)]


def epochs_of(given: Training) -> Iterator[list[dict[str, torch.Tensor]]]:
    """One epoch after the other, made ahead in other processes and put on the device. After ``distinct`` of them they
    come again, in another order of batches.
    """
    numbers = range(min(given.distinct, given.epochs))
    kept = list[list[dict[str, torch.Tensor]]]()
    with ProcessPoolExecutor(given.workers) as pool:
        for made in pool.map(epoch_of, [given] * len(numbers), numbers):
            kept.append([{name: part.to(given.device) for name, part in batch.items()} for batch in made])
            yield kept[-1]
    rng = random.Random(given.seed)  # noqa: S311 # not a secret
    for again in islice(cycle(kept), given.epochs - len(kept)):
        yield rng.sample(again, len(again))


def evaluate(network: PointerNetwork, held: Sequence[dict[str, torch.Tensor]]) -> float:
    network.eval()
    with torch.inference_mode():
        right = torch.cat([loss_of(network, batch)[1] for batch in held])
    network.train()
    return right.float().mean().item()


@click.command()
@click.option("--models", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("engines/data/planner"), show_default=True)
@click.option("--epochs", type=int, default=40, show_default=True)
@click.option("--distinct", type=int, default=20, show_default=True, help="Epochs with noise and joins of their own.")
@click.option("--frozen", type=int, default=2, show_default=True, help="Layers of the encoder that stay as they are.")
@click.option("--joins", type=float, default=0.5, show_default=True, help="Joined rows for each written one.")
@click.option("--batch", type=int, default=32, show_default=True)
@click.option("--rate", type=float, default=1.2e-4, show_default=True)
@click.option("--average", type=float, default=0.998, show_default=True, help="Decay of the weights' moving average.")
@click.option("--noise/--no-noise", default=True, show_default=True)
@click.option("--rows", multiple=True, help="Learn only from the file of this name; may be repeated.")
@click.option("--all-rows", is_flag=True, help="Hold nothing out: for the parser that is shipped.")
@click.option("--begin", type=click.Path(path_type=Path, exists=True), help="Go on from the weights in this folder.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=int, default=2, show_default=True, help="Processes that make epochs ahead.")
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
def main(**given: Any) -> None:
    """Train the parser and write its weights, after every epoch anew."""
    train(Training(**given))


def train(given: Training) -> None:
    torch.manual_seed(given.seed)
    tokenizer = given.tokenizer()
    learn, held = given.parts()
    network = PointerNetwork(tokenizer.get_vocab_size(), len(SYMBOLS), len(KINDS))
    load_minilm(network, given.models / "minilm-l6-v2" / "model.onnx")
    if given.begin:
        begin_with(network, given.begin)
    network.to(given.device)
    averaging = get_ema_multi_avg_fn(given.average)  # type: ignore[no-untyped-call] # PyTorch has no types here
    averaged: Any = AveragedModel(network, multi_avg_fn=averaging)
    numbered = [row for row in (_numbered(row, tokenizer) for row in held) if row]
    checked = [
        {name: part.to(given.device) for name, part in tensors(batch).items()}
        for batch in batches(numbered, 64, random.Random(0))  # noqa: S311 # not a secret
    ]
    click.echo(f"{len(learn)} rows to learn from, {len(numbered)} held out, {given}")
    steps: tuple[Any, Any] | None = None
    for number, made in enumerate(epochs_of(given), 1):
        steps = steps or _optimizer(network, given, given.epochs * len(made))
        began, cpu = time.time(), time.process_time()
        loss = _epoch(network, averaged, made, *steps)
        right = evaluate(averaged.module, checked)
        click.echo(
            f"epoch {number}: loss {loss:.3f}, held out right {100 * right:.1f} %, "
            f"{time.time() - began:.0f} s, {time.process_time() - cpu:.0f} CPU-s"
        )
        write(averaged.module, given.out)


def _epoch(
    network: PointerNetwork, averaged: Any, made: Sequence[dict[str, torch.Tensor]], optimizer: Any, scheduler: Any
) -> float:
    """One pass over the batches; gives the mean loss."""
    losses = list[torch.Tensor]()
    for batch in made:
        loss, _ = loss_of(network, batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # PyTorch has no types here
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        averaged.update_parameters(network)
        losses.append(loss.detach())
    return torch.stack(losses).mean().item()


def _optimizer(network: PointerNetwork, given: Training, steps: int) -> tuple[Any, Any]:
    """What MiniLM knows is changed slowly, and its lowest layers not at all; the rest learns from nothing."""
    for part in (network.pieces, network.positions, network.norm, *network.encoder[: given.frozen]):
        part.requires_grad_(False)
    tuned = [weight for layer in network.encoder[given.frozen :] for weight in layer.parameters()]
    known = {id(weight) for weight in tuned}
    fresh = [weight for weight in network.parameters() if weight.requires_grad and id(weight) not in known]
    rates = [given.rate, given.rate * 5]
    groups = [{"params": some, "lr": rate} for some, rate in zip((tuned, fresh), rates, strict=True)]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    # Epochs differ in noise, and so may have a few steps more.
    total = steps + 8 * given.epochs
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=total, pct_start=0.1, cycle_momentum=False
    )


def _numbered(row: Row, tokenizer: Tokenizer) -> Sequenced | None:
    """None for a row that says what the plan's language can't."""
    try:
        return sequenced(example(row), tokenizer)
    except UnfitRowError:
        return None


def begin_with(network: PointerNetwork, folder: Path) -> None:
    """Weights that `write` wrote; the rest stays as it is."""
    with np.load(folder / "parser.npz", allow_pickle=False) as stored:
        for name, value in network.state_dict().items():
            if f"{name}/q" in stored:
                value.copy_(torch.from_numpy(stored[f"{name}/q"].astype(np.float32) * stored[f"{name}/scale"]))
            elif name in stored:
                value.copy_(torch.from_numpy(stored[name].astype(np.float32)))


def write(network: PointerNetwork, folder: Path) -> None:
    """Matrices as int8 with a scale for each output, the rest as float16; word pieces stay MiniLM's own."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {}
    for name, value in network.state_dict().items():
        if name == "pieces.weight":
            continue
        array = value.cpu().numpy().astype(np.float32)
        if array.ndim == 2 and min(array.shape) >= 32:
            scale = np.maximum(np.abs(array).max(axis=1, keepdims=True) / 127, 1e-8)
            arrays[f"{name}/q"] = np.round(array / scale).astype(np.int8)
            arrays[f"{name}/scale"] = scale.astype(np.float32)
        else:
            arrays[name] = array.astype(np.float16)
    np.savez_compressed(folder / "parser.npz", **arrays)
    (folder / "symbols.json").write_text(json.dumps({"symbols": SYMBOLS, "slots": KINDS}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
