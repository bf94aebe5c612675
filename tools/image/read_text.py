"""Text in a picture."""

from __future__ import annotations

import asyncio
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from engines.image.draw_text import draw_lines
from engines.protocols import TextRecognition
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ImageRef, Media, ModelId, OverlayRef, ToolResult


class ReadLine(BaseModel):
    """``corners`` in px, clockwise from where the text begins at the top; ``score`` in 0..1; ``block``: which paragraph
    or column, counted in reading order.
    """

    text: str
    score: float
    corners: list[tuple[float, float]]
    block: int


class TextRead(ToolResult):
    """``text`` is in reading order, empty when there is none. ``rotation``: how far the page is turned, clockwise, in
    degrees. ``picture`` shows the lines with their numbers.
    """

    shows_text: ClassVar[bool] = True

    text: Annotated[str, Media("text")]
    lines: list[ReadLine]
    rotation: float
    picture: OverlayRef

    @property
    def is_empty(self) -> bool:
        return not self.lines

    def summary(self) -> str:
        if not self.lines:
            return "There is no text that can be read in the picture."
        return f"The picture says:\n{self.text}"


@tool(cost=Cost(seconds=3))
async def read_text(
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture or page")],
    model: ModelId = None,
) -> TextRead:
    """Read the printed text in a picture, scan or screenshot."""
    picture = await call.image(image)
    async with call.use(TextRecognition, model) as lease:
        page = await lease.run(lambda engine, cancel: engine.read(picture, on_progress=call.progress, cancel=cancel))
    drawn = await call.save_image(await asyncio.to_thread(draw_lines, picture, page.lines), "text.png")
    return TextRead(
        text=page.text,
        lines=[
            ReadLine(text=line.text, score=round(line.score, 3), corners=list(line.corners), block=line.block)
            for line in page.lines
        ],
        rotation=page.rotation,
        picture=drawn,
    )
