"""Measure the engines that see what is in pictures, on pages drawn here and on pictures and truths of one's own.

    python benchmarks/seeing.py ocr [--model rapidocr]
    python benchmarks/seeing.py detection --truth FOLDER [--model nanodet-416] [--threshold 0.4]
    python benchmarks/seeing.py classification --truth FOLDER [--model efficientnet-lite0]

Text: character and word error rate (jiwer) of pages drawn in several fonts, sizes and turns. Detection: precision,
recall and F1 at an overlap of one half (greedy matching, best score first, as in PASCAL VOC), and average precision
over all points; the folder holds pictures, and beside each a `.json`: [{"label", "left", "top", "right", "bottom"}].
Classification: top-1 and top-5 accuracy; the folder holds a folder of pictures for each class, named as the class is.
CPU-seconds are of all threads together. Needs the extra evals.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from agent.settings import load_settings
from engines.catalog import Catalog
from engines.devices import pick_device
from engines.image.read import read_image
from engines.loading import LoadContext, engine_class
from engines.protocols import Box
from engines.weights import WeightStore

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from pages import LEFT, RIGHT, columns_page, lines_page, turned

FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Oblique", "STIXGeneral")
SIZES = (10, 12, 16, 24, 40)
TURNS = (0, 3, 90, 180)
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


def load(model: str) -> Any:
    """The engine, loaded as the product loads it."""
    settings = load_settings()
    entry = Catalog.load(settings.home / "catalog.toml").get(model)
    folder = WeightStore(settings.models_dir).require(entry) if entry.has_weights else Path()
    device = pick_device("auto") if entry.device else "cpu"
    return engine_class(entry)(LoadContext(entry, folder, device=device))  # type: ignore[call-arg]  # Engine has no __init__


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((box.right - box.left) * (box.bottom - box.top) for box in (one, other))
    return shared / (areas - shared) if areas > shared else 0.0


def matched(found: Sequence[Box], true: Sequence[Box]) -> list[bool]:
    """Whether each found box, best first, is one of the true ones that none before it took."""
    left = list(true)
    hits = []
    for box in found:
        fitting = [other for other in left if other.label == box.label and overlap(box, other) >= 0.5]
        if fitting:
            left.remove(max(fitting, key=lambda other: overlap(box, other)))
        hits.append(bool(fitting))
    return hits


def average_precision(hits: Sequence[tuple[float, bool]], true: int) -> float:
    """Area under precision over recall, all points. ``hits`` are scores and whether they were right."""
    found = right = 0
    curve = []
    for _, hit in sorted(hits, key=lambda each: -each[0]):
        found, right = found + 1, right + hit
        curve.append((right / true, right / found))
    area, before = 0.0, 0.0
    for index, (recall, _) in enumerate(curve):
        if recall > before:
            area += (recall - before) * max(precision for _, precision in curve[index:])
            before = recall
    return area


def measure_ocr(model: str) -> Iterator[dict[str, Any]]:
    import jiwer

    engine = load(model)
    said = " ".join(line for line in LEFT if line)
    both = " ".join(line for line in (*LEFT, *RIGHT) if line)
    cases = [(f"{name} {size} px", lines_page(LEFT, name=name, size=size), said) for name in FONTS for size in SIZES]
    cases += [(f"columns turned by {degrees}", turned(columns_page(), degrees), both) for degrees in TURNS]
    for name, page, truth in cases:
        start = time.process_time()
        read = engine.read(page)
        cost = time.process_time() - start
        text = " ".join(read.text.split())
        if name.startswith("columns"):
            text = text.partition("Almanac ")[2].partition(" Coffee")[0]
        yield {
            "case": name,
            "cer": round(jiwer.cer(truth, text), 4),
            "wer": round(jiwer.wer(truth, text), 4),
            "cpu_seconds": round(cost, 2),
        }


def measure_detection(model: str, truth: Path, threshold: float) -> Iterator[dict[str, Any]]:
    engine = load(model)
    hits: dict[str, list[tuple[float, bool]]] = {}
    counts: dict[str, int] = {}
    above = right = 0
    cost = 0.0
    pictures = [path for path in sorted(truth.iterdir()) if path.suffix.lower() in PICTURES]
    for path in pictures:
        rows = json.loads(path.with_suffix(".json").read_text("utf-8"))
        true = [Box(row["label"], 1.0, row["left"], row["top"], row["right"], row["bottom"]) for row in rows]
        for box in true:
            counts[box.label] = counts.get(box.label, 0) + 1
        start = time.process_time()
        found = engine.detect(read_image(path), threshold=0.05)
        cost += time.process_time() - start
        for box, hit in zip(found, matched(found, true), strict=True):
            hits.setdefault(box.label, []).append((box.score, hit))
            above += box.score >= threshold
            right += hit and box.score >= threshold
    total = sum(counts.values())
    precision, recall = right / max(1, above), right / max(1, total)
    yield {
        "pictures": len(pictures),
        "objects": total,
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "f1": round(2 * precision * recall / max(1e-9, precision + recall), 3),
        "map50": round(sum(average_precision(hits.get(k, []), n) for k, n in counts.items()) / max(1, len(counts)), 3),
        "cpu_seconds_a_picture": round(cost / max(1, len(pictures)), 3),
    }


def measure_classification(model: str, truth: Path) -> Iterator[dict[str, Any]]:
    engine = load(model)
    first = five = count = 0
    cost = 0.0
    for path in sorted(truth.glob("*/*")):
        if path.suffix.lower() not in PICTURES:
            continue
        image: Image.Image = read_image(path)
        start = time.process_time()
        best = [each.label for each in engine.classify(image, top=5)]
        cost += time.process_time() - start
        count, first, five = count + 1, first + (best[0] == path.parent.name), five + (path.parent.name in best)
    yield {
        "pictures": count,
        "top1": round(first / max(1, count), 3),
        "top5": round(five / max(1, count), 3),
        "cpu_seconds_a_picture": round(cost / max(1, count), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the engines that see what is in pictures.")
    parser.add_argument("what", choices=("ocr", "detection", "classification"))
    parser.add_argument("--model", default="")
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--threshold", type=float, default=0.4)
    args = parser.parse_args()
    if args.what != "ocr" and args.truth is None:
        parser.error("name the folder with pictures and what is true of them: --truth FOLDER")
    if args.what == "ocr":
        rows = measure_ocr(args.model or "rapidocr")
    elif args.what == "detection":
        rows = measure_detection(args.model or "nanodet-416", args.truth, args.threshold)
    else:
        rows = measure_classification(args.model or "efficientnet-lite0", args.truth)
    for row in rows:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
