"""People in a picture, by MediaPipe's selfie segmentation (256 x 256 px, Apache-2.0): all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from engines.image.matte import shrink
from engines.loading import LoadContext
from engines.mediapipe import Graph
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_LONGEST: Final = 1024
"""The network sees far less; its mask follows the edges of what it is given."""


class SelfieSegmentation:
    """`engines.protocols.PersonSegmentation`. Calls wait for each other."""

    capability: ClassVar[str] = "person-segmentation"

    def __init__(self, context: LoadContext) -> None:  # noqa: ARG002 # every engine is given it
        self._graph = Graph(lambda solutions: solutions.selfie_segmentation.SelfieSegmentation(model_selection=0))

    def close(self) -> None:
        self._graph.close()

    def segment_people(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> NDArray[np.float32]:
        """As `PersonSegmentation.segment_people`. Made for people who fill a good part of the picture."""
        import numpy as np
        from PIL import Image as Pictures

        cancel.check()
        found = self._graph.process(np.asarray(shrink(image, _LONGEST))).segmentation_mask
        cancel.check()
        whole = Pictures.fromarray(np.asarray(found, np.float32)).resize(image.size, Pictures.Resampling.BILINEAR)
        on_progress(1.0, "people")
        return np.asarray(whole, np.float32).clip(0, 1)
