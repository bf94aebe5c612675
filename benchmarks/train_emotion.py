"""Make the head of `engines.text.emotion_head`, and say how good it is.

    python benchmarks/train_emotion.py                       # on the sentences in benchmarks/emotion, written for it
    python benchmarks/train_emotion.py --goemotions FOLDER   # on GoEmotions: train.tsv, dev.tsv and test.tsv
    python benchmarks/train_emotion.py --also FILE.tsv       # and measure it on other rows in GoEmotions' format

GoEmotions (Demszky et al., ACL 2020; CC BY 4.0) has three columns: text, comma-separated label numbers, id. Nothing is
written without ``--write``, which puts `head.npz` and `figures.json` into engines/data/emotion.

A linear layer with a sigmoid per label, on the embeddings of minilm-l6-v2: 28 labels and their 7 groups at once. Rare
labels weigh more (the square root of how rare they are). It stops when the dev split gets no better; thresholds are
chosen there too, one for each label with enough rows and one for all others. Every seed has its own start and, without
GoEmotions, its own split (64 % train, 16 % dev, 20 % test, by label). The mean of the seeds' heads is written.
"""

from __future__ import annotations

import argparse
import csv
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.settings import load_settings
from engines.catalog import Catalog
from engines.loading import LoadContext
from engines.text.embeddings import MiniLM
from engines.text.emotions import GOEMOTIONS, GROUPS
from engines.weights import WeightStore

Floats = NDArray[np.float32]

OWN = Path(__file__).parent / "emotion" / "sentences.txt"
NAMED = OWN.with_name("named.toml")
OUT = Path(__file__).parents[1] / "engines" / "data" / "emotion"
NAMES = (*GOEMOTIONS, *GROUPS)
LABELS = len(GOEMOTIONS)
_PATIENCE = 30
_ENOUGH = 30
"""A label with this many dev rows has a threshold of its own."""
_NEUTRAL_SHARE = 0.3
"""How much of what people write shows nothing: about the share in GoEmotions. The sentences written here have less."""

_NAMED_WEIGHT = 0.25
"""Of a sentence that names its emotion: they are many and alike."""


@dataclass
class Rows:
    """``x``: (n, 384). ``y``: (n, 35) of 0 and 1. ``weight``: (n,)."""

    x: Floats
    y: Floats
    weight: Floats

    def at(self, index: NDArray[np.intp]) -> Rows:
        return Rows(self.x[index], self.y[index], self.weight[index])


@dataclass
class Head:
    weights: Floats
    bias: Floats
    thresholds: Floats

    def probabilities(self, x: Floats) -> Floats:
        found: Floats = 1 / (1 + np.exp(-(x @ self.weights + self.bias)))
        return found

    def says(self, x: Floats) -> Floats:
        return (self.probabilities(x) >= self.thresholds).astype(np.float32)


def read_own(path: Path = OWN) -> tuple[list[str], list[set[str]]]:
    texts: list[str] = []
    labels: list[set[str]] = []
    label = ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            label = line[1:-1]
            if label not in GOEMOTIONS:
                raise SystemExit(f"{path.name}: {label} is no label.")
        elif line and not line.startswith("#"):
            texts.append(line)
            labels.append({label})
    return texts, labels


def read_named(path: Path = NAMED) -> tuple[list[str], list[set[str]]]:
    """Sentences that name the emotion outright."""
    data = tomllib.loads(path.read_text("utf-8"))
    made = [
        (frame.format(word=word), label)
        for label, words in data["words"].items()
        for word in words
        for frame in data["sentences"]
    ]
    return [text for text, _ in made], [{label} for _, label in made]


