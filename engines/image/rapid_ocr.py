"""Reading text with RapidOCR (PP-OCRv4 on onnxruntime, Apache-2.0): Chinese and English, printed, turned whichever way.

The library's parts are called one by one: lines are found in a picture that was made smaller, but read from the
picture as it was given; the page's turn is voted on by all lines; and a cancel is noticed between batches.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from engines.image.reading_order import Rect, reading_order
from engines.loading import LoadContext
from engines.onnx import cpu_session
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import PageText, TextLine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels = NDArray[np.uint8]
    Corners = NDArray[np.float32]
    """Shape (4, 2): x and y in px, from the top left, clockwise."""

_LONGEST_SIDE: Final = 2000
"""Of the picture in which lines are looked for, in px: a page of small print at 170 dpi."""
_SLIMMEST: Final = 8
"""Pictures whose sides have a larger ratio get a margin: the network finds no lines in mere strips."""
_SHORTEST_SIDE: Final = 48
_LEAST_SIDE: Final = 736
"""Smaller pictures are enlarged to this, in px, but not more often than so:"""
_MOST_ENLARGED: Final = 1.5
_UPSIDE_DOWN: Final = 0.9
"""How sure the library's classifier must be."""
_BATCH: Final = 12
_READING_HEIGHT: Final = 48
_SIDEWAYS: Final = 1.5
"""A crop this much higher than it is wide is turned by the library before it is read."""


class OcrOptions(BaseModel):
    """What a catalog entry may say."""

    model_config = ConfigDict(extra="forbid")

    least_score: float = Field(default=0.5, ge=0, le=1)
    """Lines that are read with less certainty are left out."""
    recognizer: str = ""
    """An ``.onnx`` file in the entry's folder, in PP-OCR's format, to read other scripts with."""
    alphabet: str = ""
    """A text file beside it, with a character a line, when the recognizer doesn't hold its own."""


class _Piece(NamedTuple):
    """A line on the page: its corners, its picture as it would be read, and whether that was turned sideways."""

    corners: Corners
    crop: Pixels
    sideways: bool


class RapidOcr:
    """`engines.protocols.TextRecognition`."""

    capability: ClassVar[str] = "text-recognition"

    def __init__(self, context: LoadContext) -> None:
        self._options = OcrOptions.model_validate(dict(context.entry.options))
        self._library = _quiet_library(context, self._options)

    def close(self) -> None:
        del self._library

    def read(self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER) -> PageText:
        """See `engines.protocols.TextRecognition`."""
        import numpy as np

        cancel.check()
        on_progress(0.0, "looking for text")
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
        found = self._find(image, pixels)
        cancel.check()
        if not found:
            on_progress(1.0, "no text")
            return PageText(())
        pieces = [
            _Piece(corners, crop, _is_sideways(corners))
            for corners, crop in zip(found, self._library.get_crop_img_list(pixels, found), strict=True)
        ]
        flips = self._flips(pieces)
        cancel.check()
        read = self._read_all(pieces, flips, on_progress, cancel)
        return _page([(text, score, corners) for text, score, corners in read if score >= self._options.least_score])

    def _find(self, image: Image, pixels: Pixels) -> list[Corners]:
        """The corners of each line, in px of the picture."""
        import numpy as np
        from PIL import ImageOps

        width, height = image.size
        scale = min(1.0, _LONGEST_SIDE / max(image.size))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = image.convert("RGB").resize(size, reducing_gap=2.0)
            pixels = np.ascontiguousarray(np.asarray(small)[..., ::-1])
        across, down = _margins(pixels.shape[1], pixels.shape[0])
        if across or down:
            from PIL import Image as Pictures

            framed = ImageOps.expand(Pictures.fromarray(pixels), (across, down), tuple(map(int, pixels[0, 0])))
            pixels = np.asarray(framed)
        # The library would enlarge a strip or a stamp many times over, and then take single letters for lines.
        self._library.text_det.limit_side_len = min(_LEAST_SIDE, round(_MOST_ENLARGED * min(pixels.shape[:2])))
        boxes, _ = self._library.auto_text_det(pixels)
        if boxes is None:
            return []
        corners = (np.asarray(boxes, np.float32) - (across, down)) / scale
        corners = corners.clip(0, (width, height)).astype(np.float32)
        sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).min(axis=1)
        return [each for each, side in zip(corners, sides, strict=True) if side >= 2]

    def _flips(self, pieces: Sequence[_Piece]) -> list[bool | None]:
        """Whether each piece stands on its head. None: it says otherwise than the page, so both ways are tried."""
        _, told, _ = self._library.text_cls([piece.crop for piece in pieces])
        flipped = ["180" in label and score >= _UPSIDE_DOWN for label, score in told]
        weights = [piece.crop.shape[1] / piece.crop.shape[0] for piece in pieces]
        against = sum(weight for weight, flip in zip(weights, flipped, strict=True) if flip)
        page = against > sum(weights) / 2
        return [page if flip == page else None for flip in flipped]

    def _read_all(
        self, pieces: Sequence[_Piece], flips: Sequence[bool | None], on_progress: OnProgress, cancel: CancelToken
    ) -> list[tuple[str, float, Corners]]:
        """Text, score and corners as read, of every piece."""
        tries = [(i, flip) for i, given in enumerate(flips) for flip in ((False, True) if given is None else (given,))]
        tries.sort(key=lambda one: pieces[one[0]].crop.shape[1] / pieces[one[0]].crop.shape[0])  # padded to the longest
        best: dict[int, tuple[str, float, bool]] = {}
        for start in range(0, len(tries), _BATCH):
            cancel.check()
            on_progress(start / len(tries), f"reading line {start + 1} of {len(tries)}")
            batch = tries[start : start + _BATCH]
            crops = [_for_reading(pieces[i].crop[::-1, ::-1] if flip else pieces[i].crop) for i, flip in batch]
            for (i, flip), (text, score, *_) in zip(batch, self._library.text_rec(crops)[0], strict=True):
                if text.strip() and (i not in best or score > best[i][1]):
                    best[i] = (text.strip(), float(score), flip)
        cancel.check()
        on_progress(1.0, f"{len(best)} lines")
        return [
            (text, score, _as_read(pieces[i], flipped=flipped)) for i, (text, score, flipped) in sorted(best.items())
        ]


