"""Translation."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from engines.errors import InputError
from engines.text.languages import language_code, language_name
from engines.text.passages import has_words
from tools.call import ToolCall
from tools.spec import tool
from tools.text.translation_chain import Skipped, translate_by_chain
from tools.types import Cost, ModelId, OneOf, Text, ToolResult


class TranslationResult(ToolResult):
    """Languages are ISO 639-1 codes; ``source_language`` is that of most of the text, empty when nobody could tell.

    ``by``: the models that translated; empty when the text was in the language already. ``skipped``: those that failed
    before.
    """

    shows_text: ClassVar[bool] = True
    is_the_answer: ClassVar[bool] = True

    text: Text
    source_language: str
    target_language: str
    by: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def summary(self) -> str:
        target = language_name(self.target_language)
        passed = "".join(f" ({skipped.model} was passed over: {skipped.why})" for skipped in self.skipped)
        return f"{f'In {target}' if self.by else f'It is in {target} already'}: “{self.text}”{passed}"


@tool(cost=Cost(seconds=3))
async def translate(
    call: ToolCall,
    text: Annotated[Text, Field(description="what to translate", max_length=20_000)],
    target_language: Annotated[str, OneOf("translation-languages"), Field(description="into which language")],
    source_language: Annotated[str | None, Field(description="from which language; none: detected")] = None,
    model: ModelId = None,
) -> TranslationResult:
    """Translate a text into another language.

    By the best model that is ready for the two languages; when it fails, by the next. Remote ones take part only when
    the user has set them up.
    """
    target = language_code(target_language)
    source = language_code(source_language) if source_language else None
    if not has_words(text):
        raise InputError("There are no words to translate.", fix="Give a text in some language.")
    done = await translate_by_chain(call, text, target=target, source=source, model=model)
    return TranslationResult(
        text=done.text,
        source_language=done.source or "",
        target_language=target,
        by=tuple(done.by),
        skipped=tuple(done.skipped),
    )