def read_tsv(path: Path) -> tuple[list[str], list[set[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if len(row) >= 2]
    return [row[0] for row in rows], [{GOEMOTIONS[int(number)] for number in row[1].split(",")} for row in rows]


def as_rows(embedder: MiniLM, texts: Sequence[str], labels: Sequence[set[str]], *, weigh: bool) -> Rows:
    y = np.zeros((len(texts), len(NAMES)), np.float32)
    for index, names in enumerate(labels):
        groups = {group for group, members in GROUPS.items() if names & set(members)}
        y[index] = [*(name in names for name in GOEMOTIONS), *(group in groups for group in GROUPS)]
    weight = np.ones(len(texts), np.float32)
    if weigh:
        neutral = y[:, GOEMOTIONS.index("neutral")] > 0
        weight[neutral] = _NEUTRAL_SHARE / (1 - _NEUTRAL_SHARE) * (~neutral).sum() / max(1, neutral.sum())
    return Rows(embedder.embed(texts), y, weight)


def joined(one: Rows, other: Rows) -> Rows:
    return Rows(
        np.concatenate([one.x, other.x]), np.concatenate([one.y, other.y]), np.concatenate([one.weight, other.weight])
    )


def split(rows: Rows, seed: int) -> tuple[Rows, Rows, Rows]:
    """Train, dev and test, with a like share of each label."""
    lots = np.random.default_rng(seed)
    label = rows.y[:, :LABELS].argmax(1)
    places = np.empty(len(label))
    for number in range(LABELS):
        mine = np.flatnonzero(label == number)
        places[lots.permutation(mine)] = (np.arange(len(mine)) + 0.5) / max(1, len(mine))
    parts = (places < 0.64, (places >= 0.64) & (places < 0.8), places >= 0.8)
    train, dev, test = (rows.at(np.flatnonzero(part)) for part in parts)
    return train, dev, test


def train(rows: Rows, dev: Rows, seed: int, *, rate: float = 0.05, decay: float = 1e-4) -> Head:
    """Adam on all rows at once; the state with the least loss on dev."""
    lots = np.random.default_rng(seed)
    share = (rows.y * rows.weight[:, None]).sum(0) / rows.weight.sum()
    rare = np.sqrt((1 - share) / np.maximum(share, 1e-4)).clip(1, 12)
    w = lots.normal(0, 0.1, (rows.x.shape[1], rows.y.shape[1]))
    b = np.log(np.maximum(share, 1e-4))
    state = [np.zeros_like(w), np.zeros_like(w), np.zeros_like(b), np.zeros_like(b)]
    best, kept, waited = np.inf, (w.copy(), b.copy()), 0
    for step in range(1, 3001):
        probability = 1 / (1 + np.exp(-(rows.x @ w + b)))
        error = (probability - rows.y) * np.where(rows.y > 0, rare, 1) * rows.weight[:, None] / rows.weight.sum()
        for value, slope, first, second in (
            (w, rows.x.T @ error + decay * w, state[0], state[1]),
            (b, error.sum(0), state[2], state[3]),
        ):
            first[:] = 0.9 * first + 0.1 * slope
            second[:] = 0.999 * second + 0.001 * slope**2
            np.subtract(
                value, rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8), out=value
            )
        loss = _loss(dev, w, b, rare)
        if loss < best - 1e-5:
            best, kept, waited = loss, (w.copy(), b.copy()), 0
        elif (waited := waited + 1) >= _PATIENCE:
            break
    head = Head(kept[0].astype(np.float32), kept[1].astype(np.float32), np.full(len(NAMES), 0.5, np.float32))
    head.thresholds = tune(head.probabilities(dev.x), dev)
    return head


def _loss(rows: Rows, w: NDArray[np.float64], b: NDArray[np.float64], rare: NDArray[np.float64]) -> float:
    probability = (1 / (1 + np.exp(-(rows.x @ w + b)))).clip(1e-6, 1 - 1e-6)
    each = -(rare * rows.y * np.log(probability) + (1 - rows.y) * np.log(1 - probability))
    return float((each * rows.weight[:, None]).sum() / rows.weight.sum())


def tune(probability: Floats, dev: Rows) -> Floats:
    """For each label the threshold with the best F1 on dev; labels with few rows share one."""
    grid = np.linspace(0.05, 0.95, 91)
    found = np.empty(len(NAMES), np.float32)
    for columns in (range(LABELS), range(LABELS, len(NAMES))):
        scores = np.array([[_f1(probability[:, c] >= t, dev.y[:, c], dev.weight) for c in columns] for t in grid])
        shared = grid[scores.mean(1).argmax()]
        for place, column in enumerate(columns):
            enough = dev.y[:, column].sum() >= _ENOUGH
            found[column] = grid[scores[:, place].argmax()] if enough else shared
    return found


def _f1(said: NDArray[np.bool_], true: Floats, weight: Floats) -> float:
    hits = float((weight * said * true).sum())
    wrong = float((weight * (said != (true > 0))).sum())
    return 2 * hits / (2 * hits + wrong) if hits else 0.0


def measure(head: Head, rows: Rows) -> dict[str, float]:
    """F1 of each label and group, and their macro means over those that occur."""
    said = head.says(rows.x) > 0
    scores = {
        ("" if c < LABELS else "group ") + name: _f1(said[:, c], rows.y[:, c], rows.weight)
        for c, name in enumerate(NAMES)
        if rows.y[:, c].sum()
    }
    likeliest = head.probabilities(rows.x)[:, LABELS:].argmax(1)
    right = rows.y[np.arange(len(rows.x)), LABELS + likeliest]
    plain = [value for name, value in scores.items() if not name.startswith("group ")]
    groups = [value for name, value in scores.items() if name.startswith("group ")]
    return {
        "macro-F1 of the labels": float(np.mean(plain)),
        "macro-F1 of the groups": float(np.mean(groups)),
        "likeliest group right": float((right * rows.weight).sum() / rows.weight.sum()),
        **scores,
    }


def summarised(figures: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over the seeds."""
    return {
        name: {
            "mean": round(float(np.mean([each.get(name, 0.0) for each in figures])), 3),
            "sd": round(float(np.std([each.get(name, 0.0) for each in figures])), 3),
        }
        for name in figures[0]
    }


def embedder() -> MiniLM:
    settings = load_settings()
    entry = Catalog.load().get("minilm-l6-v2")
    return MiniLM(LoadContext(entry, WeightStore(settings.models_dir).require(entry), threads=settings.threads))


def main() -> None:
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--goemotions", type=Path)
    ask.add_argument("--also", type=Path)
    ask.add_argument("--without-named", action="store_true", help="leave named.toml out, to see what it gives")
    ask.add_argument("--seeds", type=int, default=5)
    ask.add_argument("--write", action="store_true")
    given = ask.parse_args()
    engine = embedder()
    if given.goemotions:
        sets = [
            as_rows(engine, *read_tsv(given.goemotions / f"{name}.tsv"), weigh=False)
            for name in ("train", "dev", "test")
        ]
        splits = [(sets[0], sets[1], sets[2])] * given.seeds
    else:
        own = as_rows(engine, *read_own(), weigh=True)
        splits = [split(own, seed) for seed in range(given.seeds)]
        if not given.without_named:
            named = as_rows(engine, *read_named(), weigh=False)
            named.weight[:] = _NAMED_WEIGHT
            splits = [(joined(rows, named), dev, test) for rows, dev, test in splits]
    heads = [train(rows, dev, seed) for seed, (rows, dev, _) in enumerate(splits)]
    made = Head(
        *(np.mean([getattr(head, name) for head in heads], axis=0) for name in ("weights", "bias", "thresholds"))
    )
    report: dict[str, object] = {
        "trained on": "GoEmotions"
        if given.goemotions
        else f"{OWN.name}, {sum(len(part.x) for part in splits[0])} rows",
        "seeds": given.seeds,
        "test": summarised([measure(head, test) for head, (_, _, test) in zip(heads, splits, strict=True)]),
    }
    if given.also:
        other = as_rows(engine, *read_tsv(given.also), weigh=False)
        report["also"] = {
            "rows": len(other.x),
            "each seed": summarised([measure(head, other) for head in heads]),
            "as written": {name: round(value, 3) for name, value in measure(made, other).items()},
        }
    print(json.dumps(report, indent=1))
    if given.write:
        OUT.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            OUT / "head.npz",
            weights=made.weights.astype(np.float16),
            bias=made.bias.astype(np.float32),
            thresholds=made.thresholds.astype(np.float32),
            labels=np.array(GOEMOTIONS),
            groups=np.array(list(GROUPS)),
        )
        (OUT / "figures.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