def _for_reading(crop: Pixels) -> Pixels:
    """At the height at which the network reads, smoothly scaled. The library's own way loses spaces: on drawn pages of
    16 and 24 px, two words of three were run together.
    """
    import numpy as np
    from PIL import Image as Pictures

    height, width = crop.shape[:2]
    size = (max(1, round(width * _READING_HEIGHT / height)), _READING_HEIGHT)
    return np.asarray(Pictures.fromarray(np.ascontiguousarray(crop)).resize(size, Pictures.Resampling.BICUBIC))


def _page(read: Sequence[tuple[str, float, Corners]]) -> PageText:
    """The lines in reading order."""
    if not read:
        return PageText(())
    angle = _turn([corners for _, _, corners in read])
    places = reading_order([_upright(corners, angle) for _, _, corners in read])
    return PageText(
        tuple(
            TextLine(
                read[place.piece][0],
                read[place.piece][1],
                tuple((round(float(x), 1), round(float(y), 1)) for x, y in read[place.piece][2]),
                place.block,
                place.row,
            )
            for place in places
        ),
        round(math.degrees(angle), 1) + 0.0,
    )


def _turn(lines: Sequence[Corners]) -> float:
    """The page's turn clockwise in radians: the direction in which most of the text runs."""
    across = sum(float(corners[1][0] - corners[0][0]) for corners in lines)
    down = sum(float(corners[1][1] - corners[0][1]) for corners in lines)
    return math.atan2(down, across)


def _upright(corners: Corners, angle: float) -> Rect:
    """Around the corners, on the page turned back."""
    cos, sin = math.cos(-angle), math.sin(-angle)
    xs = [float(x) * cos - float(y) * sin for x, y in corners]
    ys = [float(x) * sin + float(y) * cos for x, y in corners]
    return Rect(min(xs), min(ys), max(xs), max(ys))


def _as_read(piece: _Piece, *, flipped: bool) -> Corners:
    """The corners from where the text begins at the top. A sideways crop was turned so that it is read downwards."""
    import numpy as np

    return np.roll(piece.corners, -(int(piece.sideways) + 2 * int(flipped)), axis=0)


def _is_sideways(corners: Corners) -> bool:
    """As the library decides when it cuts a line out."""
    import numpy as np

    top, right, bottom, left = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return int(max(right, left)) >= _SIDEWAYS * int(max(top, bottom))


def _margins(width: int, height: int) -> tuple[int, int]:
    """What to add on the left and right, and above and below, in px."""
    wanted = max(_SHORTEST_SIDE, math.ceil(max(width, height) / _SLIMMEST))
    return max(0, math.ceil((wanted - width) / 2)), max(0, math.ceil((wanted - height) / 2))


def _quiet_library(context: LoadContext, options: OcrOptions) -> Any:
    """The library's engine, which logs warnings only and leaves the processor to others while it waits."""
    import rapidocr_onnxruntime
    from rapidocr_onnxruntime import RapidOCR

    for name in ("RapidOCR", "OrtInferSession", "rapidocr_onnxruntime"):
        logging.getLogger(name).setLevel(logging.ERROR)
    own: dict[str, Any] = {}
    if options.recognizer:
        own["rec_model_path"] = str(context.folder / options.recognizer)
    if options.alphabet:
        own["rec_keys_path"] = str(context.folder / options.alphabet)
    library = RapidOCR(intra_op_num_threads=context.threads, inter_op_num_threads=1, **own)
    models = Path(rapidocr_onnxruntime.__file__).parent / "models"
    # Its own sessions spin while they wait, which costs a third more CPU.
    library.text_det.infer.session = cpu_session(models / "ch_PP-OCRv4_det_infer.onnx", context.threads)
    library.text_cls.infer.session = cpu_session(models / "ch_ppocr_mobile_v2.0_cls_infer.onnx", context.threads)
    recognizer = Path(own.get("rec_model_path", models / "ch_PP-OCRv4_rec_infer.onnx"))
    library.text_rec.session.session = cpu_session(recognizer, context.threads)
    return library
