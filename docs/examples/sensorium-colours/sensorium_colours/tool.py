"""The tool: its signature is what the planner, the command line, the API and the docs show."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from sensorium_colours.engine import ColourNaming
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, ImageRef, ModelId, ToolResult


class Share(BaseModel):
    """``share`` of the area, in 0..1."""

    code: str
    share: float


class ColoursNamed(ToolResult):
    """Largest share first."""

    colours: list[Share]

    def summary(self) -> str:
        return "Main colours: " + ", ".join(f"{c.code} ({c.share:.0%})" for c in self.colours) + "."


@tool(cost=Cost(seconds=0.1))
async def name_colours(
    call: ToolCall,
    image: Annotated[ImageRef, Field(description="the picture")],
    most: Annotated[int, Field(ge=1, le=32, description="at most so many")] = 5,
    model: ModelId = None,
) -> ColoursNamed:
    """Name the main colours of a picture."""
    picture = await call.image(image)
    async with call.use(ColourNaming, model) as lease:
        found = await lease.run(
            lambda engine, cancel: engine.colours(picture, most=most, on_progress=call.progress, cancel=cancel)
        )
    return ColoursNamed(colours=[Share(code=colour.code, share=round(colour.share, 3)) for colour in found])
