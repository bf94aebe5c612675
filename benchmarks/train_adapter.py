"""Train the adapter with which the embedded chat model writes plans as lines (`graphs.plan_lines`).

    python -m benchmarks.train_adapter --models ~/.local/share/sensorium/models [--out FILE] [--epochs 3 | --minutes 2]

Needs the extras `transformers` and `diffusion` (for PyTorch and `peft`) and the development tools (for `gguf`). From
the model's GGUF file to the adapter's in one process, about a minute an epoch on a large GPU. The last tenth of every
file of requests is held out and only looked at to say how good the adapter is. No row of any evaluation set is read. A
try, on any processor: ``--layers 2 --steps 3 --tokens 512 --limit 2 --out /tmp/try.gguf``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import click
import torch
from torch.nn import functional

from benchmarks.planner.gguf_weights import Gguf, network_of
from benchmarks.planner.line_rows import Turn, Turns, turns_of
from benchmarks.planner.lora import in_bfloat16, with_lora, write
from benchmarks.planner.rows import REQUESTS, load, split

SHIPPED = Path("engines/data/planner/adapter.gguf")
MOST_TOKENS = 140
"""Of a plan that is decoded."""
_WARM_UP = 20
_SHOWN_EVERY = 25


@dataclass(frozen=True)
class Training:
    """The options of the command."""

    models: Path
    model: str
    requests: Path
    out: Path
    epochs: int
    minutes: float | None
    steps: int | None
    layers: int | None
    rank: int
    rate: float
    tokens: int
    limit: int | None
    seed: int
    device: str

    @property
    def gguf(self) -> Path:
        found = sorted((self.models / self.model).glob("*.gguf"))
        if len(found) != 1:
            raise click.UsageError(f"{self.models / self.model} should hold one .gguf file, and holds {len(found)}.")
        return found[0]


class Schedule:
    """Which share of the rate a step gets: it rises for the first steps, then falls in a line to 0 at the end."""

    def __init__(self, steps: int, minutes: float | None) -> None:
        """``minutes``: the end is a time, not a number of steps."""
        self._steps, self._seconds = steps, 60 * minutes if minutes else None
        self._warm_up = _WARM_UP if minutes else max(1, min(_WARM_UP, steps // 10))
        self._began = time.monotonic()

    def share(self, step: int) -> float:
        """0 when it is over."""
        done = (time.monotonic() - self._began) / self._seconds if self._seconds else step / self._steps
        return min(1.0, (step + 1) / self._warm_up) * max(0.0, 1 - done)


def batches(turns: Sequence[Turn], tokens: int, rng: random.Random) -> list[list[Turn]]:
    """Of like length, in random order, each of at most ``tokens`` with its padding, or of one turn."""
    made, some, longest = list[list[Turn]](), list[Turn](), 0
    for turn in sorted(turns, key=lambda turn: turn.length + rng.random() * 12):
        longest = max(longest, turn.length)
        if some and longest * (len(some) + 1) > tokens:
            made.append(some)
            some, longest = [], turn.length
        some.append(turn)
    if some:
        made.append(some)
    rng.shuffle(made)
    return made


def batches_of(data: Turns, given: Training) -> Iterator[list[Turn]]:
    """Epoch after epoch, as many as there are; with ``--minutes`` or ``--steps`` from the first again after them."""
    again = given.minutes is not None or given.steps is not None
    epochs = cycle(data.epochs) if again else iter(data.epochs)
    for number, epoch in enumerate(epochs):
        yield from batches(epoch, given.tokens, random.Random(1000 * given.seed + number))  # noqa: S311 # not a secret


def loss_of(network: Any, batch: Sequence[Turn]) -> torch.Tensor:
    """The mean loss over the tokens of the plans; what was asked is read, not learned.

    Padding is on the right, where nothing that comes before it sees it.
    """
    places = -(-max(turn.length for turn in batch) // 8) * 8
    ids = torch.zeros((len(batch), places), dtype=torch.long)
    gold = torch.full((len(batch), places), -100)
    for index, turn in enumerate(batch):
        begin = len(turn.prompt)
        ids[index, : turn.length] = torch.tensor(turn.prompt + turn.plan)
        gold[index, begin : turn.length] = torch.tensor(turn.plan)
    wanted = gold[:, 1:]
    states = network.model(input_ids=ids.to(network.device)).last_hidden_state[:, :-1]
    is_plan = (wanted != -100).to(network.device)
    return functional.cross_entropy(network.lm_head(states[is_plan]).float(), wanted[wanted != -100].to(network.device))


@torch.inference_mode()
def decoded(network: Any, prompts: Sequence[Sequence[int]], end: int) -> list[list[int]]:
    """Greedily, 128 at once, without ``end``. Padding is on the left, and masked."""
    made = [list[int]() for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
    for at in range(0, len(order), 128):
        some = order[at : at + 128]
        places = len(prompts[some[0]])
        ids = torch.tensor([[0] * (places - len(prompts[index])) + list(prompts[index]) for index in some])
        mask = torch.tensor([[int(place >= places - len(prompts[index])) for place in range(places)] for index in some])
        out = network.generate(
            input_ids=ids.to(network.device),
            attention_mask=mask.to(network.device),
            max_new_tokens=MOST_TOKENS,
            do_sample=False,
            eos_token_id=end,
        )
        for index, tokens in zip(some, out[:, places:].tolist(), strict=True):
            made[index] = tokens[: tokens.index(end)] if end in tokens else tokens
    return made


@click.command()
@click.option("--models", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--model", default="qwen2.5-coder-1.5b", show_default=True, help="Its folder there.")
@click.option("--requests", type=click.Path(path_type=Path, exists=True), default=REQUESTS, help="Other worked ones.")
@click.option("--out", type=click.Path(path_type=Path), default=SHIPPED, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=3, show_default=True, help="Each with noise of its own.")
@click.option("--minutes", type=float, help="Train for so long, over the epochs again and again.")
@click.option("--steps", type=click.IntRange(1), help="Train for so many steps instead.")
@click.option("--layers", type=click.IntRange(1), help="Only the lowest layers, for a try.")
@click.option("--rank", type=int, default=8, show_default=True)
@click.option("--rate", type=float, default=5e-4, show_default=True)
@click.option("--tokens", type=int, default=8192, show_default=True, help="Of a step, with padding.")
@click.option("--limit", type=click.IntRange(1), help="Decode only so many of the requests held out.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
def main(**options: Any) -> None:
    """Train the adapter, write it, and say how good it is."""
    given = Training(**options)
    if (given.layers or given.steps) and given.out == SHIPPED:
        raise click.UsageError("A try would overwrite the adapter that is shipped: give it a file of its own, --out.")
    if given.minutes and given.steps:
        raise click.UsageError("Either --minutes or --steps says when to stop.")
    train(given)


def train(given: Training) -> None:
    torch.manual_seed(given.seed)
    torch.backends.cuda.enable_cudnn_sdp(False)  # it prepares anew for every shape of batch
    file = Gguf(given.gguf)
    learn, held = split(list(load(given.requests)))
    data = turns_of(file, learn, held, epochs=given.epochs, seed=given.seed)
    click.echo(f"{len(data.epochs[0])} rows an epoch, {len(data.held)} held out, {len(data.tokens)} tokens, {given}")
    tuned = with_lora(network_of(file, data.tokens, layers=given.layers).to(given.device), given.rank)
    network = tuned.get_base_model()
    with in_bfloat16(tuned):
        _learn(network, data, given)
    write(tuned, given.out)
    click.echo(f"written: {given.out}, {given.out.stat().st_size / 1e6:.1f} MB")
    began = time.monotonic()
    checked = _every(data.held, given.limit)
    with in_bfloat16(tuned):
        right = evaluate(network, checked, data.end)
    click.echo(f"held out right {100 * right:.1f} % of {len(checked)}, {time.monotonic() - began:.0f} s")


def _every(turns: Sequence[Turn], limit: int | None) -> Sequence[Turn]:
    """As many as ``limit``, from all over: the files hold requests of different kinds."""
    return turns if limit is None else turns[:: max(1, len(turns) // limit)][:limit]


def _learn(network: Any, data: Turns, given: Training) -> None:
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=given.rate, weight_decay=0.0, betas=(0.9, 0.98))
    steps = given.steps
    if steps is None and given.minutes is None:
        steps = sum(1 for _ in batches_of(data, given))
    schedule = Schedule(steps or 0, given.minutes)
    click.echo(
        f"{sum(weight.numel() for weight in weights) / 1e6:.1f} million weights, {steps or 'any number of'} steps"
    )
    began, losses = time.monotonic(), list[torch.Tensor]()
    network.train()
    for step, batch in enumerate(islice(batches_of(data, given), steps)):
        share = schedule.share(step)
        if share == 0:
            break
        loss = loss_of(network, batch)
        for group in optimizer.param_groups:
            group["lr"] = given.rate * share
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # PyTorch has no types here
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(loss.detach())
        if (step + 1) % _SHOWN_EVERY == 0 or step + 1 in (1, steps):
            mean = torch.stack(losses[-_SHOWN_EVERY:]).mean().item()
            click.echo(f"step {step + 1}: loss {mean:.3f}, {time.monotonic() - began:.0f} s")
    network.eval()


def evaluate(network: Any, held: Sequence[Turn], end: int) -> float:
    """The share of turns whose plan is decoded exactly."""
    made = decoded(network, [turn.prompt for turn in held], end)
    right = [plan == turn.plan[:-1] for plan, turn in zip(made, held, strict=True)]
    return sum(right) / max(1, len(right))


if __name__ == "__main__":
    main()
