"""A picture in words: a caption, or an answer to a question."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from engines.protocols import Described, ImageCaptioning, VisualQuestionAnswering
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, Planned, Text, ToolResult


class ImageDescribed(ToolResult):
    """``text`` is the caption or the answer. ``known`` is false when the model says that it can't tell. ``facts`` are
    what it was put together from, where a model works that way.
    """

    shows_text: ClassVar[bool] = True

    text: Text
    question: str | None
    known: bool
    facts: list[str]

    def summary(self) -> str:
        return self.text


@tool(cost=Cost(seconds=5))
async def caption_image(
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture")],
    question: Annotated[
        str | None, Planned(), Field(max_length=500, description="what is asked about the picture; none: describe it")
    ] = None,
    model: ModelId = None,
) -> ImageDescribed:
    """Describe a picture in words or answer a question about it."""
    picture = await call.image(image)
    described: Described
    asked = (question or "").strip()
    if asked:
        async with call.use(VisualQuestionAnswering, model) as answering:
            described = await answering.run(
                lambda engine, cancel: engine.answer(picture, asked, on_progress=call.progress, cancel=cancel)
            )
    else:
        async with call.use(ImageCaptioning, model) as captioning:
            described = await captioning.run(
                lambda engine, cancel: engine.caption(picture, on_progress=call.progress, cancel=cancel)
            )
    return ImageDescribed(
        text=described.text, question=asked or None, known=described.known, facts=list(described.facts)
    )
