"""Translation."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from engines.protocols import Translation
from engines.text.languages import language_code, language_name
from tools.call import ToolCall
from tools.spec import tool
from tools.types import Cost, OneOf, Text, ToolResult


class TranslationResult(ToolResult):
    """Languages are ISO 639-1 codes."""

    shows_text: ClassVar[bool] = True

    text: Text
    source_language: str
    target_language: str

    def summary(self) -> str:
        return f"In {language_name(self.target_language)}: “{self.text}”"


@tool(cost=Cost(seconds=3))
async def translate(
    call: ToolCall,
    text: Annotated[Text, Field(description="what to translate", max_length=20_000)],
    target_language: Annotated[str, OneOf("translation-languages"), Field(description="into which language")],
    source_language: Annotated[str | None, Field(description="from which language; none: detected")] = None,
) -> TranslationResult:
    """Translate a text into another language."""
    target = language_code(target_language)
    source = language_code(source_language) if source_language else None
    async with call.use(Translation) as lease:
        done = await lease.run(
            lambda engine, cancel: engine.translate(
                text, target=target, source=source, on_progress=call.progress, cancel=cancel
            )
        )
    return TranslationResult(text=done.text, source_language=done.source, target_language=done.target)
