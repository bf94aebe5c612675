"""Makes torchvision importable from the folder that `deploy/test_extras.py` filled, beside PyTorch for the CPU.

The compiled operators of its wheel don't load there. Those that detectors need are defined here, in PyTorch: enough for
tests. Only for processes of their own: an importable torchvision changes what transformers and diffusers do.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(sys.prefix) / "aside" / "torchvision"


def put_on_path() -> None:
    """Call it before the first import of torchvision. Does nothing where an ordinary torchvision is installed."""
    from importlib.util import find_spec

    if find_spec("torchvision") is None:
        sys.path.append(str(FOLDER))
        _define_operators()


def _define_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", _nms, "CPU")
    _KEPT.append(library)  # what it defines goes with it
    import torchvision.extension

    torchvision.extension._has_ops = lambda: True


_KEPT: list[object] = []


def _nms(boxes, scores, iou_threshold):  # type: ignore[no-untyped-def] # tensors: PyTorch is imported late
    import torch

    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    waiting = scores.argsort(descending=True)
    kept = []
    while len(waiting):
        first, waiting = waiting[0], waiting[1:]
        kept.append(first)
        sides = torch.minimum(boxes[first, 2:], boxes[waiting, 2:]) - torch.maximum(
            boxes[first, :2], boxes[waiting, :2]
        )
        shared = sides.clamp(min=0).prod(1)
        waiting = waiting[shared / (areas[first] + areas[waiting] - shared) <= iou_threshold]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.long)
