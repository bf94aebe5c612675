"""EfficientNet-Lite0 (Tan and Le 2019; Lite: Google 2020, Apache-2.0) on onnxruntime: ImageNet classes and features.

The model file is made by `benchmarks/convert_efficientnet.py`. Calls that arrive together are worked on together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from engines.errors import EngineError
from engines.loading import LoadContext
from engines.onnx import only_session
from engines.progress import NEVER, CancelToken
from engines.protocols import ImageClass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_SIZE: Final = 224
_CROP: Final = 0.875
"""Of the shorter side: as the network was validated."""
_MOST_AT_ONCE: Final = 8


class _Network:
    """One output of the network, for pictures prepared by `_prepare`."""

    def __init__(self, context: LoadContext, output: str) -> None:
        self._session = only_session(context)
        self._output = output

    def close(self) -> None:
        del self._session

    def run(self, pixels: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """A row of the output for each picture."""
        import numpy as np

        parts = [np.stack(pixels[i : i + _MOST_AT_ONCE]) for i in range(0, len(pixels), _MOST_AT_ONCE)]
        return [row for part in parts for row in self._session.run([self._output], {"image": part})[0]]


class EfficientNetClasses:
    """`engines.protocols.ImageClassification`: ImageNet's 1000 classes. Several threads may call it at once."""

    capability: ClassVar[str] = "image-classification"

    def __init__(self, context: LoadContext) -> None:
        self._network = _Network(context, "scores")
        path = context.folder / "labels.txt"
        self.labels = tuple(path.read_text("utf-8").splitlines()) if path.is_file() else ()
        if len(self.labels) != 1000:
            raise EngineError(f"{context.entry.id}: labels.txt must name 1000 classes; it names {len(self.labels)}.")

    def close(self) -> None:
        self._network.close()

    def classify(self, image: Image, *, top: int = 5, cancel: CancelToken = NEVER) -> tuple[ImageClass, ...]:
        """See `ImageClassification`. Only the middle of the picture counts: 7/8 of its shorter side."""
        import numpy as np

        cancel.check()
        (scores,) = self._network.run([_prepare(image)])
        cancel.check()
        return tuple(ImageClass(self.labels[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")[:top])


class EfficientNetFeatures:
    """`engines.protocols.ImageEmbedding`: 1280 features, for finding pictures that are alike."""

    capability: ClassVar[str] = "image-embedding"
    dimensions: int = 1280

    def __init__(self, context: LoadContext) -> None:
        self._network = _Network(context, "features")

    def close(self) -> None:
        self._network.close()

    def embed(self, images: Sequence[Image], *, cancel: CancelToken = NEVER) -> NDArray[np.float32]:
        """See `ImageEmbedding`."""
        import numpy as np

        rows: list[NDArray[np.float32]] = []
        for start in range(0, len(images), _MOST_AT_ONCE):
            cancel.check()
            rows += self._network.run([_prepare(image) for image in images[start : start + _MOST_AT_ONCE]])
        features = np.asarray(rows, np.float32).reshape(len(images), self.dimensions)
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        return features


def _prepare(image: Image) -> NDArray[np.float32]:
    """(3, 224, 224) RGB in about -1..1: the middle square, scaled."""
    import numpy as np
    from PIL import Image as Pictures

    side = _CROP * min(image.size)
    left, top = ((edge - side) / 2 for edge in image.size)
    small = image.convert("RGB").resize(
        (_SIZE, _SIZE), Pictures.Resampling.BICUBIC, (left, top, left + side, top + side), reducing_gap=3.0
    )
    return np.ascontiguousarray((np.asarray(small, np.float32).transpose(2, 0, 1) - 127) / 128)
