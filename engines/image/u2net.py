"""What a picture is of, by U2-Net (Qin et al. 2020, arXiv 2005.09007, Apache-2.0) on onnxruntime.

The small U2-Net-p comes with the project; the full network has the same inputs and outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from engines.loading import LoadContext
from engines.onnx import only_session
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_SIZE: Final = 320
_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)


class U2Net:
    """`engines.protocols.SaliencyDetection`. Several threads may call it at once."""

    capability: ClassVar[str] = "saliency"

    def __init__(self, context: LoadContext) -> None:
        self._session = only_session(context)

    def close(self) -> None:
        del self._session

    def find_salient(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> NDArray[np.float32]:
        """As `SaliencyDetection.find_salient`. The network sees the picture stretched to 320 x 320 px."""
        import numpy as np
        from PIL import Image as Pictures

        cancel.check()
        small = image.convert("RGB").resize((_SIZE, _SIZE), Pictures.Resampling.BILINEAR, reducing_gap=3)
        pixels = np.asarray(small, np.float32)
        pixels = (pixels / max(1.0, float(pixels.max())) - _MEAN) / _STD
        batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
        # The first output is the sum of the six others, which are coarser.
        fused = self._session.run([self._session.get_outputs()[0].name], {self._session.get_inputs()[0].name: batch})[0]
        cancel.check()
        grown = Pictures.fromarray(fused[0, 0]).resize(image.size, Pictures.Resampling.BICUBIC)
        on_progress(1.0, "saliency")
        return np.asarray(grown, np.float32).clip(0, 1)
