"""Captions and answers put together from what other engines find: objects, the picture's class, and its text.

They stand in for a model that sees and speaks. Nothing is said that was not found, and what can't be known from that is
said not to be known.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from engines.errors import EngineError
from engines.image.transformers_describing import check_question
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import (
    Box,
    Chat,
    ChatRequest,
    ChatTurn,
    Described,
    ImageClassification,
    ObjectDetection,
    PageText,
    TextRecognition,
)

if TYPE_CHECKING:
    from PIL.Image import Image

_PROMPT: Final = Path(__file__).with_name("answer_from_facts")
_SURE_OF_CLASS: Final = 0.3
_SURE_OF_TEXT: Final = 0.8
_MOST_TEXT: Final = 1500
"""Characters of the picture's text that the chat model is told."""
_QUOTED_TEXT: Final = 200
"""Characters of it that a person is told."""
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"known": {"type": "boolean"}, "answer": {"type": "string", "maxLength": 240}},
    "required": ["known", "answer"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class _Findings:
    """``objects`` in words, the most prominent first; ``kind`` is empty when no class fits well."""

    objects: tuple[str, ...]
    kind: str
    score: float
    text: str

    def facts(self, most: int = _MOST_TEXT) -> tuple[str, ...]:
        """Each in words, with so many characters of the text."""
        text = json.dumps(_short(self.text, most), ensure_ascii=False) if self.text else "none"
        looks = (f"The whole picture looks like: {self.kind} ({self.score:.0%})",) if self.kind else ()
        return (
            *(f"Found: {each}" for each in self.objects or ("no objects",)),
            *looks,
            f"Text in the picture: {text}",
        )


class _Parts:
    """The engines that look."""

    def __init__(self, context: LoadContext) -> None:
        self._detection: ObjectDetection = context.parts["object-detection"]
        self._classification: ImageClassification = context.parts["image-classification"]
        self._recognition: TextRecognition = context.parts["text-recognition"]

    def close(self) -> None:
        """Its parts are closed by those who made them."""

    def _look(self, image: Image, on_progress: OnProgress, cancel: CancelToken) -> _Findings:
        on_progress(0.1, "looking for objects")
        boxes = self._detection.detect(image, threshold=0.45, cancel=cancel)
        on_progress(0.3, "naming the whole")
        (best, *_) = self._classification.classify(image, top=1, cancel=cancel)
        on_progress(0.4, "reading text")
        page = self._recognition.read(image, cancel=cancel)
        sure = PageText(tuple(line for line in page.lines if line.score >= _SURE_OF_TEXT))
        return _Findings(
            _in_words(boxes, image.width),
            best.label if best.score >= _SURE_OF_CLASS else "",
            best.score,
            " / ".join(sure.text.split("\n")).replace(" /  / ", " / "),
        )


class CaptionFromParts(_Parts):
    """`engines.protocols.ImageCaptioning` through detection, classification and text recognition."""

    capability: ClassVar[str] = "image-captioning"

    def caption(
        self, image: Image, *, on_progress: OnProgress = ignore_progress, cancel: CancelToken = NEVER
    ) -> Described:
        """See `engines.protocols.ImageCaptioning`. ``known`` is false when nothing at all was found."""
        found = self._look(image, on_progress, cancel)
        said = []
        if found.objects:
            said.append(f"The picture shows {_listed(found.objects)}.")
        if found.kind:
            said.append(f"As a whole it looks most like: {found.kind} ({found.score:.0%}).")
        if found.text:
            said.append(f"It says: “{_short(found.text, _QUOTED_TEXT)}”.")
        on_progress(1.0, "described")
        if not said:
            return Described("I can't make out anything that I know in the picture.", False, found.facts())
        return Described(" ".join(said), True, found.facts())


class AnswerFromParts(_Parts):
    """`engines.protocols.VisualQuestionAnswering` through the same, with a chat model that knows the findings only."""

    capability: ClassVar[str] = "visual-question-answering"

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        self._chat: Chat = context.parts["chat"]

    def answer(
        self,
        image: Image,
        question: str,
        *,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken = NEVER,
    ) -> Described:
        """See `engines.protocols.VisualQuestionAnswering`. Raises InputError for an empty question."""
        check_question(question)
        found = self._look(image, on_progress, cancel)
        on_progress(0.7, "thinking about the question")
        request = ChatRequest(
            messages=[*_examples(), _ask(found.facts(), question)],
            max_tokens=160,
            json_schema=_SCHEMA,
            lane="picture",
            shared=len(_examples()),
        )
        reply = self._chat.complete(request, cancel=cancel)
        try:
            decided = json.loads(reply.text)
            known, answer = bool(decided["known"]), str(decided["answer"]).strip()
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError("The chat model's answer about the picture can't be read.", fix="Ask again.") from error
        on_progress(1.0, "answered")
        if known and answer:
            return Described(answer, True, found.facts())
        seen = "; ".join(found.facts(_QUOTED_TEXT))
        return Described(f"I can't tell from what I could find in the picture. {seen}.", False, found.facts())


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ..."


def _in_words(boxes: Sequence[Box], width: int) -> tuple[str, ...]:
    """``two dogs (left, right)``, by label; those that cover most of the picture first."""
    by_label: dict[str, list[Box]] = {}
    for box in sorted(boxes, key=lambda box: box.area, reverse=True):
        by_label.setdefault(box.label, []).append(box)
    return tuple(f"{_counted(label, len(same))} ({_sides(same, width)})" for label, same in by_label.items())


def _counted(label: str, count: int) -> str:
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    if count == 1:
        return f"{number} {label}"
    many = {"person": "people", "mouse": "mice", "knife": "knives", "sheep": "sheep", "skis": "skis"}
    plural = many.get(label) or (f"{label}es" if label.endswith(("s", "sh", "ch", "x")) else f"{label}s")
    return f"{number} {plural}"


def _sides(boxes: Sequence[Box], width: int) -> str:
    thirds = [int(3 * (box.left + box.right) / 2 / max(1, width)) for box in boxes]
    return ", ".join(("left", "middle", "right")[third] for third in sorted({min(2, max(0, t)) for t in thirds}))


def _listed(things: Sequence[str]) -> str:
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"


def _ask(facts: Sequence[str], question: str) -> ChatTurn:
    listed = "\n".join(f"- {fact}" for fact in facts)
    return ChatTurn("user", f"Facts:\n{listed}\nQuestion: {question}")


@cache
def _examples() -> tuple[ChatTurn, ...]:
    """The instruction and the worked examples: the same every time, so that they are read once."""
    turns = [ChatTurn("system", _PROMPT.with_suffix(".md").read_text("utf-8").strip())]
    for example in tomllib.loads(_PROMPT.with_suffix(".toml").read_text("utf-8"))["example"]:
        facts, question = example["facts"], example["question"]
        turns.append(ChatTurn("user", f"Facts:\n{facts}\nQuestion: {question}"))
        turns.append(ChatTurn("assistant", example["answer"]))
    return tuple(turns)
