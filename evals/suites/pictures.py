"""Suites for engines that look at pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from engines.image.read import read_image
from engines.protocols import (
    Box,
    ImageClassification,
    ImageUpscaling,
    ObjectDetection,
    ObjectSegmentation,
    Point,
    TextRecognition,
)
from evals.suites.base import Suite, Task
from evals.suites.words import error_rates

THRESHOLD = 0.4
"""The detector's score from which a box counts for precision, recall and F1."""

_LOWEST = 0.05
"""The score from which boxes count for the mean average precision."""


async def detection(task: Task) -> dict[str, float]:
    """COCO's mean average precision at IoU .5 and .5:.95; F1 at IoU .5 and a fixed threshold (supervision)."""
    from supervision.metrics import F1Score, MeanAveragePrecision

    labels: list[str] = []
    predictions, sure, targets = [], [], []
    for item in task.items:
        picture = read_image(task.file(item, "image"))
        found: tuple[Box, ...] = await task.call("detect", picture, threshold=_LOWEST)
        rows = [_row(box.label, (box.left, box.top, box.right, box.bottom), box.score, labels) for box in found]
        predictions.append(_detections(rows))
        sure.append(_detections([row for row in rows if row[2] >= THRESHOLD]))
        targets.append(_detections([_row(box["label"], _edges(box), 1.0, labels) for box in item["boxes"]]))
    precision = MeanAveragePrecision().update(predictions, targets).compute()
    f1 = F1Score().update(sure, targets).compute()
    return {
        "mAP@50": round(float(precision.map50), 3),
        "mAP@50:95": round(float(precision.map50_95), 3),
        f"F1@50, score >= {THRESHOLD:g}": round(float(f1.f1_50), 3),
    }


def _row(label: str, edges: tuple[float, ...], score: float, labels: list[str]) -> tuple[int, tuple[float, ...], float]:
    if label not in labels:
        labels.append(label)
    return labels.index(label), edges, score


def _edges(box: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(float(box[edge]) for edge in ("left", "top", "right", "bottom"))


def _detections(rows: Sequence[tuple[int, tuple[float, ...], float]]) -> Any:
    import supervision

    if not rows:
        return supervision.Detections.empty()
    return supervision.Detections(
        xyxy=np.array([edges for _, edges, _ in rows], np.float32),
        confidence=np.array([score for _, _, score in rows], np.float32),
        class_id=np.array([label for label, _, _ in rows]),
    )


async def classification(task: Task) -> dict[str, float]:
    """Whether the right class is the first, and among the first five. An item's ``labels`` are all right."""
    first = among_five = 0
    for item in task.items:
        picture = read_image(task.file(item, "image"))
        found = await task.call("classify", picture, top=5)
        right = {label.lower() for label in item["labels"]}
        first += found[0].label.lower() in right
        among_five += any(each.label.lower() in right for each in found)
    count = len(task.items)
    return {"top-1 %": round(100 * first / count, 1), "top-5 %": round(100 * among_five / count, 1)}


async def segmentation(task: Task) -> dict[str, float]:
    """Mean intersection over union with the true mask. An item has a ``box`` or a ``point``, in px."""
    overlaps = []
    for item in task.items:
        picture = read_image(task.file(item, "image"))
        truth = np.asarray(Image.open(task.file(item, "mask")).convert("L")) > 127
        prompt: dict[str, Any] = (
            {"boxes": [Box("", 1.0, *_corners(item["box"]))]} if "box" in item else {"points": [Point(*item["point"])]}
        )
        masks = await task.call("segment", picture, **prompt)
        either = np.logical_or(masks[0].pixels, truth).sum()
        overlaps.append(np.logical_and(masks[0].pixels, truth).sum() / either if either else 1.0)
    return {"mean IoU": round(float(np.mean(overlaps)), 3), "worst IoU": round(float(np.min(overlaps)), 3)}


def _corners(box: Sequence[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(edge) for edge in box)
    return left, top, right, bottom


async def reading(task: Task) -> dict[str, float]:
    """Word and character error rate of a page's text."""
    found = []
    for item in task.items:
        picture = read_image(task.file(item, "image"))
        page = await task.call("read", picture)
        found.append(page.text)
    return error_rates([item["text"] for item in task.items], found)


async def upscaling(task: Task) -> dict[str, float]:
    """PSNR of a picture that was made four times smaller and larger again, and that of bicubic interpolation."""
    ours, bicubic = [], []
    for item in task.items:
        picture = read_image(task.file(item, "image"))
        width, height = (edge - edge % 4 for edge in picture.size)
        truth = picture.crop((0, 0, width, height))
        small = truth.resize((width // 4, height // 4), Image.Resampling.LANCZOS)
        large = await task.call("upscale", small, factor=4)
        ours.append(_psnr(truth, large.convert("RGB")))
        bicubic.append(_psnr(truth, small.resize(truth.size, Image.Resampling.BICUBIC)))
    return {"PSNR dB": round(float(np.mean(ours)), 2), "PSNR of bicubic dB": round(float(np.mean(bicubic)), 2)}


def _psnr(one: Image.Image, other: Image.Image) -> float:
    error = np.mean((np.asarray(one, np.float64) - np.asarray(other, np.float64)) ** 2)
    return float(10 * np.log10(255**2 / max(float(error), 1e-9)))


SUITES = (
    Suite("object-detection", ObjectDetection, ("image", "boxes"), detection),
    Suite("image-classification", ImageClassification, ("image", "labels"), classification),
    Suite("segmentation", ObjectSegmentation, ("image", "mask"), segmentation),
    Suite("text-recognition", TextRecognition, ("image", "text"), reading),
    Suite("image-upscaling", ImageUpscaling, ("image",), upscaling),
)
