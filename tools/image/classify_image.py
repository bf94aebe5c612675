"""The class of a picture."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from engines.protocols import ImageClassification
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, ToolResult

#: Below this score the best of a thousand classes is a guess.
GUESS = 0.25


class ClassScore(BaseModel):
    """``score`` in 0..1."""

    label: str
    score: float


class ImageClassified(ToolResult):
    """``classes`` are the likeliest, best first."""

    classes: list[ClassScore]

    def summary(self) -> str:
        named = [f"{each.label} ({each.score:.0%})" for each in self.classes[:3]]
        if self.classes[0].score < GUESS:
            return f"No class that the model knows fits the picture well; the nearest are {', '.join(named)}."
        rest = f"; next are {', '.join(named[1:])}" if len(named) > 1 else ""
        return f"The picture most likely shows: {named[0]}{rest}."


@tool(cost=Cost(seconds=0.2))
async def classify_image(
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture")],
    top: Annotated[int, Field(ge=1, le=20, description="how many classes to name")] = 5,
    model: ModelId = None,
) -> ImageClassified:
    """Say which kind of thing, animal or scene a picture shows."""
    picture = await call.image(image)
    async with call.use(ImageClassification, model) as lease:
        classes = await lease.run(lambda engine, cancel: engine.classify(picture, top=top, cancel=cancel))
    return ImageClassified(classes=[ClassScore(label=each.label, score=round(each.score, 4)) for each in classes])
