"""What a turn's plan may name, and how names become what tools are given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from graphs.plan import Offer, StepResult
from memory.events import PlannedStep
from tools.spec import ToolSpec
from tools.types import MediaKind

#: A longer message is shown to the planner without its middle; a tool can be given all of it by name.
LONG_MESSAGE = 2_000
WHOLE_MESSAGE = "@message"

#: How many files of earlier turns a plan may still name.
REMEMBERED_FILES = 6

#: The words for texts of earlier turns, by the tool that made them.
TEXT_NAMES = {"transcribe_audio": "@transcript", "translate": "@translation"}

_AS_MEDIA: dict[str, MediaKind] = {
    "image": "image",
    "mask": "image",
    "audio": "audio",
    "video": "video",
    "text": "text",
}


def offers_of_turn(
    message: str, attachments: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The turn's attachments, then what is known from earlier turns; every name once, and every file."""
    offers = _files(attachments, after=_counted(known))
    _add_earlier(offers, (Offer(**item) for item in known))
    if len(message) > LONG_MESSAGE:
        offers[WHOLE_MESSAGE] = Offer(WHOLE_MESSAGE, "text", message, earlier=True)
    return [asdict(offer) for offer in offers.values()]


def remember(
    attachments: Sequence[Mapping[str, Any]],
    results: Sequence[StepResult],
    answer: str,
    known: Sequence[Mapping[str, Any]],
    spec_of: Callable[[str], ToolSpec],
) -> list[dict[str, Any]]:
    """What later turns may name, newest first: files that were made or attached, and the latest texts."""
    texts: dict[str, Offer] = {"@answer": Offer("@answer", "text", answer, earlier=True)} if answer else {}
    for result in results:
        if (name := TEXT_NAMES.get(result["tool"])) and (text := result["fields"].get("text")):
            texts[name] = Offer(name, "text", text, earlier=True)
    made = [artifact for result in results if not result["error"] for artifact in _works(result, spec_of)]
    files = _files(attachments, made, after=_counted(known), earlier=True)
    earlier = [Offer(**item) for item in known]
    _add_earlier(files, (offer for offer in earlier if offer.is_file))
    _add_earlier(texts, (offer for offer in earlier if not offer.is_file))
    kept = [*list(files.values())[:REMEMBERED_FILES], *texts.values()]
    return [asdict(offer) for offer in kept]


async def resolve(
    step: PlannedStep,
    offers: Sequence[Offer],
    results: Mapping[str, StepResult],
    spec_of: Callable[[str], ToolSpec],
    read_text: Callable[[str], Awaitable[str]],
) -> dict[str, Any]:
    """The step's arguments with every name replaced by an artifact's id or a text. ``read_text`` gives a file's."""
    kinds = spec_of(step.tool).media_parameters
    named = {(offer.name, offer.kind): offer for offer in offers}
    args: dict[str, Any] = {}
    for name, value in step.args.items():
        kind = kinds.get(name)
        if kind and value in results:
            source = results[value]
            field = spec_of(source["tool"]).produces.get(kind)
            args[name] = source["fields"][field] if field else source["summary"]
        elif kind and (offer := named.get((value, kind))):
            args[name] = await read_text(offer.value) if kind == "text" and offer.is_file else offer.value
        else:
            args[name] = value
    return args


def _works(result: StepResult, spec_of: Callable[[str], ToolSpec]) -> list[dict[str, Any]]:
    """The files a step made for others to work on; pictures that only show what was found are left out."""
    works = {result["fields"].get(name) for name in spec_of(result["tool"]).produces.values()}
    return [artifact for artifact in result["artifacts"] if artifact["id"] in works]


def _plain_name(name: str) -> str:
    """A file may be called ``$1`` or ``@answer``; in a plan these stand for something else."""
    return name.lstrip("$@") or "file"


def _files(
    attachments: Sequence[Mapping[str, Any]],
    made: Sequence[Mapping[str, Any]] = (),
    *,
    after: int,
    earlier: bool = False,
) -> dict[str, Offer]:
    """Those that a tool can work on, what was ``made`` of the attachments first, by names of their own; the first of a
    name has it plain. They are counted on ``after`` those before them.
    """
    counted = [*enumerate((*attachments, *made), after + 1)]
    files: dict[str, Offer] = {}
    for number, ref in (*counted[len(attachments) :], *counted[: len(attachments)]):
        if kind := _AS_MEDIA.get(ref["kind"]):
            name = free_name(_plain_name(ref["name"]), files)
            is_made = number > after + len(attachments)
            files[name] = Offer(name, kind, ref["id"], earlier=earlier, is_file=True, number=number, made=is_made)
    return files


def _counted(known: Iterable[Mapping[str, Any]]) -> int:
    """How many files the conversation has had, those that are forgotten too."""
    return max((item.get("number", 0) for item in known), default=0)


def _add_earlier(offers: dict[str, Offer], known: Iterable[Offer]) -> None:
    """Add what is known from earlier turns. A file whose name a newer one has gets another, and keeps that; a text
    gives way to the newer one.
    """
    earlier = list(known)
    there = {offer.value for offer in offers.values() if offer.is_file}
    taken = {*offers, *(offer.name for offer in earlier)}
    for offer in earlier:
        if offer.is_file and offer.value in there:
            continue
        if offer.name not in offers:
            offers[offer.name] = offer
        elif offer.is_file:
            name = free_name(offer.name, taken)
            taken.add(name)
            offers[name] = replace(offer, name=name)


def free_name(name: str, taken: Collection[str]) -> str:
    """``photo.jpg``, ``photo-2.jpg`` ..."""
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        stem, suffix = name, ""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{stem}-{number}{dot}{suffix}"
    return free
