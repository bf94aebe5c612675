"""Object detection with NanoDet-g 416 (RangiLyu/nanodet, Apache-2.0) on onnxruntime: 80 classes, small and quick.

The model file is made by `benchmarks/convert_nanodet.py`. The network sees 416 x 416 px in cells of 8, 16 and 32 px.
Each cell gives a probability per class, and for each edge of the box a distribution over 0 ... 10 cells of distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from engines.errors import EngineError
from engines.image.coco import COCO_LABELS
from engines.image.scores import check_threshold
from engines.loading import LoadContext
from engines.onnx import cpu_session
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_SIZE: Final = 416
_STRIDES: Final = (8, 16, 32)
_BINS: Final = 11
_MEAN_BGR: Final = (103.53, 116.28, 123.675)
_STD_BGR: Final = (57.375, 57.12, 58.395)
_OVERLAP: Final = 0.6
"""Boxes of one class that share more than this (intersection over union) show one object."""
_MOST_BOXES: Final = 100


class NanoDet:
    """`engines.protocols.ObjectDetection`. Several threads may call it at once."""

    capability: ClassVar[str] = "object-detection"
    labels: tuple[str, ...] = COCO_LABELS

    def __init__(self, context: LoadContext) -> None:
        files = sorted(context.folder.glob("*.onnx"))
        if len(files) != 1:
            raise EngineError(
                f"{context.entry.id}: its folder must hold one .onnx file; it holds {len(files)}.",
                fix=f"Fetch it again: sensorium models pull {context.entry.id}",
            )
        try:
            self._session = cpu_session(files[0], context.threads)
        except Exception as error:  # onnxruntime's exceptions share no base class below this one
            raise EngineError(
                f"{context.entry.id} can't be loaded: {str(error).splitlines()[0]}.",
                fix=f"Fetch it again: sensorium models pull {context.entry.id}",
            ) from error
        self._centres, self._strides = _grid()

    def close(self) -> None:
        del self._session

    def detect(
        self,
        image: Image,
        *,
        threshold: float = 0.4,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> tuple[Box, ...]:
        """At most 100 boxes, best first. Raises InputError when ``threshold`` is not in 0..1."""
        check_threshold(threshold)
        cancel.check()
        pixels, scale, left, top = _prepare(image)
        scores, distances = self._session.run(["scores", "reg"], {"image": pixels})
        cancel.check()
        cells, classes = _candidates(scores[0], threshold)
        edges = self._edges(distances[0][cells], cells)
        edges = ((edges - (left, top, left, top)) / scale).clip(0, (*image.size, *image.size))
        best = scores[0][cells, classes]
        kept = _suppress(edges, classes)
        on_progress(1.0, f"{len(kept)} objects")
        return tuple(
            Box(COCO_LABELS[classes[i]], float(best[i]), *(float(edge) for edge in edges[i]))
            for i in kept[:_MOST_BOXES]
        )

    def _edges(self, distances: NDArray[np.float32], cells: NDArray[np.intp]) -> NDArray[np.float32]:
        """Left, top, right, bottom in px of the network's input, shape (len(cells), 4)."""
        import numpy as np

        weights = np.exp(distances.reshape(-1, 4, _BINS) - distances.reshape(-1, 4, _BINS).max(2, keepdims=True))
        reach = (weights * np.arange(_BINS)).sum(2) / weights.sum(2) * self._strides[cells, None]
        centres = self._centres[cells]
        return np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1).astype(np.float32)


def _grid() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centre (x, y) and size of each cell in px, in the order of the network's outputs."""
    import numpy as np

    centres, strides = [], []
    for stride in _STRIDES:
        ticks = (np.arange(_SIZE // stride, dtype=np.float32) + 0.5) * stride
        across, down = np.meshgrid(ticks, ticks)
        centres.append(np.stack([across.ravel(), down.ravel()], axis=1))
        strides.append(np.full(len(centres[-1]), stride, np.float32))
    return np.concatenate(centres), np.concatenate(strides)


def _prepare(image: Image) -> tuple[NDArray[np.float32], float, int, int]:
    """(1, 3, 416, 416) BGR, normalised; then its scale and its offsets left and above.

    Proportions are kept, as in the network's training: stretched to a square, a cat came out as a person.
    """
    import numpy as np
    from PIL import Image as Pictures

    scale = _SIZE / max(image.size)
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    left, top = (_SIZE - width) // 2, (_SIZE - height) // 2
    small = image.convert("RGB").resize((width, height), Pictures.Resampling.BILINEAR)
    canvas = np.zeros((_SIZE, _SIZE, 3), np.float32)  # zero after normalising: the average colour
    canvas[top : top + height, left : left + width] = (np.asarray(small, np.float32)[..., ::-1] - _MEAN_BGR) / _STD_BGR
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None]), scale, left, top


def _candidates(scores: NDArray[np.float32], threshold: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cells and classes with a score of at least ``threshold``, best first; a thousand are plenty."""
    import numpy as np

    cells, classes = np.nonzero(scores >= threshold)
    order = np.argsort(-scores[cells, classes], kind="stable")[:1000]
    return cells[order], classes[order]


def _suppress(edges: NDArray[np.float32], classes: NDArray[np.intp]) -> list[int]:
    """Of the boxes of a class that overlap, keep the best. Indices, best first; the input is sorted that way."""
    import numpy as np

    # Boxes of different classes are moved apart, so that one pass serves all classes.
    apart = edges + (classes * (edges.max(initial=0) + 1))[:, None]
    areas = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])
    waiting = np.flatnonzero(areas > 0)
    kept: list[int] = []
    while len(waiting):
        first, waiting = waiting[0], waiting[1:]
        kept.append(int(first))
        upper = np.maximum(apart[first, :2], apart[waiting, :2])
        lower = np.minimum(apart[first, 2:], apart[waiting, 2:])
        shared = np.prod((lower - upper).clip(0), axis=1)
        waiting = waiting[shared / (areas[first] + areas[waiting] - shared) <= _OVERLAP]
    return kept
