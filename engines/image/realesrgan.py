"""Upscaling with Real-ESRGAN (Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic
Data", ICCV workshops 2021, BSD-3) in ncnn, on the CPU.

A picture is worked on in tiles that overlap, so that memory stays small and no seam is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engines.errors import EngineError, InputError
from engines.loading import LoadContext, missing_extra
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

#: Of the result, in px; more takes minutes on a CPU and is seldom meant.
MAX_PIXELS: Final = 40_000_000

_LEAST_FACTOR: Final = 1.0


class RealEsrganOptions(BaseModel):
    """``scale``: how much the network itself enlarges. ``tile``: edge in px of what it sees at once. ``overlap``: px
    around a tile that it sees too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: int = Field(4, ge=2, le=4)
    tile: int = Field(128, ge=16, le=512)
    overlap: int = Field(10, ge=0, le=64)
    input: str = "data"
    output: str = "output"
    """Names of the network's ends."""


class RealEsrgan:
    """`engines.protocols.ImageUpscaling` over one ``*.param`` and one ``*.bin``. Transparency is kept."""

    capability: ClassVar[str] = "image-upscaling"

    def __init__(self, context: LoadContext) -> None:
        try:
            import ncnn
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        try:
            self._options = RealEsrganOptions.model_validate(dict(context.entry.options))
        except ValidationError as error:
            raise InputError(
                f"{context.entry.id}: options: {error.errors()[0]['msg']}.", fix="Correct the entry."
            ) from error
        param, weights = sorted(context.folder.glob("*.param")), sorted(context.folder.glob("*.bin"))
        again = f"Fetch it again: sensorium models pull {context.entry.id}"
        if len(param) != 1 or len(weights) != 1:
            raise EngineError(f"{context.entry.id}: its folder must hold one .param and one .bin file.", fix=again)
        self._id = context.entry.id
        self._ncnn = ncnn
        self._net: Any = ncnn.Net()
        self._net.opt.num_threads = context.threads
        self._net.opt.use_vulkan_compute = False
        if self._net.load_param(str(param[0])) != 0 or self._net.load_model(str(weights[0])) != 0:
            raise EngineError(f"{self._id} can't be loaded: a damaged file.", fix=again)

    @property
    def scale(self) -> int:
        """How many times the network enlarges."""
        return self._options.scale

    def close(self) -> None:
        """Free the network."""
        self._net.clear()

    def upscale(
        self,
        image: Image,
        *,
        factor: float | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Image:
        """``image`` ``factor`` times as wide and as high (above 1, at most ``scale``): RGB, or RGBA where it has
        transparency. Factors below ``scale`` are sampled down from it.

        Raises InputError for another factor, or when the result would have more than 40 million px.
        """
        from PIL import Image as Pictures

        factor = float(factor or self.scale)
        if not _LEAST_FACTOR < factor <= self.scale:
            raise InputError(
                f"{self._id} can't enlarge {factor:g} times.", fix=f"Give a factor above 1, up to {self.scale}."
            )
        target = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        # The network's own result is in memory too, and takes the time, whatever the factor.
        if image.width * image.height * self.scale**2 > MAX_PIXELS:
            most = MAX_PIXELS // self.scale**2
            raise InputError(
                f"The picture has {image.width * image.height / 1e6:.1f} million px, more than {most / 1e6:.1f}.",
                fix="Crop it, or make it smaller first.",
            )
        planes = [image.convert("RGB")]
        if image.has_transparency_data:
            alpha = image.convert("RGBA").getchannel("A")
            # Colours under transparent px are often black: they would bleed into the edges.
            planes = [_filled(image.convert("RGBA")), alpha.convert("RGB")]
        made = []
        for number, plane in enumerate(planes):

            def report(done: float, message: str, number: int = number) -> None:
                on_progress((number + done) / len(planes), message)

            whole = Pictures.fromarray(self._enlarged(plane, report, cancel))
            made.append(whole if whole.size == target else whole.resize(target, Pictures.Resampling.LANCZOS))
        if len(made) == 2:
            made[0].putalpha(made[1].convert("L"))
        return made[0]

    def _enlarged(self, image: Image, report: Any, cancel: CancelToken) -> NDArray[np.uint8]:
        import numpy as np

        scale, overlap = self.scale, self._options.overlap
        pixels = np.asarray(image, np.uint8)
        # Mirrored edges: the network would take the end of the picture for a black frame.
        padded = np.pad(pixels, ((overlap, overlap), (overlap, overlap), (0, 0)), mode="edge")
        result = np.empty((pixels.shape[0] * scale, pixels.shape[1] * scale, 3), np.uint8)
        tiles = list(_tiles(image.width, image.height, self._options.tile))
        for number, (left, top, right, bottom) in enumerate(tiles):
            cancel.check()
            seen = padded[top : bottom + 2 * overlap, left : right + 2 * overlap]
            made = self._run(np.ascontiguousarray(seen))
            edge = overlap * scale
            inner = made[edge : made.shape[0] - edge, edge : made.shape[1] - edge]
            result[top * scale : bottom * scale, left * scale : right * scale] = inner
            report((number + 1) / len(tiles), f"tile {number + 1} of {len(tiles)}")
        cancel.check()
        return result

    def _run(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(h, w, 3) -> (h * scale, w * scale, 3)."""
        import numpy as np

        height, width = pixels.shape[:2]
        given = np.ascontiguousarray(pixels.astype(np.float32).transpose(2, 0, 1) / 255)
        with self._net.create_extractor() as extractor:
            extractor.input(self._options.input, self._ncnn.Mat(given))
            status, output = extractor.extract(self._options.output)
            made = np.array(output, np.float32) if status == 0 else np.empty(0, np.float32)
        if made.shape != (3, height * self.scale, width * self.scale):
            raise EngineError(
                f"{self._id} gave no picture of {self.scale} times the size.",
                fix="Correct the entry's options: scale, input, output.",
            )
        return (made.transpose(1, 2, 0) * 255 + 0.5).clip(0, 255).astype(np.uint8)


def _tiles(width: int, height: int, tile: int) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, right, bottom of tiles of about the same size that cover the picture."""
    across, down = -(-width // tile), -(-height // tile)
    for row in range(down):
        for column in range(across):
            yield (
                column * width // across,
                row * height // down,
                (column + 1) * width // across,
                (row + 1) * height // down,
            )


def _filled(image: Image) -> Image:
    """RGB with the colours of opaque px spread under the transparent ones."""
    import numpy as np
    from PIL import Image as Pictures
    from PIL import ImageFilter

    alpha = np.asarray(image.getchannel("A"), np.float32)[..., None] / 255
    colours = np.asarray(image, np.float32)[..., :3]
    blurred = [
        np.asarray(Pictures.fromarray(part).filter(ImageFilter.GaussianBlur(6)), np.float32)
        for part in ((colours * alpha).astype(np.uint8), (np.repeat(alpha, 3, 2) * 255).astype(np.uint8))
    ]
    around = blurred[0] / np.maximum(blurred[1] / 255, 1 / 255)
    return Pictures.fromarray((colours * alpha + around.clip(0, 255) * (1 - alpha)).round().astype(np.uint8))
